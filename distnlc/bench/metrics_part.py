"""The part `metrics`: the cost of the NLC beside an epoch of training, for a few architectures.

Over a dataset's training part are timed: the NLC as a study measures it, the same of the torch module, and one run's
epoch in a population.
"""

from collections.abc import Iterator
from dataclasses import asdict
from statistics import median
from typing import Any

from distnlc.bench.cells import BATCH_SIZE, SHAPES, Cell, make_job
from distnlc.bench.machine import seconds
from distnlc.bench.steps import so_far, steps
from distnlc.bench.variants import population
from distnlc.engine.executor import one_thread
from distnlc.metrics.measurable import Network
from distnlc.metrics.nlc import nlc
from distnlc.training.native_network import fast_network

CELLS = [
    Cell(0, 3, 20_000, "none", skips=False),
    Cell(1, 15, 20_000, "layer", skips=True),
    Cell(2, 15, 20_000, "batch", skips=False),
    Cell(3, 49, 100_000, "layer", skips=False),
]
BATCHES = 100
REPETITIONS = 5


def measure_cell(cell: Cell, device: str) -> dict[str, Any]:
    """The seconds of one architecture in each repetition, and how many epochs the NLC costs."""
    job = make_job(cell, SHAPES[device], device, whole=True)
    architecture, inputs = cell.architecture(SHAPES[device]), job.data.train_inputs
    module = architecture.build().to(device)
    epoch = population(job)
    epoch()  # what is made once is made here
    times: dict[str, list[float]] = {"NLC": [], "module": [], "epoch": []}

    def estimate_s(network: Network) -> float:
        return seconds(lambda: nlc(network, inputs, batch_size=BATCH_SIZE, batches=BATCHES), device)

    for _ in range(REPETITIONS):
        fast = fast_network(module, batch_size=BATCH_SIZE)
        times["NLC"].append(estimate_s(fast))
        times["module"].append(estimate_s(module))
        times["epoch"].append(seconds(epoch, device) / len(job.rates))
    epochs = median(ours / theirs for ours, theirs in zip(times["NLC"], times["epoch"], strict=True))
    return {**asdict(cell), "label": architecture.label(), "seconds": times, "nlc_to_epoch": epochs}


def measure(device: str) -> Iterator[dict[str, Any]]:
    """Measures all architectures, and yields what there is after each."""
    found: list[dict[str, Any]] = []
    for cell in steps("metrics", CELLS):
        with one_thread():
            found.append(measure_cell(cell, device))
        yield _told(found, device)


def _told(found: list[dict[str, Any]], device: str) -> dict[str, Any]:
    shape, where = SHAPES[device], "one GPU" if device == "cuda" else "one process of one thread"
    how = (
        f"{so_far(len(found), len(CELLS))}{where}, {shape.dataset}'s shape; "
        f"NLC: {BATCHES} batches of {BATCH_SIZE} points, as a study measures it; "
        f"module: the same of the torch module; epoch: of one run in a population of {shape.population}; "
        f"medians of {REPETITIONS} alternating repetitions"
    )
    rows = {
        f"depth {one['depth']}, {one['parameters']:,} parameters, {one['normalization']} norm": {
            **{f"{name} s": median(each) for name, each in one["seconds"].items()},
            "NLC/epoch": one["nlc_to_epoch"],
        }
        for one in found
    }
    return {"how": how, "summary": rows, "cells": list(found)}
