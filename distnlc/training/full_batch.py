"""Training by L-BFGS on the whole training part: SciPy's L-BFGS-B with its defaults, around a program's gradients.

In: the start of a run, a dataset on the CPU or a GPU, a `FullBatchSpec`. Out: a `FullBatchOutcome`. SciPy works on a
float64 vector; losses and gradients are computed in the start's dtype. The accuracy is looked at after some iterations
each; SciPy's own criteria (memory 10, ftol 2.2e-9, gtol 1e-5) usually end a run before its iterations do. Members of a
start are trained one after the other, each by line searches of its own.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distnlc.data.dataset import Dataset
from distnlc.training.evaluation import errors_and_losses
from distnlc.training.fixed_steps import DIVERGED, FITTED
from distnlc.training.programs import make_program
from distnlc.training.spec import FullBatchSpec, StepSpec
from distnlc.training.start import Start

CONVERGED, ITERATIONS = "converged", "iterations"
"""why a run ended, besides `fitted` and `diverged`: by SciPy's criteria, or since a line search found no lower loss; it
had its iterations"""


@dataclass
class FullBatchOutcome:
    """One training. Errors are fractions."""

    stop: str = ITERATIONS
    iterations: int = 0
    evaluations: int = 0
    """of loss and gradient"""
    train_error: float = float("nan")
    train_loss: float = float("nan")
    looks: list[tuple[int, float, float]] = field(default_factory=list)
    """(iteration, training error, training loss)"""
    row: Tensor | None = None
    """(parameters,)"""


def train_full_batch(start: Start, data: Dataset, spec: FullBatchSpec) -> list[FullBatchOutcome]:
    """Trains one run for each row of `start`. Raises ValueError for a module that keeps running statistics, which a
    line search does not move."""
    network = start.network
    if isinstance(network, nn.Module):
        for name, inner in network.named_modules():
            if getattr(inner, "running_mean", None) is not None:
                raise ValueError(
                    f"{name}: L-BFGS evaluates a loss that depends on the parameters alone, but this "
                    f"{type(inner).__name__} keeps running statistics; give it track_running_stats=False"
                )
    step = StepSpec(loss=spec.loss, batch_size=len(data.train_labels))
    every = start.expanded(len(start.rows))
    numbers = zip(every.rows, every.buffers, every.loss_scale, every.seeds, strict=True)
    singles = [Start(network, row[None], own[None], scale[None], (seed,)) for row, own, scale, seed in numbers]
    return [_FullBatch(single, data, spec, step).train() for single in singles]


class _FullBatch:
    """One run in training."""

    def __init__(self, start: Start, data: Dataset, spec: FullBatchSpec, step: StepSpec) -> None:
        self.start, self.data, self.spec = start, data, spec
        self.program = make_program(start, step)
        self.outcome = FullBatchOutcome()

    def train(self) -> FullBatchOutcome:
        from scipy.optimize import minimize

        first = self.start.rows[0].double().cpu().numpy()
        options = {"maxiter": self.spec.iterations, "maxfun": 10**9}
        with np.errstate(invalid="ignore", over="ignore"):  # a diverged line search is a result, not a warning
            found = minimize(
                self.loss_and_gradient, first, jac=True, method="L-BFGS-B", callback=self.after, options=options
            )
        outcome = self.outcome
        if outcome.stop == ITERATIONS and found.nit < self.spec.iterations:
            outcome.stop = CONVERGED
        outcome.iterations, outcome.evaluations = int(found.nit), int(found.nfev)
        self.place(found.x)
        outcome.train_error, outcome.train_loss = self.look()
        if not np.isfinite(outcome.train_loss):
            outcome.stop = DIVERGED
        outcome.row = self.program.plain(self.program.flat[0]).clone()
        return outcome

    def place(self, numbers: NDArray[np.float64]) -> None:
        self.program.place(torch.from_numpy(numbers)[None].to(self.program.flat))

    def loss_and_gradient(self, numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        self.place(numbers)
        losses, gradients = self.program.gradients(self.data.train_inputs, self.data.train_labels)
        return float(losses[0]), gradients[0].double().cpu().numpy()

    def after(self, intermediate_result: Any) -> None:
        """Called by SciPy after each iteration, by this name of the argument. Ends a fitted run by StopIteration."""
        self.outcome.iterations += 1
        if self.outcome.iterations % self.spec.check_iterations:
            return
        self.place(intermediate_result.x)
        error, loss = self.look()
        self.outcome.looks.append((self.outcome.iterations, error, loss))
        if self.spec.fitted(np.array(error), np.array(loss)):
            self.outcome.stop = FITTED
            raise StopIteration

    def look(self) -> tuple[float, float]:
        """The training error and the mean training loss of the present numbers."""
        inputs, labels, scale = self.data.train_inputs, self.data.train_labels, self.start.loss_scale
        errors, losses = errors_and_losses(self.program, inputs, labels, loss_scale=scale)
        return float(errors[0]), float(losses[0])
