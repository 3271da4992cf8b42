"""The trainer by a fixed number of updates: no patience, no rewinds, a rate that falls at stated epochs.

In: the start of the runs, a dataset on the device, the rates, and a `FixedSpec`. Out: one `FixedOutcome` per rate. The
minibatches are cut from an endless series of shuffled epochs, so that one may straddle two and the training part need
be no multiple of the batch size. A run ends after its updates, at the first look that finds it fitted, or with the
first piece whose loss is not finite, which is looked at once an epoch; it then leaves the population.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.training.augmentation import BLANKS, augmented, view_indices, views_of_epoch
from distnlc.training.evaluation import check_whole, errors_and_losses
from distnlc.training.population import Population, copy_into, numbers_of, series
from distnlc.training.spec import FixedSpec
from distnlc.training.start import Start

FITTED, STEPS, DIVERGED = "fitted", "steps", "diverged"
"""why a run ended: it was fitted, it had its updates, its loss was not finite"""


@dataclass(frozen=True)
class Look:
    """One look at a run while it is trained. The error is a fraction; both are nan where outputs are not finite."""

    step: int
    """updates so far"""
    epoch: float
    rate: float
    """of the last update"""
    batch_loss: float
    """mean loss over the minibatches since the last look"""
    train_error: float
    train_loss: float
    """over the whole training part"""


@dataclass
class FixedOutcome:
    """One training at one rate."""

    start_rate: float
    looks: list[Look] = field(default_factory=list)
    """the last one shows how the run ended; a diverged run has none of its end"""
    steps: int = 0
    stop: str = STEPS
    row: Tensor | None = None
    buffers: Tensor | None = None

    def state(self) -> dict[str, Any]:
        """The outcome as plain data with tensors, for `from_state`."""
        return vars(self) | {"looks": [astuple(look) for look in self.looks]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FixedOutcome":
        return cls(**state | {"looks": [Look(*values) for values in state["looks"]]})


def train_fixed(
    start: Start,
    data: Dataset,
    rates: Sequence[float],
    spec: FixedSpec,
    *,
    saved: dict[str, Any] | None = None,
    after_epoch: Callable[["FixedTrainer"], None] = lambda _: None,
) -> list[FixedOutcome]:
    """Trains one run per rate to its end, from the beginning or from a `saved` state of the same population.

    `data` must lie on the device and have the dtype of `start.rows`. A training part smaller than a minibatch is one.
    Raises ValueError if it does not split into whole ones where points depend on one another (batch norm), and for
    augmentation of what is no image. `after_epoch` is called about once an epoch while there are runs left to train.
    """
    spec = spec.model_copy(update={"batch_size": min(spec.batch_size, len(data.train_labels))})
    check_whole(start.network, data, spec.batch_size, ("train",))
    trainer = FixedTrainer(start, data, rates, spec)
    if saved is not None:
        trainer.restore(saved)
    while trainer.members.size:
        trainer.piece()
        if trainer.members.size:
            after_epoch(trainer)
    return trainer.outcomes


class FixedTrainer(Population):
    """A population in training, all of whose runs have had the same number of updates."""

    def __init__(self, start: Start, data: Dataset, rates: Sequence[float], spec: FixedSpec) -> None:
        super().__init__(start, data, len(rates), spec)
        self.spec = spec
        self.outcomes = [FixedOutcome(rate) for rate in rates]
        self.steps = 0
        self.loss_sum = np.zeros(len(rates))
        """of each run's minibatches since the last look"""
        points = len(data.train_labels)
        self.epoch_steps = points / spec.batch_size
        self.decays = [math.ceil(epoch * points / spec.batch_size) for epoch in spec.decay_epochs]
        """updates before which the rate falls"""
        self.views: Tensor | None = None
        """of images that are augmented"""
        if spec.augmentation != "none":
            self.views = view_indices(spec.augmentation, data.shape).to(start.rows.device)

    def piece(self) -> None:
        """Trains until the next look, fall of the rate or end, an epoch at most."""
        looks = [self.spec.steps]
        if self.spec.check_steps:
            looks.append(self.steps - self.steps % self.spec.check_steps + self.spec.check_steps)
        ends = [*looks, *(step for step in self.decays if step > self.steps), self.steps + math.ceil(self.epoch_steps)]
        count = min(ends) - self.steps
        size = self.spec.batch_size
        losses = self.train(self.steps * size, count * size, self.rates())
        self.loss_sum += count * losses
        self.steps += count
        if not np.isfinite(losses).all():
            self.finish(~np.isfinite(losses), np.full(len(losses), DIVERGED))
        if self.steps in looks and self.members.size:
            self.look()

    def rates(self) -> NDArray[np.float64]:
        """The rate of the coming update of each run."""
        fallen = sum(step <= self.steps for step in self.decays)
        starts = np.array([self.outcomes[member].start_rate for member in self.members], dtype=np.float64)
        return starts * self.spec.decay**fallen

    def presented(self, first: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """With augmentation images of their own for each run, whose orders count through them."""
        inputs, labels, orders = super().presented(first, count)
        if self.views is None:
            return inputs, labels, orders
        seeds, points = [self.start.seeds[member] for member in self.members], len(labels)
        views = len(self.views)
        chosen = series(seeds, points, first, count, lambda seed, epoch: views_of_epoch(views, points, seed, epoch))
        blank = self.spec.augmentation in BLANKS
        shown = augmented(inputs[orders], self.views, chosen.to(orders.device), blank=blank).flatten(0, 1)
        return shown, labels[orders].flatten(), torch.arange(len(shown), device=orders.device).view_as(orders)

    def look(self) -> None:
        """Looks at every run, and lets those go that are fitted or have had their updates."""
        inputs, labels = self.data.train_inputs, self.data.train_labels
        scale = self.start.loss_scale[self.members]
        errors, losses = errors_and_losses(self.program, inputs, labels, loss_scale=scale)
        fallen = self.spec.decay ** sum(step < self.steps for step in self.decays)
        for row, member in enumerate(self.members):
            outcome = self.outcomes[member]
            since = self.steps - (outcome.looks[-1].step if outcome.looks else 0)
            values = outcome.start_rate * fallen, self.loss_sum[row] / since, errors[row], losses[row]
            outcome.looks.append(Look(self.steps, self.steps / self.epoch_steps, *map(float, values)))
        self.loss_sum[:] = 0
        diverged, fitted = ~np.isfinite(losses), self.spec.fitted(errors, losses)
        stops = np.where(diverged, DIVERGED, np.where(fitted, FITTED, STEPS))
        done = diverged | fitted | (self.steps >= self.spec.steps)
        if done.any():
            self.finish(done, stops)

    def finish(self, finished: NDArray[np.bool_], stops: NDArray[np.str_]) -> None:
        """Lets runs go with the numbers they have; `stops` says why, for each run."""
        for row in np.flatnonzero(finished):
            outcome = self.outcomes[self.members[row]]
            outcome.steps, outcome.stop = self.steps, str(stops[row])
            vars(outcome).update(numbers_of(self.program, self.program.state, int(row)))
        self.keep(~finished)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Goes on with these runs only."""
        self.loss_sum = self.loss_sum[mask]
        super().keep(mask)

    def state(self) -> dict[str, Any]:
        """The state between two pieces, with all results so far: plain data with tensors, for `restore`."""
        return {
            "members": self.members.tolist(),
            "present": self.program.state,
            "steps": self.steps,
            "loss_sum": self.loss_sum.tolist(),
            "outcomes": [outcome.state() for outcome in self.outcomes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up the `state` of a trainer of the same start, data, rates and spec; this one has trained nothing."""
        self.keep(np.isin(self.members, state["members"]))
        copy_into(self.program.state, state["present"])
        self.steps, self.loss_sum = state["steps"], np.array(state["loss_sum"])
        self.outcomes = [FixedOutcome.from_state(outcome) for outcome in state["outcomes"]]
