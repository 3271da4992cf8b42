"""How much the part `gpu` does, and what its pieces are made of: networks, data, programs on a device."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch

from distnlc.bench.cells import SHAPES, Cell, Job, Shape, make_job
from distnlc.metrics.spec import MetricsSpec
from distnlc.training.gpu_ceilings import COPIED, KERNELS, PRODUCT
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.module_program import ModuleProgram
from distnlc.training.population import stream
from distnlc.training.programs import make_program
from distnlc.training.spec import StepSpec
from distnlc.training.start import Program, Start

WHOLE = SHAPES["cuda"]
SHORT = replace(WHOLE, train_batches=40, validation_batches=10)
LITTLE = Shape("waveform-noise", 40, 3, 4, 2, population=12)
METRICS = MetricsSpec()
Kinds = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Size:
    """The work of all pieces."""

    whole: Shape = WHOLE
    """of the unit that is done by stage"""
    short: Shape = SHORT
    """of the epochs whose steps are timed"""
    little: Shape = LITTLE
    """of the trainings that are compared bit by bit"""
    parameters: int = 1_000_000
    few_parameters: int = 20_000
    """of the networks that are compared"""
    depths: tuple[int, ...] = (3, 15, 49)
    kinds: Kinds = (("none", False), ("batch", False), ("layer", True))
    """normalizations, and whether there are skip connections"""
    members: tuple[int, ...] = (40, 8, 1, 20)
    """the most telling first: time may run out"""
    compared: int = 24
    """networks that are trained on both devices"""
    populations: int = 30
    """one after the other, to watch the memory"""
    processes: tuple[int, ...] = (1, 2, 4)
    """that share the GPU; none: not tried"""
    too_many: int | None = 1_000_000
    """members that no GPU's memory holds; None: not tried"""
    product: int = PRODUCT
    copied: int = COPIED
    kernels: int = KERNELS
    epochs: int | None = None
    """of each run in the unit at most; None: as in a study"""
    metrics: MetricsSpec = METRICS
    """of the unit"""
    repetitions: int = 3


@dataclass(frozen=True)
class Task:
    """What a piece is given."""

    size: Size
    ends: float
    """by `time.monotonic`, when it should have finished"""
    found: Mapping[str, Any]
    """what the pieces before it found, by name"""

    @property
    def left_s(self) -> float:
        return self.ends - time.monotonic()


Piece = Callable[[Task], Iterator[dict[str, Any]]]
"""yields what it has found so far, plain data, after each of its steps; under `wrong` a list of what must not be"""


def cells(size: Size) -> list[Cell]:
    """Every depth with every kind."""
    every = enumerate(product(size.kinds, size.depths))
    return [Cell(number, depth, size.parameters, *kind) for number, (kind, depth) in every]


def job_of(cell: Cell, shape: Shape, members: int, device: str = "cuda") -> Job:
    return make_job(cell, replace(shape, population=members), device, whole=True)


def plain_torch(start: Start, spec: StepSpec) -> Program:
    """The layered network in torch operations."""
    return LayeredProgram(start, spec)


def as_module(network: torch.nn.Module) -> Callable[[Start, StepSpec], Program]:
    """The program of any module, given the layered network's own."""
    return lambda start, spec: ModuleProgram(replace(start, network=network), spec)


PROGRAMS: dict[str, Callable[[Start, StepSpec], Program]] = {"chosen": make_program, "plain torch": plain_torch}
"""that which a study takes; the same in torch operations"""


def training(program: Program, job: Job, epoch: int = 0) -> Callable[[], Any]:
    """One epoch of the job's training part, without errors: the same points in the same order each time."""
    points = len(job.data.train_labels)
    orders = stream(job.start.seeds, points, epoch * points, points).to(job.rates.device)
    return lambda: program.train(job.data.train_inputs, job.data.train_labels, orders, job.rates[:, None])


def counting(program: Program, job: Job) -> Callable[[], Any]:
    """The errors on the job's validation part."""
    return lambda: program.count_errors(job.data.validation_inputs, job.data.validation_labels)
