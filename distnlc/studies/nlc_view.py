"""What people see of the NLC study while it runs: one architecture in the tracking mirror, a headline over all."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from distnlc.records import Records, View

DRAWN = (
    "index dataset optimizer criterion depth width parameters activation dilation shift debiased bias_variance "
    "initial_scale normalization skip_strength skip_start"
).split()
MEASURED = (
    "init_nlc init_bias init_loss_scale init_jacobian_norm init_gradient_component init_gradient_length init_lipschitz "
    "init_input_cosine init_output_cosine init_relative_diameter activation_nlc activation_linear_error smallest_rate "
    "runs diverged_runs epochs best_run best_rate val_error test_error train_error trained_nlc trained_nlc_test "
    "trained_bias trained_perturbation seconds"
).split()
TAGS = "unit_id architecture_id part status reason".split()
TABLE = (
    "test_error init_nlc activation depth normalization skip_strength skip_start "
    "best_rate diverged_runs trained_nlc init_bias"
).split()
DIGITS = 5
"""of a metric: more do not fit into a column of the table"""
NOTE = """
- `sweep/val_error`: the validation error of each run of the sweep; step = index of the starting rate, 0 the
  smallest. Diverged runs that have no error are gaps. The lowest is the chosen run, `best_run`.
- `epoch/...`: training loss, validation error and rate of the chosen run; step = epoch.
- `init_...`: measured before training; `trained_...`: after it. Errors are fractions.
"""


def view(records: Records) -> View:
    """One architecture for the tracking mirror: its properties, metrics, sweep curve, chosen run's epochs."""
    row = records["architectures"][0]
    fields = asdict(row)
    chosen = [epoch for epoch in records["epochs"] if epoch.run == row.best_run]
    curves = {
        "sweep/val_error": [(run.run, run.val_error) for run in records["runs"]],
        "epoch/train_loss": [(epoch.epoch, epoch.train_loss) for epoch in chosen],
        "epoch/val_error": [(epoch.epoch, epoch.val_error) for epoch in chosen],
        "epoch/rate": [(epoch.epoch, epoch.rate) for epoch in chosen],
    }
    return View(
        name=f"{row.part} {row.index}",
        params={name: fields[name] for name in DRAWN},
        metrics={name: float(f"{fields[name]:.{DIGITS}g}") for name in MEASURED if _finite(fields[name])},
        curves={
            name: [(step, float(value)) for step, value in points if _finite(value)] for name, points in curves.items()
        },
        tags={name: str(fields[name]) for name in TAGS if fields[name] is not None},
        table=TABLE,
        note=NOTE,
    )


class Headline:
    """The running correlation of log NLC with test error, and the best test error, in constant memory.

    Means and co-moments are updated point by point (Welford; Chan et al. 1983), which loses no digits to
    cancellation as sums of squares would.
    """

    COLUMNS = ("init_nlc", "test_error")

    def __init__(self) -> None:
        self._count = 0
        self._means = np.zeros(2)
        self._moments = np.zeros((2, 2))
        """sum over the points of the outer product of their deviation from the mean"""
        self._best = math.inf

    def add(self, row: Any) -> None:
        """Takes in one architecture; one without an NLC or an error, as failed units are, is left out."""
        if row.init_nlc is None or row.test_error is None or not 0 < row.init_nlc < math.inf:
            return
        self._count += 1
        self._best = min(self._best, row.test_error)
        point = np.array([math.log(row.init_nlc), row.test_error])
        before = point - self._means
        self._means += before / self._count
        self._moments += np.outer(before, point - self._means)

    def numbers(self) -> dict[str, float]:
        shown = {"best_test_error": self._best} if self._count else {}
        spread = math.sqrt(self._moments[0, 0]) * math.sqrt(self._moments[1, 1])
        if self._count >= 3 and spread > 0:
            shown["correlation_log_nlc_test_error"] = float(self._moments[0, 1] / spread)
        return shown


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
