"""The fast trainer: all runs of a population, from one initialization, as one batched program (section E.2).

In: an architecture's initial state, a dataset on the device, the starting rates. Out: one `RunOutcome` per rate, in
the order of the rates. All runs see the same minibatches (the shuffle depends on the seed and the epoch alone), so
a run's course does not depend on which others it is trained with, but for rounding. Rates, patience, rewinds and
stops are each run's own; a run that has finished leaves the population. The host is asked once an epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from distnlc.data import Dataset
from distnlc.networks.population import PopulationMLP
from distnlc.networks.sampling import Architecture
from distnlc.records import DIVERGED, OK
from distnlc.spec import TrainingSpec, derive_seed
from distnlc.training.loss import cross_entropy_and_delta
from distnlc.training.optimizers import Adam
from distnlc.training.schedule import Schedule


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


@dataclass(frozen=True)
class Epoch:
    """One epoch of one run, as `records.EpochRow`."""

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
    row: Tensor | None = None

    @property
    def status(self) -> str:
        """`diverged`: the loss was finite at the end of no epoch, so the best state is the initial network."""
        return DIVERGED if self.diverged_epochs == len(self.history) else OK


def train_population(start: Start, data: Dataset, rates: Sequence[float], spec: TrainingSpec) -> list[RunOutcome]:
    """Trains one run per rate to its end.

    `data` must lie on the device and have the dtype of `start.row`; its training part must be a multiple of the
    batch size. Raises ValueError otherwise.
    """
    check_batches(data, spec.batch_size)
    trainer = PopulationTrainer(start, data, rates, spec)
    while trainer.members.size:
        trainer.epoch()
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


def shuffled_batches(data: Dataset, *, seed: int, epoch: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The training part's minibatches of one epoch, as columns: inputs (d_in, batch), one-hot (classes, batch)."""
    order = np.random.default_rng(derive_seed("shuffle", seed, epoch)).permutation(len(data.train_inputs))
    index = torch.from_numpy(order).to(data.train_inputs.device)
    one_hot = functional.one_hot(data.train_labels[index], data.classes).to(data.train_inputs.dtype)
    inputs = data.train_inputs[index].T.contiguous()
    yield from zip(inputs.split(batch_size, dim=1), one_hot.T.contiguous().split(batch_size, dim=1), strict=True)


