"""The part `metrics`: the cost of the NLC, against an epoch of training and against the exact Jacobian.

In: a device. Out: for a few architectures the seconds, over a dataset's training part, of the NLC at 100 batches as a
study measures it and of the torch module, of one run's training epoch in a population, and of the NLC with the exact
Jacobian by torch.func.jacrev; and how near the two values are. A network with batch norm is a function of whole
batches, whose exact Jacobian has (batch x d_out) rows instead of d_out, so a few batches must do: the exact seconds are
scaled up, and the values are those of these points.
"""

from dataclasses import asdict
from functools import partial
from statistics import median
from typing import Any

import torch
from torch.func import jacrev, vmap

from distnlc.bench.cells import BATCH_SIZE, SHAPES, Cell, make_job
from distnlc.bench.display import progress
from distnlc.bench.machine import seconds
from distnlc.bench.variants import population
from distnlc.engine.executor import one_thread
from distnlc.measuring.table import plain_table
from distnlc.metrics.batches import Network
from distnlc.metrics.nlc import nlc, nlc_from
from distnlc.metrics.spread import input_moments, output_moments
from distnlc.sinks.console import terminal
from distnlc.training.native_network import fast_network

CELLS = [
    Cell(0, 3, 20_000, "none", skips=False),
    Cell(1, 15, 20_000, "layer", skips=True),
    Cell(2, 15, 20_000, "batch", skips=False),
    Cell(3, 49, 100_000, "layer", skips=False),
]
BATCHES = 100
REPETITIONS = 5
EXACT_POINTS = 1_000
CELL_S = 10.0
"""of one architecture on a CPU"""
EXPECTED_S = CELL_S * len(CELLS)
ROWS_AT_ONCE = 50
"""rows of a batch's Jacobian, to bound the memory"""


def exact_nlc(network: torch.nn.Module, inputs: torch.Tensor, *, coupled: bool) -> float:
    """The NLC with every entry of the Jacobian; `coupled`: datapoints influence each other within consecutive batches.

    `inputs` (points, d_in), a multiple of the batch size.
    """
    network = network.requires_grad_(False)
    if coupled:
        jacobian = jacrev(network, chunk_size=ROWS_AT_ONCE)
    else:
        jacobian = vmap(jacrev(lambda point: network(point[None])[0]))
    squares = torch.stack([jacobian(batch).square().sum() for batch in inputs.split(BATCH_SIZE)])
    size = float((squares.sum() / len(inputs)).sqrt())
    moments = input_moments(inputs, batch_size=BATCH_SIZE), output_moments(network, inputs, batch_size=BATCH_SIZE)
    return nlc_from(size, *moments)


def measure_cell(cell: Cell, device: str, *, exact_points: int = EXACT_POINTS) -> dict[str, Any]:
    """All times and both values of one architecture, as plain data; ratios are medians over the repetitions."""
    job = make_job(cell, SHAPES[device], device, whole=True)
    architecture, inputs = job.start.architecture, job.data.train_inputs
    network, few = architecture.build().to(device), inputs[:exact_points]
    epoch = population(job)
    epoch()  # what is made once is made here
    times: dict[str, list[float]] = {"nlc": [], "module": [], "epoch": [], "exact": []}
    exact = 0.0

    def measure_exact() -> None:
        nonlocal exact
        exact = exact_nlc(network, few, coupled=cell.normalization == "batch")

    def estimate(function: Network, points: torch.Tensor) -> float:
        return nlc(function, points, batch_size=BATCH_SIZE, batches=BATCHES)

    for _ in range(REPETITIONS):
        function = fast_network(network, architecture, batch_size=BATCH_SIZE)
        times["nlc"].append(seconds(partial(estimate, function, inputs), device))
        times["module"].append(seconds(partial(estimate, network, inputs), device))
        times["epoch"].append(seconds(epoch, device) / len(job.rates))
        times["exact"].append(seconds(measure_exact, device) * len(inputs) / len(few))
    return {
        **asdict(cell),
        "label": architecture.label(),
        "seconds": {name: {"median": median(each), "repetitions": each} for name, each in times.items()},
        "nlc_to_epoch": median(a / b for a, b in zip(times["nlc"], times["epoch"], strict=True)),
        "exact_to_nlc": median(a / b for a, b in zip(times["exact"], times["nlc"], strict=True)),
        "points": len(few),
        "nlc": estimate(fast_network(network, architecture, batch_size=BATCH_SIZE), few),
        "exact_nlc": exact,
    }


def measure(device: str) -> dict[str, Any]:
    """Measures, prints the table, gives everything as plain data."""
    found = []
    with one_thread(), progress("metrics", EXPECTED_S) as begin:
        for cell in CELLS:
            begin(cell.label(), CELL_S)
            found.append(measure_cell(cell, device))
    shape, where = SHAPES[device], "one GPU" if device == "cuda" else "one process of one thread"
    how = (
        f"{where}, {shape.dataset}'s shape; NLC: {BATCHES} batches of {BATCH_SIZE} points, as a study measures it; "
        f"module: the same of the torch module; epoch: of one run in a population of {shape.population}; exact: by "
        f"torch.func.jacrev, scaled up from {EXACT_POINTS:,} points; error: of the NLC of these points; "
        f"medians of {REPETITIONS} alternating repetitions"
    )
    numbers = ["NLC s", "module s", "epoch s", "exact s", "NLC/epoch", "exact/NLC", "error"]
    table = plain_table("Metrics: seconds over the training part", how, ["depth", "size", "norm"], numbers)
    for one in found:
        table.add_row(
            str(one["depth"]),
            f"{one['parameters'] / 1000:g}k",
            one["normalization"],
            *(f"{times['median']:.3g}" for times in one["seconds"].values()),
            *(f"{one[name]:.3g}" for name in ("nlc_to_epoch", "exact_to_nlc")),
            f"{one['nlc'] / one['exact_nlc'] - 1:+.1%}",
        )
    terminal.print(table)
    return {"how": how, "cells": found}
