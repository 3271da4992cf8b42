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
from dataclasses import asdict, dataclass
from statistics import geometric_mean, median
from typing import Any

from rich.table import Table

from distnlc.bench.cells import BATCH_SIZE, SHAPES, Cell
from distnlc.bench.display import plain_table, progress
from distnlc.bench.products import flops
from distnlc.bench.team import VARIANTS, Prepared, Team, compilation_s, make_team
from distnlc.sinks.console import terminal

REPETITIONS = 5
TARGET_S = 0.3
"""of one measurement, which is as many short epochs as come nearest to it, at least one"""
EXPECTED_S = {20_000: 9.0, 100_000: 13.0, 1_000_000: 35.0}
"""parameters -> seconds that a cell takes on a CPU"""


@dataclass(frozen=True)
class CellResult:
    """What was measured of one cell; variants by letter."""

    cell: Cell
    width: int
    flops: int
    """of one run's whole epoch: its matrix products"""
    prepared: dict[str, list[Prepared]]
    rates: dict[str, list[float]]
    """run-epochs per second of the whole machine, by repetition"""

    def ratio(self, of: str, to: str) -> float:
        """Median over the repetitions."""
        return median(a / b for a, b in zip(self.rates[of], self.rates[to], strict=True))

    def memory_bytes(self, variant: str) -> int | None:
        """Of one process."""
        found = [prepared.memory_bytes for prepared in self.prepared[variant]]
        return max((each for each in found if each is not None), default=None)


def measure_cell(cell: Cell, device: str, *, processes: int, repetitions: int = REPETITIONS) -> CellResult:
    """Measures all variants in turn. Raises EngineError if a process dies."""
    shape = SHAPES[device]
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with ExitStack() as stack:
        teams: dict[str, Team] = {}
        for variant in VARIANTS:
            teams[variant] = make_team(cell, variant, device, processes)
            stack.callback(teams[variant].close)
        for _ in range(repetitions):
            for variant, team in teams.items():
                repeats = max(1, round(TARGET_S / max(prepared.epoch_s for prepared in team.prepared)))
                run_epochs = repeats * team.prepared[0].run_epochs
                rates[variant].append(sum(run_epochs / seconds for seconds in team.seconds(repeats)))
    architecture = cell.architecture(shape)
    return CellResult(
        cell,
        architecture.width,
        flops(architecture.widths, shape.train_batches, shape.validation_batches),
        {variant: team.prepared for variant, team in teams.items()},
        rates,
    )


def expected_s(cells: Sequence[Cell]) -> float:
    """Of the whole part."""
    return sum(EXPECTED_S[cell.parameters] for cell in cells)


def measure(cells: Sequence[Cell], device: str) -> dict[str, Any]:
    """Measures the cells, prints the tables, gives everything as plain data."""
    shape, processes = SHAPES[device], (os.cpu_count() or 1) if device == "cpu" else 1
    results = []
    with progress("training", expected_s(cells)) as begin:
        for cell in cells:
            begin(cell.label(), EXPECTED_S[cell.parameters])
            results.append(measure_cell(cell, device, processes=processes))
    where = f"{processes} process{'es' * (processes > 1)} of one thread" if device == "cpu" else "one GPU"
    how = (
        f"{where}, populations of {shape.population}, float64, minibatches of {BATCH_SIZE} points like "
        f"{shape.dataset}'s ({shape.d_in} inputs, {shape.classes} classes); epochs of {shape.train_batches} + "
        f"{shape.validation_batches} minibatches, scaled up from shorter ones; medians of {REPETITIONS} alternating "
        "repetitions"
    )
    compiled_s = compilation_s() if device == "cpu" else None
    for table in rates_table(results, how), costs_table(results, compiled_s), summary_table(results):
        terminal.print(table)
    cells_data = [plain_data(result) for result in results]
    return {"how": how, "compilation_s": compiled_s, "cells": cells_data, "summary": summary(results)}


def groups(results: Sequence[CellResult]) -> dict[str, list[CellResult]]:
    """All cells, those of each depth and those of each size, by name."""
    found = {"all": list(results)}
    for result in results:
        found.setdefault(f"depth {result.cell.depth}", []).append(result)
    for result in sorted(results, key=lambda result: result.cell.parameters):
        found.setdefault(f"{result.cell.parameters:,} parameters", []).append(result)
    return found


