"""The fast trainer: all runs of a population, from one initialization, as one batched program (section E.2).

In: an architecture's initial state, a dataset on the device, the starting rates. Out: one `RunOutcome` per rate, in
the order of the rates. All runs see the same minibatches (the shuffle depends on the seed and the epoch alone), so
a run's course does not depend on which others it is trained with, but for rounding. Rates, patience, rewinds and
stops are each run's own; a run that has finished leaves the population. The host is asked once an epoch.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.records import DIVERGED, OK, PRUNED
from distnlc.spec import derive_seed
from distnlc.training.optimizers import Adam
from distnlc.training.programs import make_program
from distnlc.training.schedule import Schedule
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Program, Start


@dataclass(frozen=True)
class Epoch:
    """One epoch of one run; errors are fractions."""

    rate: float
    train_loss: float
    val_error: float | None
    train_error: float | None


@dataclass
class RunOutcome:
    """One training at one starting rate. The errors and `row` are those of the best state."""

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
    pruned: bool = False
    """it left at a rung, before its end"""

    @property
    def diverged(self) -> bool:
        """The loss was finite at the end of no epoch, so the best state is the initial network."""
        return self.diverged_epochs == self.epochs

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

    `data` must lie on the device and have the dtype of `start.row`; its training part must be a multiple of the
    batch size. Raises ValueError otherwise. `after_epoch` is called while there are runs left to train.
    `rungs`: epochs after which only the better half goes on.
    """
    check_batches(data, spec.batch_size)
    trainer = PopulationTrainer(start, data, rates, spec, rungs)
    if saved is not None:
        trainer.restore(saved)
    while trainer.members.size:
        trainer.epoch()
        if trainer.members.size:
            after_epoch(trainer)
    trainer.measure()
    return trainer.outcomes


def check_batches(data: Dataset, batch_size: int) -> None:
    """Raises ValueError unless every part of the data splits into whole batches."""
    for part in ("train", "validation", "test"):
        count = len(getattr(data, f"{part}_inputs"))
        if count % batch_size:
            raise ValueError(
                f"the {part} part of {data.name} must be a multiple of the batch size {batch_size} (batch norm in "
                f"a smaller last batch is another function), but it has {count} points; set data.{part}"
            )


