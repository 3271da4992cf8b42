"""The command `distnlc bench`: which parts to measure, a table for each, and one JSON file with everything.

A part is one of those below, or a kind of study that says what to measure (`Kind.bench`). Parts yield what they have
after each of their steps; the file is written anew then, so that an interruption costs only the step that it fell into,
and the table of what there is is shown all the same.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from distnlc.bench.table import plain_table
from distnlc.engine.executor import best_device
from distnlc.files import write_whole
from distnlc.plugins import Ref, kind_of, kinds, loaded, use_plugins
from distnlc.sinks.console import say, terminal

MINUTES = {"gpu": 9, "training": 17, "networks": 1, "metrics": 1, "engine": 6, "scale": 2}
"""part -> its time on two cores, and beside a GPU"""
ON_THE_DEVICE = {"training", "networks", "metrics"}
"""parts that measure the device they are told"""


def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PART", help=f"{', '.join(MINUTES)} (left out: these; gpu needs one), or a kind of study"
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="write all measurements here")
    ] = None,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", metavar="MODULE", help="a module with kinds of your own")
    ] = None,
) -> None:
    """Measures this machine: training and metrics against plain PyTorch and bare matrix products; the engine."""
    from distnlc.bench import machine

    use_plugins(plugin or ())
    device = best_device()
    measures: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        **{part: partial(_measure_part, part, device) for part in MINUTES},
        **{name: partial(_measure_kind, bench) for name in kinds() if (bench := kind_of(name).bench)},
    }
    chosen = list(dict.fromkeys(parts or (part for part in MINUTES if part != "gpu" or device == "cuda")))
    for part in chosen:
        if part not in measures:
            raise typer.BadParameter(f"there is no {part}; there are {', '.join(measures)}", param_hint="PART")
    if "gpu" in chosen and device != "cuda":
        raise typer.BadParameter("gpu needs a GPU that torch can use, and this machine has none", param_hint="PART")
    found: dict[str, Any] = {"machine": machine.describe(device)}
    _write(json_file, found)
    say(", ".join(f"{name} {value}" for name, value in found["machine"].items()))
    minutes = f"; about {sum(MINUTES[part] for part in chosen)} min" if set(chosen) <= set(MINUTES) else ""
    say(f"{', '.join(chosen)}{minutes}; the machine should do nothing else")
    for part in chosen:
        try:
            for found[part] in measures[part]():  # noqa: B020 (each is the part so far)
                _write(json_file, found)
        finally:
            if part in found:
                _show(part, found[part]["how"], found[part]["summary"])


def _measure_part(part: str, device: str) -> Iterable[dict[str, Any]]:
    """Imports the part, which may need what others can do without, and measures."""
    module = import_module(f"distnlc.bench.{part}_part")
    found: Iterable[dict[str, Any]] = module.measure(device) if part in ON_THE_DEVICE else module.measure()
    return found


def _measure_kind(reference: Callable[[], Mapping[str, Any]] | Ref) -> Iterator[dict[str, Any]]:
    """A kind's own measurements."""
    yield {"how": "", "summary": {name: {"value": value} for name, value in _flat(loaded(reference)())}}


def _flat(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values, nested names joined by a space."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", each) for inner, each in _flat(value))
        else:
            yield name, value


def _show(title: str, how: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Prints the rows, which have the same columns."""
    table = plain_table(title, how, [""], list(next(iter(rows.values()), ())))
    for name, row in rows.items():
        table.add_row(name, *map(_written, row.values()))
    terminal.print(table)


def _written(value: Any) -> str:
    """A number with three digits or all before the point; a geometric mean with the lowest in brackets."""
    if isinstance(value, Mapping):
        return "{} ({})".format(*map(_written, value.values()))
    return str(value) if not isinstance(value, float) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _write(file: Path | None, found: dict[str, Any]) -> None:
    """Raises typer.BadParameter where nothing can be written: before anything is measured."""
    if file is not None:
        try:
            file.parent.stat()  # it is not made: its name may be a mistake
            write_whole(file, lambda opened: opened.write(f"{json.dumps(found, indent=1)}\n".encode()))
        except OSError as error:
            raise typer.BadParameter(f"{file}: cannot be written: {error.strerror}", param_hint="--json") from None
