"""The training of one network: by the shared trainer, kept in checkpoints, with what is known of it in the end.

In: a part, a cell, the network at initialization and its data on the device. Out: a `Trained`. Minibatches come from a
stream of shuffled epochs, so that one may straddle two, and the rate falls every `decay_epochs` (section A.5). L-BFGS
keeps no checkpoints: its state is SciPy's. Accuracies and losses come from the program that trained, in float32, losses
of single points in float64.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.studies.sensitivity.cells import Cell
from distnlc.studies.sensitivity.records import CheckRow
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.units import LOOKS, check_steps, steps_of, stops_when_fitted
from distnlc.training.checkpoint import Checkpoints
from distnlc.training.evaluation import errors_and_losses
from distnlc.training.fixed_steps import DIVERGED, STEPS, FixedOutcome, FixedTrainer, train_fixed
from distnlc.training.full_batch import ITERATIONS, train_full_batch
from distnlc.training.programs import make_program
from distnlc.training.spec import FixedSpec, FullBatchSpec, LossName, OptimizerName, StepSpec
from distnlc.training.start import Start, put_numbers, start_of

OPTIMIZERS: dict[str, OptimizerName] = {
    "sgd": "sgd",
    "momentum": "momentum",
    "adam": "adam-tf1",
    "rmsprop": "rmsprop-tf1",
}
LOSSES: dict[str, LossName] = {"cross-entropy": "cross-entropy", "l2": "squared-error"}
MOST_CHECKS = 2 * LOOKS
TOLERANCE = 1e-12
"""of 1 - accuracy, which is no exact number"""


@dataclass(frozen=True)
class Trained:
    """A network that was trained, and the numbers of its row; accuracies are fractions."""

    network: MLP
    stop: str
    steps: int
    train_error: float
    train_loss: float
    test_error: float
    test_loss: float
    looks: Sequence[CheckRow]
    """without a unit id"""
    seconds: float

    @property
    def diverged(self) -> bool:
        return self.stop == DIVERGED

    def fitted(self, part: Spec) -> bool:
        """Whether training accuracy and loss reach what the part asks for."""
        training = part.training
        low = training.fit_loss is None or self.train_loss <= training.fit_loss
        return not self.diverged and self.train_error <= most_error(part) and low


def most_error(part: Spec) -> float:
    """The training error up to which a network counts as fitted."""
    return 1 - part.training.fit_accuracy + TOLERANCE


def fixed_spec(part: Spec, cell: Cell, points: int) -> FixedSpec:
    """What the shared trainer is told of a network that is trained by minibatches."""
    training = part.training
    assert cell.batch is not None
    steps = steps_of(part, cell, points)
    every = training.decay_epochs
    falls = 0 if every is None else math.floor(steps * cell.batch / points / every)
    stop = {"stop_error": most_error(part), "stop_loss": training.fit_loss} if stops_when_fitted(part, cell) else {}
    return FixedSpec.parse(
        {
            "optimizer": OPTIMIZERS[cell.optimizer],
            "momentum": training.momentum,
            "loss": LOSSES[training.loss],
            "batch_size": cell.batch,
            "population": 1,
            "steps": steps,
            "decay": training.decay,
            "decay_epochs": [every * fall for fall in range(1, falls + 1)] if every else [],
            "check_steps": check_steps(part, cell, points),
            "augmentation": cell.augmentation,
            **stop,
        }
    )


def train(
    part: Spec, cell: Cell, network: MLP, data: Dataset, seed: int, checkpoints: Checkpoints, device: str
) -> Trained:
    """Trains the network from the beginning, or from its newest checkpoint."""
    began = time.perf_counter()
    start = start_of(network, seed=derive_seed("order", seed))
    if cell.batch is None:
        return _by_full_batches(part, start, network, data, began)
    saved = checkpoints.load(device)
    if saved is not None:
        began -= saved["seconds"]

    def offer(trainer: FixedTrainer) -> None:
        checkpoints.offer(lambda: {"trainer": trainer.state(), "seconds": time.perf_counter() - began})

    assert cell.rate is not None
    spec = fixed_spec(part, cell, len(data.train_labels))
    kept = None if saved is None else saved["trainer"]
    (outcome,) = train_fixed(start, data, [cell.rate], spec, saved=kept, after_epoch=offer)
    seconds = time.perf_counter() - began
    assert outcome.row is not None
    test = _test(start, outcome.row, data, spec.loss)
    last = outcome.looks[-1] if outcome.looks else None
    error, loss = (last.train_error, last.train_loss) if last else (math.nan, math.nan)
    return Trained(
        _with(network, outcome.row), outcome.stop, outcome.steps, error, loss, *test, _looks(outcome), seconds
    )


def _by_full_batches(part: Spec, start: Start, network: MLP, data: Dataset, began: float) -> Trained:
    training = part.training
    stop = {"stop_error": most_error(part), "stop_loss": training.fit_loss} if training.stop == "fitted" else {}
    spec = FullBatchSpec.parse(
        {
            "loss": LOSSES[training.loss],
            "iterations": training.iterations,
            "check_iterations": max(4, math.ceil(training.iterations / MOST_CHECKS)),
            **stop,
        }
    )
    (outcome,) = train_full_batch(start, data, spec)
    seconds = time.perf_counter() - began
    assert outcome.row is not None
    looks = [
        CheckRow(unit_id="", step=step, epoch=float(step), rate=None, train_loss=loss, train_accuracy=1 - error)
        for step, error, loss in outcome.looks
    ]
    return Trained(
        _with(network, outcome.row),
        STEPS if outcome.stop == ITERATIONS else outcome.stop,
        outcome.iterations,
        outcome.train_error,
        outcome.train_loss,
        *_test(start, outcome.row, data, spec.loss),
        looks,
        seconds,
    )


def _test(start: Start, row: Tensor, data: Dataset, loss: LossName) -> tuple[float, float]:
    """The test error and the mean test loss of a network of these numbers."""
    if not len(data.test_labels):
        return math.nan, math.nan
    one = Start(start.network, row[None], start.buffers, start.loss_scale, start.seeds)
    program = make_program(one, StepSpec(loss=loss, batch_size=min(500, len(data.test_labels))))
    errors, losses = errors_and_losses(program, data.test_inputs, data.test_labels, loss_scale=start.loss_scale)
    return float(errors[0]), float(losses[0])


def _with(network: MLP, row: Tensor) -> MLP:
    """The network with other numbers."""
    with torch.no_grad():
        put_numbers(network, row, None)
    return network


def _looks(outcome: FixedOutcome) -> list[CheckRow]:
    """At most MOST_CHECKS of them, evenly, the last one always."""
    every = math.ceil(len(outcome.looks) / MOST_CHECKS)
    kept = outcome.looks[::-1][::every][::-1] if every else []
    return [
        CheckRow(
            unit_id="",
            step=look.step,
            epoch=look.epoch,
            rate=look.rate,
            train_loss=look.batch_loss,
            train_accuracy=1 - look.train_error,
        )
        for look in kept
    ]