def summary(results: Sequence[CellResult]) -> dict[str, Any]:
    """Ratios over groups of cells, and what making programs took; plain data."""
    ratios = {}
    for name, group in groups(results).items():
        by_ratio = {f"a/{other}": [result.ratio("a", other) for result in group] for other in "bcd"}
        ratios[name] = {
            ratio: {"geometric_mean": geometric_mean(values), "lowest": min(values)}
            for ratio, values in by_ratio.items()
        }
    prepared = {variant: [each for result in results for each in result.prepared[variant]] for variant in "abc"}
    return {
        "ratios": ratios,
        "startup_s": {variant: max(each.startup_s for each in found) for variant, found in prepared.items()},
        "program_s": {variant: median(each.program_s for each in found) for variant, found in prepared.items()},
    }


def plain_data(result: CellResult) -> dict[str, Any]:
    """One cell with medians and single repetitions, for JSON."""
    cell = result.cell
    return {
        **asdict(cell),
        "width": result.width,
        "activation": cell.activation,
        "skip_start": cell.skip_start,
        "flops_per_run_epoch": result.flops,
        "variants": {
            variant: {
                "name": name,
                "run_epochs_per_second": median(result.rates[variant]),
                "repetitions": result.rates[variant],
                "memory_bytes": result.memory_bytes(variant),
                "processes": [asdict(prepared) for prepared in result.prepared[variant]],
            }
            for variant, name in VARIANTS.items()
        },
        "ratios": {f"a/{other}": result.ratio("a", other) for other in "bcd"},
    }


def rates_table(results: Sequence[CellResult], how: str) -> Table:
    legend = ", ".join(f"({letter}) {name}" for letter, name in VARIANTS.items())
    table = _table("Training: run-epochs per second", f"{legend}; {how}", [*VARIANTS, "a/b", "a/c", "a/d"])
    for result in results:
        table.add_row(
            *_names(result.cell),
            *(_rate(median(result.rates[variant])) for variant in VARIANTS),
            *_ratios({other: result.ratio("a", other) for other in "bcd"}),
        )
    return table


def costs_table(results: Sequence[CellResult], compiled_s: float | None) -> Table:
    """Memory and the making of programs; `compiled_s`: of what is compiled once per machine, if anything is."""
    once = ", ".join(f"{variant} {seconds:.2f} s" for variant, seconds in summary(results)["startup_s"].items())
    caption = (
        "s: compilation or graph capture for this architecture (the making of a program and its first epoch less "
        f"another epoch); before that, once per process: {once}"
    )
    if compiled_s is not None:
        caption += f"; and once per machine, compiled and kept: {compiled_s:.1f} s"
    columns = [f"{variant} {unit}" for unit in ("MB", "s") for variant in "abc"]
    table = _table("Training: peak memory of one process; the making of a program", caption, columns)
    for result in results:
        memory = [result.memory_bytes(variant) for variant in "abc"]
        made_s = [median(each.program_s for each in result.prepared[variant]) for variant in "abc"]
        table.add_row(
            *_names(result.cell),
            *("-" if each is None else f"{each / 1e6:.0f}" for each in memory),
            *(f"{seconds:.2f}" for seconds in made_s),
        )
    return table


def summary_table(results: Sequence[CellResult]) -> Table:
    table = plain_table("Training: geometric mean over the cells (lowest)", "", ["cells"], ["", "a/b", "a/c", "a/d"])
    sizes = {name: len(group) for name, group in groups(results).items()}
    for name, found in summary(results)["ratios"].items():
        means, lowest = (
            _ratios({ratio[-1]: each[which] for ratio, each in found.items()}) for which in ("geometric_mean", "lowest")
        )
        table.add_row(name, str(sizes[name]), *(f"{m} ({low})" for m, low in zip(means, lowest, strict=True)))
    return table


def _table(title: str, caption: str, numbers: Sequence[str]) -> Table:
    return plain_table(title, caption, ["depth", "size", "norm", "skips", "function"], numbers)


def _names(cell: Cell) -> list[str]:
    size = f"{cell.parameters / 1e6:g}M" if cell.parameters >= 1_000_000 else f"{cell.parameters / 1e3:g}k"
    start = {"normalization": "norm"}.get(cell.skip_start, cell.skip_start)
    return [str(cell.depth), size, cell.normalization, start, cell.activation]


def _rate(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _ratios(found: dict[str, float]) -> list[str]:
    """a/b and a/c as numbers, a/d as the share that it is."""
    return [f"{value:.0%}" if other == "d" else f"{value:.2f}" for other, value in found.items()]
