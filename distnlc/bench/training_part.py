"""The part `training`: run-epochs per second of the population trainer, against three others, over a grid of cells.

In: cells and a device. Out: for every cell the rates of
    (a) the population trainer as a study uses it,   (b) the plain PyTorch loop, one network at a time,
    (c) the torch.func population,                   (d) the matrix products of an epoch alone,
in alternating repetitions a, b, c, d, a, b, c, d, ...; ratios are formed within a repetition, and their medians
count. Short epochs are measured (see `cells.Job`) and scaled to the dataset's whole epoch.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from statistics import geometric_mean, median
from typing import Any

from rich.table import Table

from distnlc.bench.cells import BATCH_SIZE, SHAPES, Cell
from distnlc.bench.display import progress
from distnlc.bench.products import flops
from distnlc.bench.team import VARIANTS, LocalTeam, ProcessTeam, compilation_s
from distnlc.measuring.table import plain_table
from distnlc.sinks.console import terminal

REPETITIONS = 5
TARGET_S = 0.3
"""of one measurement, which is as many short epochs as come nearest to it, at least one"""
EXPECTED_S = {20_000: 9.0, 100_000: 13.0, 1_000_000: 35.0}
"""parameters -> seconds that a cell takes on a CPU"""


def measure_cell(cell: Cell, device: str, *, processes: int, repetitions: int = REPETITIONS) -> dict[str, Any]:
    """Measures all variants of a cell in turn: plain data, with medians and single repetitions.

    Rates are run-epochs per second of the whole machine, memory is that of one process. Raises EngineError if a
    process dies.
    """
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with ExitStack() as stack:
        teams: dict[str, LocalTeam | ProcessTeam] = {}
        for variant in VARIANTS:
            on_gpu = device != "cpu"
            team = LocalTeam(cell, variant, device) if on_gpu else ProcessTeam(cell, variant, processes)
            stack.callback(team.close)
            teams[variant] = team
        for _ in range(repetitions):
            for variant, team in teams.items():
                repeats = max(1, round(TARGET_S / max(prepared.epoch_s for prepared in team.prepared)))
                run_epochs = repeats * team.prepared[0].run_epochs
                rates[variant].append(sum(run_epochs / seconds for seconds in team.seconds(repeats)))
        prepared = {variant: [asdict(each) for each in team.prepared] for variant, team in teams.items()}
    shape = SHAPES[device]
    architecture = cell.architecture(shape)
    return {
        **asdict(cell),
        "width": architecture.width,
        "activation": cell.activation,
        "skip_start": cell.skip_start,
        "flops_per_run_epoch": flops(architecture.widths, shape.train_batches, shape.validation_batches),
        "variants": {
            variant: {
                "name": name,
                "run_epochs_per_second": median(rates[variant]),
                "repetitions": rates[variant],
                "memory_bytes": max((each["memory_bytes"] for each in prepared[variant]), key=lambda size: size or 0),
                "processes": prepared[variant],
            }
            for variant, name in VARIANTS.items()
        },
        "ratios": {
            f"a/{other}": median(a / b for a, b in zip(rates["a"], rates[other], strict=True)) for other in "bcd"
        },
    }


def expected_s(cells: Sequence[Cell]) -> float:
    """Seconds that the whole part takes."""
    return sum(EXPECTED_S[cell.parameters] for cell in cells)


def measure(cells: Sequence[Cell], device: str) -> dict[str, Any]:
    """Measures the cells, prints the tables, gives everything as plain data."""
    shape, processes = SHAPES[device], (os.cpu_count() or 1) if device == "cpu" else 1
    found = []
    with progress("training", expected_s(cells)) as begin:
        for cell in cells:
            begin(cell.label(), EXPECTED_S[cell.parameters])
            found.append(measure_cell(cell, device, processes=processes))
    where = f"{processes} process{'es' * (processes > 1)} of one thread" if device == "cpu" else "one GPU"
    how = (
        f"{where}, populations of {shape.population}, float64, minibatches of {BATCH_SIZE} points like "
        f"{shape.dataset}'s ({shape.d_in} inputs, {shape.classes} classes); epochs of {shape.train_batches} + "
        f"{shape.validation_batches} minibatches, scaled up from shorter ones; medians of {REPETITIONS} alternating "
        "repetitions"
    )
    compiled_s = compilation_s() if device == "cpu" else None
    result = {"how": how, "compilation_s": compiled_s, "cells": found, "summary": summary(found)}
    for table in rates_table(result), costs_table(result), summary_table(result):
        terminal.print(table)
    return result


def summary(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ratios over all cells, those of each depth and of each size; the time of making programs."""
    groups = {"all": list(cells)}
    for cell in cells:
        groups.setdefault(f"depth {cell['depth']}", []).append(cell)
    for cell in sorted(cells, key=lambda cell: cell["parameters"]):
        groups.setdefault(f"{cell['parameters']:,} parameters", []).append(cell)
    ratios: dict[str, Any] = {}
    for name, group in groups.items():
        values = {ratio: [cell["ratios"][ratio] for cell in group] for ratio in ("a/b", "a/c", "a/d")}
        ratios[name] = {
            ratio: {"geometric_mean": geometric_mean(each), "lowest": min(each)} for ratio, each in values.items()
        }
    processes = {
        variant: [each for cell in cells for each in cell["variants"][variant]["processes"]] for variant in "abc"
    }
    return {
        "ratios": ratios,
        "cells": {name: len(group) for name, group in groups.items()},
        "startup_s": {variant: max(each["startup_s"] for each in found) for variant, found in processes.items()},
        "program_s": {variant: median(each["program_s"] for each in found) for variant, found in processes.items()},
    }


