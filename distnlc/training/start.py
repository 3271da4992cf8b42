"""The start of training, and the protocol of the programs that take a population through its epochs.

In: one architecture's initial state and how many runs begin there. A program holds the runs' parameters as rows of
one flat tensor, takes them through an epoch of minibatches and counts their errors; all decisions (rates, rewinds,
stops) are made in `trainer.py`. `programs.py` chooses among the programs there are.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from distnlc.networks.architecture import Architecture
from distnlc.training.optimizers import Adam


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
        """The optimizer's state of the present members, if it has one; may be changed in place too."""

    def train_epoch(self, inputs: Tensor, labels: Tensor, rates: Tensor) -> Tensor:
        """One update per minibatch of (d_in, points) and (points,), in their order, at each run's own rate
        (population,). Gives each run's mean loss over the minibatches, (population,)."""

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Over whole minibatches in their order: wrong answers (population,), and whether all outputs were finite."""

    def keep(self, rows: Tensor) -> None:
        """Goes on with these members only (indices in rising order)."""
