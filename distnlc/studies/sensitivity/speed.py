"""What `distnlc bench sensitivity` measures: trainings of `sensitivity-small` beside the plain torch loop, and what the
measurements take beside an epoch of training.

The plain loop is the network as a torch module, autograd and torch's own SGD with momentum, one network in each of as
many processes of one thread as there are cores, as the study trains them: it has the same looks at the training part.
Both train all their updates, on random images of CIFAR10's cropped size and of MNIST's.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any

import torch
from torch import nn

from distnlc.data.dataset import Dataset
from distnlc.networks.mlp import MLP
from distnlc.studies import resolve
from distnlc.studies.sensitivity.cells import Cell
from distnlc.studies.sensitivity.design import Measure
from distnlc.studies.sensitivity.measures import jacobian_of, transitions_of
from distnlc.studies.sensitivity.networks import initial_network
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.trained import fixed_spec
from distnlc.training.fixed_steps import train_fixed
from distnlc.training.spec import FixedSpec
from distnlc.training.start import start_of
from distnlc.versions import cores

REPETITIONS = 3
STEPS = 282
"""updates of each training, nine epochs of 1,000 images in minibatches of 32"""
PRESET = "sensitivity-small"
PARTS = {"mnist": (1, 28, 28), "augmentation": (3, 24, 24)}
"""parts of the preset that are trained by momentum in minibatches of 32 -> the shape of an image"""
EVERY = 4
"""cells of a part that are trained, one in so many"""
MEASURED = ((100, 3), (200, 5))
"""width and weight matrices of the networks whose metrics are timed"""
POINTS, TESTS, CLASSES = 1000, 1000, 10


def measure() -> dict[str, Any]:
    """Seconds and ratios: medians of REPETITIONS in turn."""
    study = resolve(PRESET)
    assert isinstance(study, Spec)
    with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:
        found: dict[str, Any] = {name: _beside(study.part(name), name, pool) for name in PARTS}
    before = torch.get_num_threads()
    found |= {f"measurements: D {depth}, w {width}": _measurements(width, depth) for width, depth in MEASURED}
    torch.set_num_threads(before)
    return found


def chosen_cells(part: Spec, name: str) -> list[Cell]:
    """Some cells of a part, all without augmentation."""
    return [cell for cell in part.cells(name) if cell.augmentation == "none"][::EVERY]


def _beside(part: Spec, name: str, pool: ProcessPoolExecutor) -> dict[str, float]:
    """The same trainings by the study and by the plain loop, on all cores."""
    cells, taken = chosen_cells(part, name), dict[str, list[float]](plain=[], ours=[])
    list(pool.map(_ours, cells[:1] * cores(), [PARTS[name]] * cores()))  # starts the processes
    for _ in range(REPETITIONS):
        for key, train in (("plain", _plain), ("ours", _ours)):
            taken[key].append(_seconds(partial(_all, pool, train, cells, PARTS[name])))
    plain, ours = median(taken["plain"]), median(taken["ours"])
    return {
        "networks": len(cells),
        f"s: plain loop, {cores()} processes": plain,
        f"s: study, {cores()} processes": ours,
        "plain loop / study": plain / ours,
    }


def _all(pool: ProcessPoolExecutor, train: Callable[..., None], cells: list[Cell], shape: tuple[int, ...]) -> None:
    """Every training, one after another in each process."""
    list(pool.map(train, cells, [shape] * len(cells)))


def _data(shape: tuple[int, ...]) -> Dataset:
    random = torch.Generator().manual_seed(0)
    parts = []
    for count in (POINTS, 0, TESTS):
        inputs = torch.randn(count, *shape, generator=random).flatten(1)
        parts += [inputs, torch.randint(CLASSES, (count,), generator=random)]
    return Dataset("random", CLASSES, *parts, shape=shape)


def _trained(cell: Cell, shape: tuple[int, ...]) -> tuple[MLP, Dataset, FixedSpec]:
    """What both loops are told."""
    torch.set_num_threads(1)
    data = _data(shape)
    part = Spec.parse({"kind": "sensitivity", "training": {"steps": STEPS}})
    spec = fixed_spec(part, cell, POINTS).model_copy(update={"check_steps": 94})
    return initial_network(cell, data.d_in, CLASSES, 0).float(), data, spec


def _ours(cell: Cell, shape: tuple[int, ...]) -> None:
    network, data, spec = _trained(cell, shape)
    train_fixed(start_of(network), data, [cell.rate or 0.0], spec)


def _plain(cell: Cell, shape: tuple[int, ...]) -> None:
    network, data, spec = _trained(cell, shape)
    optimizer = torch.optim.SGD(network.parameters(), lr=cell.rate or 0.0, momentum=spec.momentum)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(1, spec.steps + 1):
        if len(order) < spec.batch_size:
            order = torch.cat([order, torch.randperm(POINTS)])
        rows, order = order[: spec.batch_size], order[spec.batch_size :]
        loss = nn.functional.cross_entropy(network(data.train_inputs[rows]), data.train_labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if spec.check_steps and step % spec.check_steps == 0:
            with torch.no_grad():
                outputs = network(data.train_inputs)
                float((outputs.argmax(1) == data.train_labels).double().mean())
                float(nn.functional.cross_entropy(outputs, data.train_labels))


def _measurements(width: int, depth: int) -> dict[str, float]:
    """Both metrics, as the preset measures them, in epochs of the same network's training."""
    limits = Measure(jacobian_points=TESTS, trajectories=20)
    cell = Cell("relu", width, depth, 1.0, "true", "none", "momentum", 0.005, 32)
    network, data, spec = _trained(cell, PARTS["mnist"])
    epoch = _seconds(lambda: train_fixed(start_of(network), data, [0.005], spec)) / (STEPS * 32 / POINTS)
    return {
        "s of an epoch": epoch,
        "epochs for 1,000 Jacobians": _seconds(lambda: jacobian_of(network, data, TESTS)) / epoch,
        "epochs for 20 trajectories": _seconds(lambda: transitions_of(network, data, limits)) / epoch,
    }


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
