"""Means over independent units with their errors, and stated values beside them: pure functions on arrays.

The first axis of every array is that of the units (networks, simulations), which are independent; what is measured
along one unit is not.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from distnlc.analysis.statistics.correlations import LEVEL, Floats

NEAR, FAR = 3.0, 5.0
"""standard errors: within the first a stated value agrees, beyond the second it certainly does not"""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval at LEVEL."""

    value: float
    low: float
    high: float


def mean_and_error(values: Floats) -> tuple[Floats, Floats]:
    """(L,) means over the units (S, L) that have a value, and their standard errors; nan where fewer than two have."""
    count = np.sum(~np.isnan(values), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=0) / count
        variance = np.nansum((values - mean) ** 2, axis=0) / (count - 1)
        return mean, np.sqrt(variance / count)


def estimate(values: Floats) -> Estimate:
    """The mean of independent values (S,), with Student's interval; nan at both ends if there is one value."""
    mean, error = (float(each[0]) for each in mean_and_error(values[:, None]))
    far = float(stats.t.ppf((1 + LEVEL) / 2, max(np.isfinite(values).sum() - 1, 1))) * error
    return Estimate(mean, mean - far, mean + far)


def digits(value: str) -> float:
    """The unit of a stated value's last digit: 0.001 of 1.146, 1e15 of 9.90e17."""
    mantissa, _, exponent = value.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def rounding(value: str) -> float:
    """The standard deviation of what a stated value lost when its last digit was rounded."""
    return digits(value) / math.sqrt(12)
