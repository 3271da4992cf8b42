"""What computes a population's epochs: the protocol, and the choice of the program for a device.

In: one architecture's initial state and how many runs begin there. A program holds the runs' parameters as rows of
one flat tensor, takes them through an epoch of minibatches and counts their errors; everything that decides (rates,
rewinds, stops) is `population.py`'s. There are two, with the same results but for rounding: `torch_program.py` for
every device, and `native_program.py`, faster on CPUs, where a C compiler is at hand.
"""

import logging
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from distnlc.networks.sampling import Architecture
from distnlc.spec import TrainingSpec
from distnlc.training.native_library import NoLibrary, library
from distnlc.training.optimizers import Adam
from distnlc.versions import cpu_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """One architecture ready for training, on the device that will train it."""

    architecture: Architecture
    row: Tensor
    """(parameters,) in the order of `MLP.parameters()`"""
    projection: Tensor | None
    loss_scale: float
    seed: int
    """of the minibatch shuffles"""


class Program(Protocol):
    """`members` runs of one architecture. Datapoints are columns; all runs see the same minibatches."""

    @property
    def flat(self) -> Tensor:
        """(population, parameters) of the present members; may be changed in place between calls."""

    @property
    def adam(self) -> Adam | None:
        """The optimizer's state of the present members, if it has one; likewise."""

    def train_epoch(self, inputs: Tensor, labels: Tensor, rates: Tensor) -> Tensor:
        """One update per minibatch of (d_in, points) and (points,), in their order, at each run's own rate
        (population,). Gives each run's mean loss over the minibatches, (population,)."""

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Over whole minibatches in their order: wrong answers (population,), and whether all outputs were finite."""

    def keep(self, rows: Tensor) -> None:
        """Goes on with these members only (indices in rising order)."""


def make_program(start: Start, rows: Tensor, spec: TrainingSpec) -> Program:
    """The fastest program for the device and dtype of `rows` (population, parameters), which it copies."""
    from distnlc.training.native_program import NativeProgram
    from distnlc.training.torch_program import TorchProgram

    native = program_name(rows.device.type, rows.dtype) == "native"
    return NativeProgram(start, rows, spec) if native else TorchProgram(start, rows, spec)


def program_name(device: str, dtype: torch.dtype) -> str:
    """`native`, or the device that the torch program works on: what rounds alike on equal hardware."""
    if device == "cpu":
        try:
            library(dtype)
        except NoLibrary as reason:
            warn_once(str(reason))
        else:
            return "native"
    return device


def processor(device: str) -> str:
    """What computes on that torch device, for people: `NVIDIA H200`, `AMD EPYC 9B45 (CPU)`."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()} (CPU)"


@cache
def warn_once(reason: str) -> None:
    log.warning("the CPU trains and measures in plain torch, two to four times slower: %s", reason)
