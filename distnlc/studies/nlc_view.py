"""What people see of the NLC study while it runs: one architecture in the tracking mirror, a headline over all."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from distnlc.records import ArchitectureRow, Records, View

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


def view(records: Records) -> View:
    """One architecture for the tracking mirror: its properties, metrics, sweep curve, chosen run's epochs."""
    row = records["architectures"][0]
    fields = asdict(row)
    chosen = [epoch for epoch in records["epochs"] if epoch.run == row.best_run]
    curves = {
        "sweep_val_error": [(run.run, run.val_error) for run in records["runs"]],
        "epoch_train_loss": [(epoch.epoch, epoch.train_loss) for epoch in chosen],
        "epoch_val_error": [(epoch.epoch, epoch.val_error) for epoch in chosen],
        "epoch_rate": [(epoch.epoch, epoch.rate) for epoch in chosen],
    }
    return View(
        name=f"{row.part} {row.index}",
        params={name: fields[name] for name in DRAWN},
        metrics={name: float(fields[name]) for name in MEASURED if _finite(fields[name])},
        curves={
            name: [(step, float(value)) for step, value in points if _finite(value)] for name, points in curves.items()
        },
        tags={name: str(fields[name]) for name in ("unit_id", "architecture_id", "part", "status", "reason")},
    )


def headline(rows: Sequence[ArchitectureRow]) -> dict[str, float]:
    """The running correlation of log NLC with test error, and the best test error."""
    points = [
        (math.log(row.init_nlc), row.test_error)
        for row in rows
        if row.init_nlc is not None and row.test_error is not None and 0 < row.init_nlc < math.inf
    ]
    shown: dict[str, float] = {}
    if points:
        shown["best_test_error"] = min(error for _, error in points)
    logs, errors = np.array(points, dtype=float).reshape(-1, 2).T
    if len(points) >= 3 and logs.std() > 0 and errors.std() > 0:
        shown["correlation_log_nlc_test_error"] = float(np.corrcoef(logs, errors)[0, 1])
    return shown


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
