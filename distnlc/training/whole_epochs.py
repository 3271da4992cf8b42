"""The trainer by whole epochs: every epoch shows each point once, and its last minibatch is as small as it comes.

In: the start of runs that share their weights and the order of their points, the points, the rates, an `EpochsSpec`.
Out: one `EpochsOutcome` per rate. The points are asked for a piece at a time, so that they may be kept as rows of what
is not zero. The last minibatch has a program of its own, since a program's has one size; both hand the runs' states to
one another. A run whose loss is not finite leaves the population at the end of that epoch.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distnlc.training.augmentation import BLANKS, augmented, view_indices, views_of_epoch
from distnlc.training.evaluation import errors_and_losses, normalizes_over_batches
from distnlc.training.population import copy_into, stream
from distnlc.training.programs import make_program
from distnlc.training.spec import EpochsSpec
from distnlc.training.start import Program, Start

PIECE = 2**24
"""numbers of inputs that are asked for at once; at least one minibatch"""
DROP = 0.1
"""what the rate is multiplied by at each drop"""


class Points(Protocol):
    """Training points, wherever they are kept."""

    @property
    def labels(self) -> Tensor:
        """(points,) int64, on the device."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one point, such as (channels, height, width)."""

    def rows(self, index: Tensor) -> Tensor:
        """Inputs (points, d_in) of these points (CPU int64), in the dtype and on the device of training."""


@dataclass(frozen=True)
class DensePoints:
    """Inputs (points, d_in) that are at hand."""

    inputs: Tensor
    labels: Tensor
    shape: tuple[int, ...]

    def rows(self, index: Tensor) -> Tensor:
        return self.inputs[index.to(self.inputs.device)]


@dataclass
class EpochsOutcome:
    """One training at one rate."""

    start_rate: float
    losses: list[float] = field(default_factory=list)
    """of each epoch, mean over its minibatches; none from a divergence on"""
    diverged_epoch: int | None = None
    """from 1: the epoch whose loss, or after which the outputs, were not finite"""
    train_loss: float = math.nan
    """over all points at the end"""
    train_error: float = math.nan


def train_epochs(
    start: Start,
    points: Points,
    rates: Sequence[float],
    spec: EpochsSpec,
    *,
    saved: dict[str, Any] | None = None,
    after_epoch: Callable[["EpochsTrainer"], None] = lambda _: None,
) -> "EpochsTrainer":
    """Trains one run per rate to its end, from the beginning or from a `saved` state of the same population. Gives the
    trainer, whose `outcomes` are the runs'.

    `start` has one row, and one seed. Points fewer than a minibatch are one. Raises ValueError where points of a
    minibatch depend on one another (batch norm without running statistics), and for augmentation of what is no image.
    """
    trainer = EpochsTrainer(start, points, rates, spec)
    if saved is not None:
        trainer.restore(saved)
    while trainer.epoch < spec.epochs and trainer.members.size:
        trainer.train_epoch()
        after_epoch(trainer)
    trainer.measure()
    return trainer