def shuffled_epoch(data: Dataset, *, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """The training part in the order of one epoch: inputs as columns (d_in, points), labels (points,)."""
    order = np.random.default_rng(derive_seed("shuffle", seed, epoch)).permutation(len(data.train_inputs))
    index = torch.from_numpy(order).to(data.train_inputs.device)
    return data.train_inputs[index].T.contiguous(), data.train_labels[index]


class PopulationTrainer:
    """A population in training. Row i of every tensor belongs to run `members[i]`."""

    def __init__(
        self, start: Start, data: Dataset, rates: Sequence[float], spec: TrainingSpec, rungs: Sequence[int] = ()
    ) -> None:
        self.start, self.data, self.spec, self.rungs = start, data, spec, rungs
        self.outcomes = [RunOutcome(rate) for rate in rates]
        self.members = np.arange(len(rates))
        part = "train" if spec.criterion == "training-error" else "validation"
        self.watched = columns(data, part)
        """the part of the data whose error the schedule follows"""
        initial = start.row.expand(len(rates), -1)
        self.program = make_program(start, initial, spec)
        self.best = initial.clone()
        self.best_adam = Adam.start(initial) if spec.optimizer == "adam" else None
        errors, _ = error_fractions(self.program, *self.watched)
        self.schedule = Schedule(spec, np.array(rates, dtype=np.float64), errors)

    def epoch(self) -> None:
        """Trains every run for one epoch, then applies the schedule's decision."""
        inputs, labels = shuffled_epoch(self.data, seed=self.start.seed, epoch=self.schedule.epoch)
        rates = torch.from_numpy(self.schedule.rates).to(self.best)
        losses = self.program.train_epoch(inputs, labels, rates).double().cpu().numpy()
        errors, finite = error_fractions(self.program, *self.watched)
        finite = finite & np.isfinite(losses)
        errors = np.where(finite, errors, np.nan)
        self.write_history(losses, errors)
        decision = self.schedule.step(errors, finite)
        if decision.improved.any():
            self.save_best(self.rows(decision.improved))
        if decision.rewind.any():
            self.rewind(self.rows(decision.rewind))
        if decision.finished.any():
            self.finish(decision.finished)
        if self.schedule.epoch in self.rungs and self.members.size > 1:
            self.prune()

    def rows(self, mask: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(np.flatnonzero(mask)).to(self.best.device)

    def save_best(self, rows: Tensor) -> None:
        self.best[rows] = self.program.flat[rows]
        if self.program.adam is not None and self.best_adam is not None:
            self.best_adam.copy_rows(self.program.adam, rows)

    def rewind(self, rows: Tensor) -> None:
        self.program.flat[rows] = self.best[rows]
        if self.program.adam is not None and self.best_adam is not None:
            self.program.adam.copy_rows(self.best_adam, rows)

    def write_history(self, losses: NDArray[np.float64], errors: NDArray[np.float64]) -> None:
        on_training_error = self.spec.criterion == "training-error"
        for member, rate, loss, error in zip(self.members, self.schedule.rates, losses, errors, strict=True):
            watched = (None, float(error)) if on_training_error else (float(error), None)
            self.outcomes[member].history.append(Epoch(float(rate), float(loss), *watched))

    def prune(self) -> None:
        """Lets the worse half go, rounded down: runs that were never finite, then those with the higher lowest error
        so far, and of equal ones those with the higher rate."""
        diverged = self.schedule.diverged_epochs == self.schedule.epoch
        rates = np.array([self.outcomes[member].start_rate for member in self.members])
        worst_last = np.lexsort((rates, self.schedule.lowest, diverged))
        worse = worst_last[(self.members.size + 1) // 2 :]
        for member in self.members[worse]:
            self.outcomes[member].pruned = True
        self.finish(np.isin(np.arange(self.members.size), worse))

    def finish(self, finished: NDArray[np.bool_]) -> None:
        """Lets runs go; their best states are kept."""
        for row in np.flatnonzero(finished):
            outcome = self.outcomes[self.members[row]]
            outcome.best_epoch = int(self.schedule.best_epoch[row])
            outcome.divisions = int(self.schedule.divisions[row])
            outcome.diverged_epochs = int(self.schedule.diverged_epochs[row])
            outcome.row = self.best[row].clone()
        self.keep(~finished)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Goes on with these runs only."""
        kept, rows = np.flatnonzero(mask), self.rows(mask)
        self.members = self.members[kept]
        self.schedule.keep(kept)
        self.program.keep(rows)
        self.best = self.best[rows]
        if self.best_adam is not None:
            self.best_adam = self.best_adam.take(rows)

    def state(self) -> dict[str, Any]:
        """The state between two epochs, with all results so far: plain data with tensors, for `restore`."""
        adam, best_adam = self.program.adam, self.best_adam
        return {
            "members": self.members.tolist(),
            "flat": self.program.flat,
            "best": self.best,
            "adam": None if adam is None or best_adam is None else [vars(adam), vars(best_adam)],
            "schedule": self.schedule.state(),
            "outcomes": [outcome.state() for outcome in self.outcomes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up the `state` of a trainer of the same start, data, rates and spec; this one has trained nothing.

        The program of the whole population is cut to the members that were left, as it was then: in a smaller one
        the buffers would begin elsewhere, and where a buffer begins can change how a sum is rounded.
        """
        self.keep(np.isin(self.members, state["members"]))
        self.program.flat.copy_(state["flat"])
        self.best.copy_(state["best"])
        if self.program.adam is not None and self.best_adam is not None:
            self.program.adam.copy(Adam(**state["adam"][0]))
            self.best_adam.copy(Adam(**state["adam"][1]))
        self.schedule.restore(state["schedule"])
        self.outcomes = [RunOutcome.from_state(outcome) for outcome in state["outcomes"]]

    def measure(self) -> None:
        """The errors of every run's best state on all three parts of the data, in one pass."""
        best = torch.stack([outcome.row for outcome in self.outcomes if outcome.row is not None])
        program = make_program(self.start, best, self.spec)
        for part, name in (("validation", "val_error"), ("test", "test_error"), ("train", "train_error")):
            errors, _ = error_fractions(program, *columns(self.data, part))
            for outcome, error in zip(self.outcomes, errors, strict=True):
                setattr(outcome, name, float(error))
        for outcome in self.outcomes:
            on_training_error = self.spec.criterion == "training-error"
            outcome.error = outcome.train_error if on_training_error else outcome.val_error


def columns(data: Dataset, part: str) -> tuple[Tensor, Tensor]:
    """One part of the data as programs take it: inputs (d_in, points), labels (points,)."""
    return getattr(data, f"{part}_inputs").T.contiguous(), getattr(data, f"{part}_labels")


def error_fractions(program: Program, inputs: Tensor, labels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each member's classification error, and whether all its outputs were finite."""
    wrong, finite = program.count_errors(inputs, labels)
    return wrong.double().cpu().numpy() / len(labels), finite.cpu().numpy()