def classification_errors(
    population: PopulationMLP, inputs: Tensor, labels: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each member's error fraction over whole batches in their fixed order, and whether all outputs were finite."""
    wrong = torch.zeros(len(population.flat), dtype=torch.int64, device=inputs.device)
    finite = torch.ones(len(population.flat), dtype=torch.bool, device=inputs.device)
    for batch, target in zip(inputs.split(population.batch_size), labels.split(population.batch_size), strict=True):
        outputs = population.forward(batch.T, training=False)
        wrong += (outputs.argmax(1) != target).sum(1)
        finite &= outputs.isfinite().flatten(1).all(1)
    return wrong.double().cpu().numpy() / len(inputs), finite.cpu().numpy()


class PopulationTrainer:
    """A population in training. Row i of every tensor belongs to run `members[i]`."""

    def __init__(self, start: Start, data: Dataset, rates: Sequence[float], spec: TrainingSpec) -> None:
        self.start, self.data, self.spec = start, data, spec
        self.outcomes = [RunOutcome(rate) for rate in rates]
        self.members = np.arange(len(rates))
        initial = start.row.expand(len(rates), -1)
        self.population = PopulationMLP(start.architecture, initial, start.projection, batch_size=spec.batch_size)
        self.best = initial.clone()
        self.adam = Adam.start(initial) if spec.optimizer == "adam" else None
        self.best_adam = Adam.start(initial) if spec.optimizer == "adam" else None
        errors, _ = self.watched_errors()
        self.schedule = Schedule(spec, np.array(rates, dtype=np.float64), errors)

    def watched_errors(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The error that the schedule looks at, of the present parameters."""
        part = "train" if self.spec.criterion == "training-error" else "validation"
        inputs, labels = getattr(self.data, f"{part}_inputs"), getattr(self.data, f"{part}_labels")
        return classification_errors(self.population, inputs, labels)

    def epoch(self) -> None:
        """One epoch of every run, then what the schedule decides."""
        losses = self.train_epoch().cpu().numpy()
        errors, finite = self.watched_errors()
        finite = finite & np.isfinite(losses)
        errors = np.where(finite, errors, np.nan)
        self.write_history(losses, errors)
        decision = self.schedule.step(errors, finite)
        if decision.improved.any():
            rows = self.rows(decision.improved)
            self.best[rows] = self.population.flat[rows]
            if self.adam is not None and self.best_adam is not None:
                self.best_adam.copy_rows(self.adam, rows)
        if decision.rewind.any():
            rows = self.rows(decision.rewind)
            self.population.flat[rows] = self.best[rows]
            if self.adam is not None and self.best_adam is not None:
                self.adam.copy_rows(self.best_adam, rows)
        if decision.finished.any():
            self.finish(decision.finished)

    def rows(self, mask: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(np.flatnonzero(mask)).to(self.best.device)

    def train_epoch(self) -> Tensor:
        """Mean loss of each run over the minibatches, (population,)."""
        rates = torch.from_numpy(self.schedule.rates).to(self.best)[:, None, None]
        loss_sum = self.best.new_zeros(len(self.members))
        gradients = None if self.adam is None else torch.empty_like(self.best)
        epoch, size = self.schedule.epoch, self.spec.batch_size
        batches = shuffled_batches(self.data, seed=self.start.seed, epoch=epoch, batch_size=size)
        for inputs, one_hot in batches:
            outputs = self.population.forward(inputs, training=True)
            losses, delta = cross_entropy_and_delta(outputs, one_hot, loss_scale=self.start.loss_scale)
            loss_sum += losses
            if self.adam is None or gradients is None:
                self.population.backward(inputs, delta.mul_(rates))
            else:
                self.population.backward(inputs, delta, gradients)
                self.population.flat.sub_(self.adam.update(gradients).mul_(rates[:, 0]))
        return loss_sum / (len(self.data.train_inputs) // size)

    def write_history(self, losses: NDArray[np.float64], errors: NDArray[np.float64]) -> None:
        on_training_error = self.spec.criterion == "training-error"
        for member, rate, loss, error in zip(self.members, self.schedule.rates, losses, errors, strict=True):
            watched = (None, float(error)) if on_training_error else (float(error), None)
            self.outcomes[member].history.append(Epoch(float(rate), float(loss), *watched))

    def finish(self, finished: NDArray[np.bool_]) -> None:
        """Lets the runs go that have ended; they stand rewound to their best state."""
        for row in np.flatnonzero(finished):
            outcome = self.outcomes[self.members[row]]
            outcome.best_epoch = int(self.schedule.best_epoch[row])
            outcome.divisions = int(self.schedule.divisions[row])
            outcome.diverged_epochs = int(self.schedule.diverged_epochs[row])
            outcome.row = self.best[row].clone()
        kept, rows = np.flatnonzero(~finished), self.rows(~finished)
        self.members = self.members[kept]
        self.schedule.keep(kept)
        self.population.keep(rows)
        self.best = self.best[rows]
        if self.adam is not None and self.best_adam is not None:
            self.adam, self.best_adam = self.adam.take(rows), self.best_adam.take(rows)

    def measure(self) -> None:
        """The errors of every run's best state on all three parts of the data, in one pass."""
        best = torch.stack([outcome.row for outcome in self.outcomes if outcome.row is not None])
        population = PopulationMLP(
            self.start.architecture, best, self.start.projection, batch_size=self.spec.batch_size
        )
        for part, name in (("validation", "val_error"), ("test", "test_error"), ("train", "train_error")):
            inputs, labels = getattr(self.data, f"{part}_inputs"), getattr(self.data, f"{part}_labels")
            errors, _ = classification_errors(population, inputs, labels)
            for outcome, error in zip(self.outcomes, errors, strict=True):
                setattr(outcome, name, float(error))
