"""The measurements of `distnlc bench scaling`: trainings on sets of LibSVM's page beside the plain torch loop, and the
other work of a unit.

A unit is all rates of one network from one initialization. The study trains one unit in each of as many processes of
one thread as there are cores. The plain loop, with autograd and torch's own SGD, is the same trainings one rate after
another: in as many such processes, and in one process with as many threads. Points are random, in the numbers of the
preset's sets.
"""

import copy
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import nn

from distnlc.studies import resolve
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.trained_networks import Initial, mlp
from distnlc.studies.scaling.trainings import Job, epochs_spec, layer_rows, powers
from distnlc.training.start import start_of
from distnlc.training.whole_epochs import DensePoints, EpochsTrainer, train_epochs
from distnlc.versions import cores

REPETITIONS = 3
PRESET, PART = "scaling-small", "libsvm"
FACTOR = 0.5
"""of the logits, which are not measured for it here"""


class Size(NamedTuple):
    """Points, features and classes of a set."""

    points: int
    features: int
    classes: int


SETS = {
    "iris": Size(150, 4, 3),
    "vehicle": Size(846, 18, 4),
    "dna": Size(2000, 180, 3),
    "letter": Size(4000, 16, 26),
}


def measure() -> dict[str, Any]:
    """Seconds and ratios: medians of REPETITIONS in turn."""
    before = torch.get_num_threads()
    with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:
        found = {name: _beside(size, pool) for name, size in SETS.items()}
    torch.set_num_threads(before)
    return found


def _beside(size: Size, pool: ProcessPoolExecutor) -> dict[str, float]:
    """One unit in each process, by the study and by the plain loop."""
    count = cores()
    taken: dict[str, list[float]] = {"ours": [], "plain": [], "threads": [], "layers": [], "rest": []}
    _together(pool, ours, size)  # starts the processes
    for _ in range(REPETITIONS):
        taken["ours"].append(_seconds(partial(_together, pool, ours, size)) / count)
        taken["plain"].append(_seconds(partial(_together, pool, plain, size)) / count)
        torch.set_num_threads(count)
        taken["threads"].append(_seconds(partial(_plainly, *job_of(size))))
        torch.set_num_threads(1)
        taken["layers"].append(_seconds(partial(_layers, *job_of(size))))
        taken["rest"].append(_seconds(partial(_whole_passes, *job_of(size))))
    each = {key: median(values) for key, values in taken.items()}
    return {
        f"s per unit: study, {count} processes": each["ours"],
        f"s per unit: plain loop, {count} processes": each["plain"],
        f"s per unit: plain loop, {count} threads": each["threads"],
        "plain loop in processes / study": each["plain"] / each["ours"],
        "plain loop in threads / study": each["threads"] / each["ours"],
        "s of a unit: layers of the initial network": each["layers"],
        "s of a unit: one pass of all points": each["rest"],
    }


def job_of(size: Size) -> tuple[Job, int]:
    """A unit of the preset on random points, and the seed of their order."""
    study = resolve(PRESET)
    assert isinstance(study, Spec)
    part, random = study.part(PART), torch.Generator().manual_seed(0)
    inputs = torch.randn(size.points, size.features, generator=random)
    labels = torch.randint(size.classes, (size.points,), generator=random)
    network, plan, _ = mlp(part, size.features, size.classes, "geometric", 0)
    exponents, rates = powers(part.libsvm.rates)
    points = DensePoints(inputs, labels, (size.features,))
    job = Job(Initial(network, plan), points, size.classes, exponents, rates, epochs_spec(part.libsvm))
    return job, 0


def ours(size: Size) -> EpochsTrainer:
    """The unit's trainings by the study, in a process of one thread."""
    torch.set_num_threads(1)
    job, seed = job_of(size)
    start = start_of(job.initial.network.float(), loss_scale=1 / FACTOR, seed=seed)
    return train_epochs(start, job.points, job.rates, job.spec)


def plain(size: Size) -> list[float]:
    """The same by the plain loop: the losses at the end."""
    torch.set_num_threads(1)
    return _plainly(*job_of(size))


def _plainly(job: Job, seed: int) -> list[float]:
    assert isinstance(job.points, DensePoints)
    inputs, labels, found = job.points.inputs, job.points.labels, list[float]()
    random = torch.Generator().manual_seed(seed)
    initial = job.initial.network.float()
    for rate in job.rates:
        network = copy.deepcopy(initial)
        optimizer = torch.optim.SGD(network.parameters(), rate, weight_decay=job.spec.weight_decay)
        for _ in range(job.spec.epochs):
            for rows in torch.randperm(len(labels), generator=random).split(job.spec.batch_size):
                loss = nn.functional.cross_entropy(network(inputs[rows]) * FACTOR, labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            found.append(float(nn.functional.cross_entropy(network(inputs) * FACTOR, labels)))
    return found


def _layers(job: Job, seed: int) -> None:
    assert isinstance(job.points, DensePoints)
    layer_rows(job, job.points.inputs.double(), job.points.labels, FACTOR)


def _whole_passes(job: Job, seed: int) -> None:
    start = start_of(job.initial.network.float(), loss_scale=1 / FACTOR, seed=seed)
    EpochsTrainer(start, job.points, job.rates, job.spec).losses_and_errors()


def _together(pool: ProcessPoolExecutor, train: Callable[[Size], Any], size: Size) -> None:
    """A unit in each process; what it gives stays there."""
    list(pool.map(_done, [train] * cores(), [size] * cores()))


def _done(train: Callable[[Size], Any], size: Size) -> None:
    train(size)


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
