"""The learning-rate schedule of section E.2, for many runs at once, as arrays on the host.

A run trains at its starting rate until the watched error has not fallen below its lowest value for
`first_patience` epochs; it rewinds to the state with the lowest error, divides its rate, and goes on with `patience`
epochs, until the rate was divided `divisions` times and patience runs out once more: it rewinds and stops.

Choices where the text is silent: the initial network counts as epoch 0, so its error is the first lowest value;
"has not fallen" means strictly below the lowest so far; an epoch that ends with a loss that is not finite rewinds
at once, since the waiting epochs could not change the outcome. Without rewinding (the gradient study's I.4) a division
leaves the lowest error as it is, a loss that is not finite ends the run, and its state is the last one. After `epochs`
a run ends wherever it is, by the same rule.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distnlc.training.spec import TrainingSpec

ARRAYS = ("rates", "lowest", "best_epoch", "waited", "divisions", "diverged_epochs")
"""the arrays of a `Schedule`, each with one value per run"""


@dataclass(frozen=True)
class Decision:
    """What happens after an epoch; boolean arrays (population,)."""

    keep: NDArray[np.bool_]
    """keep this state: its error is the lowest so far, or the run does not rewind"""
    rewind: NDArray[np.bool_]
    """go back to the kept state"""
    finished: NDArray[np.bool_]
    """stop; the kept state is the result"""


class Schedule:
    """The schedule's state of a population; every array has shape (population,)."""

    def __init__(self, spec: TrainingSpec, rates: NDArray[np.float64], errors: NDArray[np.float64]) -> None:
        """`rates`: starting rates; `errors`: the watched error of the initial network."""
        self.spec = spec
        self.rates = rates.copy()
        self.lowest = errors.copy()
        self.epoch = 0
        self.best_epoch = np.zeros(len(rates), dtype=np.int64)
        self.waited = np.zeros(len(rates), dtype=np.int64)
        self.divisions = np.zeros(len(rates), dtype=np.int64)
        self.diverged_epochs = np.zeros(len(rates), dtype=np.int64)

    def step(self, errors: NDArray[np.float64], finite: NDArray[np.bool_]) -> Decision:
        """Takes the watched errors after one more epoch; `rates` and `divisions` become those of the next epoch."""
        self.epoch += 1
        improved = finite & (errors < self.lowest)
        self.lowest = np.where(improved, errors, self.lowest)
        self.best_epoch[improved] = self.epoch
        self.waited = np.where(improved, 0, self.waited + 1)
        self.diverged_epochs += ~finite
        patience = np.where(self.divisions == 0, self.spec.first_patience, self.spec.patience)
        impatient = ~finite | (self.waited >= patience)
        finished = impatient & (self.divisions >= self.spec.divisions)
        if not self.spec.rewind:
            finished |= ~finite
        if self.epoch == self.spec.epochs:
            finished[:] = True
        divide = impatient & ~finished
        self.rates[divide] /= self.spec.divisor
        self.divisions[divide] += 1
        self.waited[impatient] = 0
        if self.spec.rewind:
            return Decision(improved, impatient, finished)
        everyone = np.ones_like(improved)
        return Decision(everyone, ~everyone, finished)

    def keep(self, members: NDArray[np.int64]) -> None:
        """Goes on with these members only."""
        for name in ARRAYS:
            setattr(self, name, getattr(self, name)[members])

    def state(self) -> dict[str, Any]:
        """The state as plain data, for `restore`."""
        return {"epoch": self.epoch} | {name: getattr(self, name).tolist() for name in ARRAYS}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up the state of a schedule with as many members."""
        self.epoch = state["epoch"]
        for name in ARRAYS:
            getattr(self, name)[:] = state[name]
