"""The command `distnlc bench`: which parts to measure, the tables, and one JSON file with everything.

The file is written anew after every part, so that an interruption costs only the part that it fell into.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from distnlc.engine.executor import best_device
from distnlc.sinks.console import duration, say

PARTS = ("training", "metrics", "engine")


def bench(
    parts: Annotated[
        list[str] | None, typer.Argument(metavar="PART", help=f"{', '.join(PARTS)}; none given: all")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="write all measurements here")
    ] = None,
    depth: Annotated[list[int] | None, typer.Option(help="only these depths of the training grid (repeatable)")] = None,
    parameters: Annotated[
        list[int] | None, typer.Option(help="only these parameter counts of the training grid (repeatable)")
    ] = None,
) -> None:
    """Measures this machine: training and measuring against plain PyTorch and bare matrix products; the engine."""
    from distnlc.bench import engine_part as engine
    from distnlc.bench import machine
    from distnlc.bench import metrics_part as metrics
    from distnlc.bench import training_part as training
    from distnlc.bench.cells import DEPTHS, PARAMETERS, grid

    chosen = list(dict.fromkeys(parts or PARTS))
    _check("PART", chosen, PARTS)
    for option, asked, known in ("--depth", depth, DEPTHS), ("--parameters", parameters, PARAMETERS):
        _check(option, asked or (), known)
        if asked and "training" not in chosen:
            raise typer.BadParameter("chooses cells of the part training, which is not measured", param_hint=option)
    device = best_device()
    cells = grid(tuple(depth or DEPTHS), tuple(parameters or PARAMETERS))
    found: dict[str, Any] = {"machine": machine.describe(), "device": device}
    _write(json_file, found)
    expected_s = {
        "training": training.expected_s(cells),
        "metrics": metrics.expected_s(),
        "engine": engine.expected_s(),
    }
    say(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found["machine"].items() if value))
    say(f"{', '.join(chosen)}: about {duration(sum(expected_s[part] for part in chosen))}; leave the machine in peace")
    for part in chosen:
        began = time.monotonic()
        if part == "training":
            found[part] = training.measure(cells, device)
        else:
            found[part] = metrics.measure(device) if part == "metrics" else engine.measure()
        found[part]["seconds"] = time.monotonic() - began
        _write(json_file, found)


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
