"""What people see of an NLC study while it runs: the curves of one architecture, and a headline over all."""

import math
from collections.abc import Sequence
from typing import Any

from distnlc.plugins import Curves
from distnlc.records import Records

NOTE = """
- `sweep/val_error`: the validation error of each run of the sweep; step = index of the starting rate, 0 the
  smallest. Diverged runs that have no error are gaps. The lowest is the chosen run, `best_run`.
- `epoch/...`: training loss, validation error and rate of the chosen run; step = epoch.
- `init_...`: measured before training; `trained_...`: after it. Errors are fractions.
"""


def curves(records: Records) -> Curves:
    """The sweep of one architecture, and the epochs of its chosen run."""
    row = records["architectures"][0]
    chosen = [epoch for epoch in records["epochs"] if epoch.run == row.best_run]
    points = {
        "sweep/val_error": [(run.run, run.val_error) for run in records["runs"]],
        "epoch/train_loss": [(epoch.epoch, epoch.train_loss) for epoch in chosen],
        "epoch/val_error": [(epoch.epoch, epoch.val_error) for epoch in chosen],
        "epoch/rate": [(epoch.epoch, epoch.rate) for epoch in chosen],
    }
    return Curves(points, NOTE)


class Headline:
    """The running correlation of log NLC with test error, and the best test error, in constant memory.

    Means and co-moments are updated point by point (Welford; Chan et al. 1983), which loses no digits to
    cancellation as sums of squares would.
    """

    COLUMNS: Sequence[str] = ("init_nlc", "test_error")

    def __init__(self) -> None:
        self._count = 0
        self._mean_x = self._mean_y = 0.0
        self._xx = self._xy = self._yy = 0.0
        """sums over the points of products of their deviations from the means"""
        self._best = math.inf

    def add(self, row: Any) -> None:
        """Takes in one architecture; one without an NLC or an error, as failed units are, is left out."""
        if row.init_nlc is None or row.test_error is None or not 0 < row.init_nlc < math.inf:
            return
        self._count += 1
        self._best = min(self._best, row.test_error)
        x, y = math.log(row.init_nlc), row.test_error
        before_x, before_y = x - self._mean_x, y - self._mean_y
        self._mean_x += before_x / self._count
        self._mean_y += before_y / self._count
        self._xx += before_x * (x - self._mean_x)
        self._xy += before_x * (y - self._mean_y)
        self._yy += before_y * (y - self._mean_y)

    def numbers(self) -> dict[str, float]:
        shown = {"best_test_error": self._best} if self._count else {}
        spread = math.sqrt(self._xx) * math.sqrt(self._yy)
        if self._count >= 3 and spread > 0:
            shown["correlation_log_nlc_test_error"] = self._xy / spread
        return shown
