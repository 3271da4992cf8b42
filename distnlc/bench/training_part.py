"""The part `training`: run-epochs per second of the population trainer over a grid of cells, and three others beside.

The population trainer as a study uses it, the plain PyTorch loop (one network at a time), the torch.func population
and the matrix products of an epoch alone take turns; ratios are formed within a repetition, and their medians count.
Short epochs are measured (see `cells.Job`) and scaled to the dataset's whole epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import geometric_mean, median
from typing import Any

from distnlc.bench.cells import BATCH_SIZE, SHAPES, Cell, grid
from distnlc.bench.steps import mixed, so_far, steps
from distnlc.bench.team import VARIANTS, Team, make_ready, rate, team
from distnlc.versions import cores

REPETITIONS = 5
OTHERS = [variant for variant in VARIANTS if variant != "population"]


def measure_cell(cell: Cell, device: str, together: Team) -> dict[str, Any]:
    """The rates of all variants in each repetition, summed over the processes, and the ratios."""
    together(make_ready, cell, device)
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(REPETITIONS):
        for variant, measured in rates.items():
            measured.append(sum(together(rate, cell, device, variant)))
    return {
        **asdict(cell),
        "label": cell.architecture(SHAPES[device]).label(),
        "run_epochs_per_second": rates,
        "ratios": ratios(rates),
    }


def ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """The median over the repetitions of the population trainer's rate over each other variant's."""
    return {
        other: median(ours / theirs for ours, theirs in zip(rates["population"], rates[other], strict=True))
        for other in OTHERS
    }


def measure(device: str, cells: Sequence[Cell] | None = None) -> Iterator[dict[str, Any]]:
    """Measures all cells of the grid, or these, and yields what there is after each. Raises EngineError if a process
    fails."""
    processes = cores() if device == "cpu" else 1
    todo, found = mixed(cells or grid()), list[dict[str, Any]]()
    with team(processes) as together:
        for cell in steps("training", todo):
            found = sorted([*found, measure_cell(cell, device, together)], key=lambda each: each["number"])
            yield {
                "how": _how(device, processes, done=len(found), of=len(todo)),
                "summary": summary(found),
                "cells": found,
            }


def _how(device: str, processes: int, *, done: int, of: int) -> str:
    shape = SHAPES[device]
    where = f"{processes} process{'es' * (processes > 1)} of one thread" if device == "cpu" else "one GPU"
    return (
        f"{so_far(done, of)}the population trainer's run-epochs per second over those of the others: geometric mean "
        f"(lowest); {where}, "
        f"populations of {shape.population}, float64, minibatches of {BATCH_SIZE} points like {shape.dataset}'s "
        f"({shape.d_in} inputs, {shape.classes} classes); epochs of {shape.train_batches} + "
        f"{shape.validation_batches} minibatches, scaled up from shorter ones; medians of {REPETITIONS} alternating "
        "repetitions"
    )


def summary(cells: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Geometric means and lowest ratios over all cells, those of each depth and of each size."""
    groups = {"all": list(cells)}
    for cell in cells:
        groups.setdefault(f"depth {cell['depth']}", []).append(cell)
    for cell in sorted(cells, key=lambda cell: cell["parameters"]):
        groups.setdefault(f"{cell['parameters']:,} parameters", []).append(cell)

    def statistics(ratios: list[float]) -> dict[str, float]:
        return {"geometric_mean": geometric_mean(ratios), "lowest": min(ratios)}

    return {
        name: {other: statistics([cell["ratios"][other] for cell in group]) for other in OTHERS}
        for name, group in groups.items()
    }