class EpochsTrainer:
    """A population in training; row i of every tensor belongs to run `members[i]`."""

    def __init__(self, start: Start, points: Points, rates: Sequence[float], spec: EpochsSpec) -> None:
        if normalizes_over_batches(start.network):
            raise ValueError("batch norm in a smaller last minibatch is another function: train by fixed steps")
        self.start, self.points, self.seed = start.expanded(len(rates)), points, start.seeds[0]
        count = len(points.labels)
        size = min(spec.batch_size, count)
        self.spec = spec.model_copy(update={"batch_size": size})
        self.members = np.arange(len(rates))
        self.program = make_program(self.start, self.spec)
        self.rest = (
            make_program(self.start, self.spec.model_copy(update={"batch_size": count % size}))
            if (count % size)
            else None
        )
        """of the last minibatch, where that is smaller"""
        self.outcomes = [EpochsOutcome(rate) for rate in rates]
        self.epoch = 0
        self.seconds = list[float]()
        """of each epoch, all runs together"""
        views = None if spec.augmentation == "none" else view_indices(spec.augmentation, points.shape)
        self.views = None if views is None else views.to(start.rows.device)

    def rates(self) -> Tensor:
        """The rates of the coming epoch, (members, 1)."""
        fallen = sum(epoch <= self.epoch for epoch in self.spec.drops)
        each = [[self.outcomes[member].start_rate * DROP**fallen] for member in self.members]
        return torch.tensor(each, dtype=torch.float64).to(self.program.flat)

    def train_epoch(self) -> None:
        """Trains every run for an epoch, and lets those go whose loss is not finite."""
        began, rates, size = time.perf_counter(), self.rates(), self.spec.batch_size
        whole = len(self.points.labels) // size * size
        losses, batches = np.zeros(len(self.members)), math.ceil(len(self.points.labels) / size)
        for inputs, labels in self._pieces(0, whole):
            losses += _train(self.program, inputs, labels, rates) * (len(labels) // size)
        if self.rest is not None:
            copy_into(self.rest.state, self.program.state)
            for inputs, labels in self._pieces(whole, len(self.points.labels)):
                losses += _train(self.rest, inputs, labels, rates)
            copy_into(self.program.state, self.rest.state)
        losses /= batches
        self.epoch += 1
        self.seconds.append(time.perf_counter() - began)
        for member, loss in zip(self.members, losses, strict=True):
            if math.isfinite(loss):
                self.outcomes[member].losses.append(float(loss))
            else:
                self.outcomes[member].diverged_epoch = self.epoch
        self.keep(np.isfinite(losses))

    def _pieces(self, first: int, last: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels of the coming epoch from one presentation to another, in whole minibatches but the last."""
        count = len(self.points.labels)
        order = stream([self.seed], count, self.epoch * count, count)[0]
        batch = self.spec.batch_size
        length = max(1, PIECE // (batch * math.prod(self.points.shape))) * batch
        for begin in range(first, last, length):
            end = min(begin + length, last)
            index = order[begin:end]
            inputs = self.points.rows(index)
            if self.views is not None:
                chosen = torch.from_numpy(views_of_epoch(len(self.views), count, self.seed, self.epoch)[begin:end])
                blank = self.spec.augmentation in BLANKS
                inputs = augmented(inputs, self.views, chosen.to(inputs.device), blank=blank)
            yield inputs, self.points.labels[index.to(inputs.device)]

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Goes on with these runs only."""
        if mask.all():
            return
        rows = torch.from_numpy(np.flatnonzero(mask)).to(self.program.flat.device)
        self.members = self.members[mask]
        for program in filter(None, (self.program, self.rest)):
            program.keep(rows)

    def losses_and_errors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean losses and errors of the present runs over all points as they are; nan where outputs are not finite."""
        count, batch = len(self.points.labels), self.spec.batch_size
        length = max(1, PIECE // (batch * math.prod(self.points.shape))) * batch
        scale, sums = self.start.loss_scale[self.members], np.zeros((2, len(self.members)))
        for index in torch.arange(count).split(length):
            labels = self.points.labels[index.to(self.points.labels.device)]
            errors, losses = errors_and_losses(self.program, self.points.rows(index), labels, loss_scale=scale)
            sums += np.stack([losses, errors]) * len(index)
        losses, errors = sums / count
        return losses, errors

    def measure(self) -> None:
        """Writes the losses and errors of the runs that are left."""
        if not self.members.size:
            return
        for member, loss, error in zip(self.members, *self.losses_and_errors(), strict=True):
            outcome = self.outcomes[member]
            if math.isfinite(loss):
                outcome.train_loss, outcome.train_error = float(loss), float(error)
            else:
                outcome.diverged_epoch = self.epoch
                del outcome.losses[self.epoch - 1 :]

    def state(self) -> dict[str, Any]:
        """The state between two epochs, with all results so far: plain data with tensors, for `restore`."""
        return {
            "members": self.members.tolist(),
            "present": self.program.state,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "outcomes": [vars(outcome) for outcome in self.outcomes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up the `state` of a trainer of the same start, points, rates and spec; this one has trained nothing."""
        self.keep(np.isin(self.members, state["members"]))
        copy_into(self.program.state, state["present"])
        self.epoch, self.seconds = state["epoch"], list(state["seconds"])
        self.outcomes = [EpochsOutcome(**outcome) for outcome in state["outcomes"]]


def _train(program: Program, inputs: Tensor, labels: Tensor, rates: Tensor) -> NDArray[np.float64]:
    """Mean losses of the minibatches, in their order."""
    found: NDArray[np.float64]
    found = (
        program.train(inputs, labels, torch.arange(len(labels), device=labels.device)[None], rates)
        .double()
        .cpu()
        .numpy()
    )
    return found