def rates_table(result: dict[str, Any]) -> Table:
    legend = ", ".join(f"({letter}) {name}" for letter, name in VARIANTS.items())
    columns = [*VARIANTS, "a/b", "a/c", "a/d"]
    table = _table("Training: run-epochs per second", f"{legend}; {result['how']}", columns)
    for cell in result["cells"]:
        rates = [each["run_epochs_per_second"] for each in cell["variants"].values()]
        written = [f"{rate:.3g}" if rate < 1000 else f"{rate:.0f}" for rate in rates]
        table.add_row(*_names(cell), *written, *(_ratio(*each) for each in cell["ratios"].items()))
    return table


def costs_table(result: dict[str, Any]) -> Table:
    """Memory and the making of programs."""
    once = ", ".join(f"{variant} {seconds:.2f} s" for variant, seconds in result["summary"]["startup_s"].items())
    caption = (
        "s: compilation or graph capture for this architecture (the making of a program and its first epoch less "
        f"another epoch); before that, once per process: {once}"
    )
    if result["compilation_s"] is not None:
        caption += f"; and once per machine, compiled and kept: {result['compilation_s']:.1f} s"
    columns = [f"{variant} {unit}" for unit in ("MB", "s") for variant in "abc"]
    table = _table("Training: peak memory of one process; the making of a program", caption, columns)
    for cell in result["cells"]:
        variants = [cell["variants"][variant] for variant in "abc"]
        memory = [each["memory_bytes"] for each in variants]
        made_s = [median(process["program_s"] for process in each["processes"]) for each in variants]
        table.add_row(
            *_names(cell),
            *("-" if each is None else f"{each / 1e6:.0f}" for each in memory),
            *(f"{seconds:.2f}" for seconds in made_s),
        )
    return table


def summary_table(result: dict[str, Any]) -> Table:
    table = plain_table("Training: geometric mean over the cells (lowest)", "", ["cells"], ["", "a/b", "a/c", "a/d"])
    for name, ratios in result["summary"]["ratios"].items():
        means = (f"{_ratio(of, each['geometric_mean'])} ({_ratio(of, each['lowest'])})" for of, each in ratios.items())
        table.add_row(name, str(result["summary"]["cells"][name]), *means)
    return table


def _table(title: str, caption: str, numbers: Sequence[str]) -> Table:
    return plain_table(title, caption, ["depth", "size", "norm", "skips", "function"], numbers)


def _names(cell: dict[str, Any]) -> list[str]:
    size = cell["parameters"]
    written = f"{size / 1e6:g}M" if size >= 1_000_000 else f"{size / 1e3:g}k"
    start = {"normalization": "norm"}.get(cell["skip_start"], cell["skip_start"])
    return [str(cell["depth"]), written, cell["normalization"], start, cell["activation"]]


def _ratio(name: str, value: float) -> str:
    """a/b and a/c as numbers, a/d as the share that it is."""
    return f"{value:.0%}" if name == "a/d" else f"{value:.2f}"
