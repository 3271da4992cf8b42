"""`distnlc plan`: units, rows, disk and time of a study on this machine, after a short calibration.

For a GPU that is not there the time comes from the kind's model, and is marked as an estimate.
"""

import time
from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Annotated, Any, Literal

import typer

from distnlc.cli.words import PluginOption, SetOption, SpecArgument, study_of, units_of
from distnlc.engine.executor import best_device, one_thread
from distnlc.plugins import Kind, Work, kind_of, loaded
from distnlc.records import columns_of
from distnlc.sinks.console import duration, say
from distnlc.spec import SpecError, StudySpec, Unit, to_yaml
from distnlc.versions import cores

UNIT_ROW_BYTES = {"str": 8.0, "int": 4.0, "float": 8.0, "bool": 0.5}
"""of a value in the first table, compacted: nearly all of them differ"""
ROW_BYTES = {"str": 0.2, "int": 1.0, "float": 3.0, "bool": 0.2}
"""of a value in a long table, where most repeat (on average of the NLC example's runs and epochs)"""


def plan(
    spec: SpecArgument,
    assignments: SetOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="default: one per core, or one with a GPU")] = None,
    device: Annotated[Literal["cpu", "cuda"] | None, typer.Option(help="default: a GPU if there is one")] = None,
    plugin: PluginOption = None,
) -> None:
    """Says what a study would do and how long it would take here, after a short calibration; does no unit.

    With `--device cuda` and no GPU the time is estimated by a model.
    """
    study = study_of(spec, assignments, plugin)
    kind, here = kind_of(study.kind), best_device()
    device = device or ("cuda" if here == "cuda" else "cpu")
    elsewhere = device == "cuda" and here != "cuda"
    model = kind.estimate if elsewhere else None
    if elsewhere and model is None:
        raise SpecError(
            f"--device cuda: this machine has no GPU that torch can use, and for studies of the kind {kind.name} there "
            "is no model of one; plan on the machine that will run it"
        )
    units = units_of(kind, study)
    workers = workers or (1 if device == "cuda" else cores())
    say(to_yaml(study).rstrip(), style="dim")
    if model is not None:
        seconds, estimated = loaded(model)(study, units)
        say(f"not on this machine: {estimated}")
    else:
        seconds = _seconds(kind, study, units, device)
    for name in dict.fromkeys(unit.part for unit in units):
        part = [(seconds_of, unit) for seconds_of, unit in zip(seconds, units, strict=True) if unit.part == name]
        say(f"{name}: {len(part)} units, {duration(sum(each for each, _ in part))} of work, unit by unit")
        ends = dict.fromkeys(pick(part, key=itemgetter(0)) for pick in (min, max))  # one where all take as long
        for unit_s, unit in ends:
            say(f"    {duration(unit_s)} for {unit.label}")
    rows = loaded(kind.rows)(study) if kind.rows else {kind.first: len(units)}
    size = sum(count * _row_bytes(kind, table) for table, count in rows.items())
    say(f"about {', '.join(f'{count:,} {name}' for name, count in rows.items())}; {size / 1e6:.1f} MB on disk")
    study_s = max(*seconds, sum(seconds) / workers)
    many = workers > 1
    where = f"with {workers} worker{'s' if many else ''} on {device}"
    if model is not None:
        from distnlc.training.gpu_model import ESTIMATED

        where = f"on {workers} such GPU{'s' if many else ''} with one worker{' each' if many else ''} ({ESTIMATED})"
    say(f"about {duration(study_s)} {where}")


def _seconds(kind: Kind[Any], study: StudySpec, units: Sequence[Unit], device: str) -> list[float]:
    """Seconds of each unit: the kind's own calibration; without one the cheapest unit is done, and nothing kept."""
    with one_thread():
        if kind.seconds is not None:
            found: list[float] = loaded(kind.seconds)(study, units, device)
            return found
        cheapest = min(units, key=attrgetter("cost"))
        loaded(kind.prepare)(study, [cheapest.part])
        began = time.perf_counter()
        loaded(kind.run)(study, cheapest, Work(device))
        taken_s = time.perf_counter() - began
    return [taken_s * unit.cost / cheapest.cost for unit in units]


def _row_bytes(kind: Kind[Any], table: str) -> float:
    """Bytes of one row on disk, about, from the types of its columns."""
    sizes = UNIT_ROW_BYTES if table == kind.first else ROW_BYTES
    return sum(sizes[column.removesuffix("?")] for column in columns_of(kind.tables[table]).values())
