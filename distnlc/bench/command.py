"""The command `distnlc bench`: which parts to measure, the tables, and one JSON file with everything.

A part is one of the three below, or a kind of study that says what to measure (`Kind.bench`). The file is written anew
after every part, so that an interruption costs only the part that it fell into.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from distnlc.engine.executor import best_device
from distnlc.measuring.table import plain_table
from distnlc.plugins import Ref, kind_of, kinds, loaded, use_plugins
from distnlc.sinks.console import duration, say, terminal

PARTS = ("training", "metrics", "engine")


def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PART", help=f"{', '.join(PARTS)} (left out: these), or a kind of study"),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="write all measurements here")
    ] = None,
    depth: Annotated[list[int] | None, typer.Option(help="only these depths of the training grid (repeatable)")] = None,
    parameters: Annotated[
        list[int] | None, typer.Option(help="only these parameter counts of the training grid (repeatable)")
    ] = None,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", metavar="MODULE", help="a module with kinds of your own")
    ] = None,
) -> None:
    """Measures this machine: training and metrics against plain PyTorch and bare matrix products; the engine."""
    from distnlc.bench import engine_part, machine, metrics_part, training_part
    from distnlc.bench.cells import DEPTHS, PARAMETERS, grid

    use_plugins(plugin or ())
    of_kinds = {name: partial(_measure_kind, name, bench) for name in kinds() if (bench := kind_of(name).bench)}
    chosen = list(dict.fromkeys(parts or PARTS))
    _check("PART", chosen, [*PARTS, *of_kinds])
    for option, asked, known in ("--depth", depth, DEPTHS), ("--parameters", parameters, PARAMETERS):
        _check(option, asked or (), known)
        if asked and "training" not in chosen:
            raise typer.BadParameter("chooses cells of the part training, which is not measured", param_hint=option)
    device = best_device()
    cells = grid(tuple(depth or DEPTHS), tuple(parameters or PARAMETERS))
    measures: dict[str, Callable[[], dict[str, Any]]] = of_kinds | {
        "training": partial(training_part.measure, cells, device),
        "metrics": partial(metrics_part.measure, device),
        "engine": engine_part.measure,
    }
    expected_s = {
        "training": training_part.expected_s(cells),
        "metrics": metrics_part.EXPECTED_S,
        "engine": engine_part.EXPECTED_S,
    }
    found: dict[str, Any] = {"machine": machine.describe(), "device": device}
    _write(json_file, found)
    say(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found["machine"].items() if value))
    about = [duration(sum(expected_s[part] for part in chosen))] if set(chosen) <= set(PARTS) else []
    say("; ".join([", ".join(chosen), *(f"about {each}" for each in about), "leave the machine in peace"]))
    for part in chosen:
        began = time.monotonic()
        found[part] = measures[part]()
        found[part]["seconds"] = time.monotonic() - began
        _write(json_file, found)


def _measure_kind(name: str, reference: Callable[[], Mapping[str, Any]] | Ref) -> dict[str, Any]:
    """A kind's own measurements, shown by their names."""
    found: dict[str, Any] = dict(loaded(reference)())
    table = plain_table(name, "", ["measured"], ["value"])
    for label, value in _flat(found):
        table.add_row(label, f"{value:.4g}" if isinstance(value, float) else str(value))
    terminal.print(table)
    return found


def _flat(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values, nested names joined by a space."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", each) for inner, each in _flat(value))
        else:
            yield str(name), value


def _check(name: str, asked: Sequence[object], known: Sequence[object]) -> None:
    for each in asked:
        if each not in known:
            raise typer.BadParameter(f"there is no {each}; there are {', '.join(map(str, known))}", param_hint=name)


def _write(file: Path | None, found: dict[str, Any]) -> None:
    """Raises typer.BadParameter where nothing can be written: before anything is measured."""
    if file is not None:
        try:
            file.write_text(json.dumps(found, indent=1) + "\n")
        except OSError as error:
            raise typer.BadParameter(f"{file}: cannot be written: {error.strerror}", param_hint="--json") from None
