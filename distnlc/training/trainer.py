"""The trainer by patience: all runs of a population as one batched program (section E.2).

In: the start of the runs, a dataset on the device, the starting rates. Out: one `RunOutcome` per rate, in the order of
the rates. The order of a run's minibatches depends on its seed and the epoch alone, so that its course does not depend
on which others it is trained with, but for rounding. Rates, patience, rewinds and stops are each run's own; a run that
has finished leaves the population. The host is asked once an epoch. `fixed_steps.py` trains without looking at errors.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.records import DIVERGED, OK, PRUNED
from distnlc.training.evaluation import check_whole, error_fractions, part_of
from distnlc.training.population import Population, copy_into, numbers_of
from distnlc.training.schedule import Schedule
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start


@dataclass(frozen=True)
class Epoch:
    """One epoch of one run; errors are fractions."""

    rate: float
    train_loss: float
    val_error: float | None
    train_error: float | None


@dataclass
class RunOutcome:
    """One training at one starting rate. Errors and numbers are those of the best state; without rewinds, the last."""

    start_rate: float
    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    divisions: int = 0
    diverged_epochs: int = 0
    val_error: float = float("nan")
    test_error: float = float("nan")
    train_error: float = float("nan")
    error: float = float("nan")
    """the criterion's, by which the sweep chooses"""
    row: Tensor | None = None
    """(parameters,)"""
    buffers: Tensor | None = None
    """(numbers,) as in `Start`"""
    pruned: bool = False
    """it left at a rung, before its end"""
    rewinds: bool = True
    """whether its result is its best state, and not its last"""

    @property
    def diverged(self) -> bool:
        """The loss was finite at the end of no epoch, so the best state is the initial network; without rewinds, it was
        not finite in the end."""
        return self.diverged_epochs == self.epochs or (not self.rewinds and self.diverged_epochs > 0)

    @property
    def epochs(self) -> int:
        """The number of epochs that it trained."""
        return len(self.history)

    @property
    def status(self) -> str:
        return PRUNED if self.pruned else DIVERGED if self.diverged else OK

    def state(self) -> dict[str, Any]:
        """The outcome as plain data with a tensor, for `from_state`."""
        return vars(self) | {"history": [astuple(epoch) for epoch in self.history]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "RunOutcome":
        return cls(**state | {"history": [Epoch(*values) for values in state["history"]]})


def train_population(
    start: Start,
    data: Dataset,
    rates: Sequence[float],
    spec: TrainingSpec,
    *,
    rungs: Sequence[int] = (),
    saved: dict[str, Any] | None = None,
    after_epoch: Callable[["PopulationTrainer"], None] = lambda _: None,
) -> list[RunOutcome]:
    """Trains one run per rate to its end, from the beginning or from a `saved` state of the same population.

    `data` must lie on the device and have the dtype of `start.rows`. Raises ValueError if its training part, or with
    batch norm any part, does not split into whole minibatches. An empty part has no errors (nan). `after_epoch` is
    called while there are runs left to train. `rungs`: epochs after which only the better half goes on of each group:
    the first `spec.population` runs, those that follow, and so on. A group's course does not depend on the others.
    """
    return PopulationTrainer(start, data, rates, spec, rungs).complete(saved, after_epoch)


class PopulationTrainer(Population):
    """A population that follows the schedule of `schedule.py`."""

    def __init__(
        self, start: Start, data: Dataset, rates: Sequence[float], spec: TrainingSpec, rungs: Sequence[int] = ()
    ) -> None:
        """Raises ValueError for data that does not split into whole minibatches, as in `train_population`."""
        if (points := len(data.train_labels)) % spec.batch_size:
            raise ValueError(
                f"the train part of {data.name} must be a multiple of the batch size {spec.batch_size}, so that epochs "
                f"are whole, but it has {points} points; set data.train"
            )
        check_whole(start.network, data, spec.batch_size)
        super().__init__(start, data, len(rates), spec)
        self.spec, self.rungs = spec, rungs
        self.outcomes = [RunOutcome(rate, rewinds=spec.rewind) for rate in rates]
        self.watched = part_of(data, "train" if spec.criterion == "training-error" else "validation")
        """the part of the data whose error the schedule follows"""
        self.best = {name: tensor.clone() for name, tensor in self.program.state.items()}
        """each run's state of lowest error; the state at hand where runs do not rewind"""
        errors, _ = error_fractions(self.program, *self.watched)
        self.schedule = Schedule(spec, np.array(rates, dtype=np.float64), errors)

    def complete(
        self,
        saved: dict[str, Any] | None = None,
        after_epoch: Callable[["PopulationTrainer"], None] = lambda _: None,
    ) -> list[RunOutcome]:
        """Trains every run to its end, see `train_population`."""
        if saved is not None:
            self.restore(saved)
        while self.members.size:
            self.epoch()
            if self.members.size:
                after_epoch(self)
        self.measure()
        return self.outcomes

    def epoch(self) -> None:
        """Trains every run for one epoch, then applies the schedule's decision."""
        points = len(self.data.train_labels)
        losses = self.train(self.schedule.epoch * points, points, self.schedule.rates)
        errors, finite = error_fractions(self.program, *self.watched)
        finite = finite & np.isfinite(losses)
        errors = np.where(finite, errors, np.nan)
        self.write_history(losses, errors)
        decision = self.schedule.step(errors, finite)
        if decision.keep.any():
            self.save_best(self.rows(decision.keep))
        if decision.rewind.any():
            self.rewind(self.rows(decision.rewind))
        if decision.finished.any():
            self.finish(decision.finished)
        if self.schedule.epoch in self.rungs and self.members.size:
            self.prune()

    def save_best(self, rows: Tensor) -> None:
        for name, tensor in self.program.state.items():
            self.best[name][rows] = tensor[rows]

    def rewind(self, rows: Tensor) -> None:
        for name, tensor in self.program.state.items():
            tensor[rows] = self.best[name][rows]

    def write_history(self, losses: NDArray[np.float64], errors: NDArray[np.float64]) -> None:
        on_training_error = self.spec.criterion == "training-error"
        for member, rate, loss, error in zip(self.members, self.schedule.rates, losses, errors, strict=True):
            watched = (None, float(error)) if on_training_error else (float(error), None)
            self.outcomes[member].history.append(Epoch(float(rate), float(loss), *watched))

    def prune(self) -> None:
        """Lets the worse half of each group go, rounded down: runs that were never finite, then those with the higher
        lowest error so far, and of equal ones those with the higher rate."""
        diverged = self.schedule.diverged_epochs == self.schedule.epoch
        rates = np.array([self.outcomes[member].start_rate for member in self.members])
        worst_last = np.lexsort((rates, self.schedule.lowest, diverged))
        groups = self.members[worst_last] // self.spec.population
        ranked = [worst_last[groups == group] for group in np.unique(groups)]
        worse = np.concatenate([rows[(rows.size + 1) // 2 :] for rows in ranked])
        for member in self.members[worse]:
            self.outcomes[member].pruned = True
        if worse.size:
            self.finish(np.isin(np.arange(self.members.size), worse))

    def finish(self, finished: NDArray[np.bool_]) -> None:
        """Lets runs go; their best states are kept."""
        for row in np.flatnonzero(finished):
            outcome = self.outcomes[self.members[row]]
            outcome.best_epoch = int(self.schedule.best_epoch[row])
            outcome.divisions = int(self.schedule.divisions[row])
            outcome.diverged_epochs = int(self.schedule.diverged_epochs[row])
            vars(outcome).update(numbers_of(self.program, self.best, int(row)))
        self.keep(~finished)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Goes on with these runs only."""
        self.schedule.keep(np.flatnonzero(mask))
        self.best = {name: tensor[self.rows(mask)] for name, tensor in self.best.items()}
        super().keep(mask)

    def state(self) -> dict[str, Any]:
        """The state between two epochs, with all results so far: plain data with tensors, for `restore`."""
        return {
            "members": self.members.tolist(),
            "present": self.program.state,
            "best": self.best,
            "schedule": self.schedule.state(),
            "outcomes": [outcome.state() for outcome in self.outcomes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up the `state` of a trainer of the same start, data, rates and spec; this one has trained nothing.

        The program of the whole population is cut to the members that were left, as it was then: in a smaller one
        the buffers would begin elsewhere, and where a buffer begins can change how a sum is rounded.
        """
        self.keep(np.isin(self.members, state["members"]))
        copy_into(self.program.state, state["present"])
        copy_into(self.best, state["best"])
        self.schedule.restore(state["schedule"])
        self.outcomes = [RunOutcome.from_state(outcome) for outcome in state["outcomes"]]

    def measure(self) -> None:
        """The errors of every run's state on all three parts of the data, in one pass."""
        program = self.ended(self.outcomes)
        for part, name in (("validation", "val_error"), ("test", "test_error"), ("train", "train_error")):
            errors, finite = error_fractions(program, *part_of(self.data, part))
            for outcome, error in zip(self.outcomes, np.where(finite | self.spec.rewind, errors, np.nan), strict=True):
                setattr(outcome, name, float(error))
        for outcome in self.outcomes:
            on_training_error = self.spec.criterion == "training-error"
            outcome.error = outcome.train_error if on_training_error else outcome.val_error
