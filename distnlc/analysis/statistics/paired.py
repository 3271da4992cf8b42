"""Differences of pairs that share all but one thing: means with Student's interval and test, and Holm's correction.

In: one value per pair and side; pairs of which one is not measured (nan) do not take part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from distnlc.analysis.statistics.means import Estimate, estimate

NAN = float("nan")


@dataclass(frozen=True)
class Difference:
    """The mean of one - other over `n` pairs, and its test."""

    mean: Estimate
    n: int
    p: float
    """two-sided, of the paired t-test; nan for fewer than two pairs, or for differences that are all alike"""


def paired_difference(one: ArrayLike, other: ArrayLike) -> Difference:
    """The mean of one - other; one, other: (n,)."""
    differences = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    differences = differences[np.isfinite(differences)]
    if differences.size < 2:
        return Difference(Estimate(float(differences[0]) if differences.size else NAN, NAN, NAN), differences.size, NAN)
    p = float(stats.ttest_1samp(differences, 0).pvalue) if np.ptp(differences) > 0 else NAN
    return Difference(estimate(differences), differences.size, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of one family of tests, each corrected so that it is significant among all of them if below a level.

    nan, a test that could not be done, stays nan and does not count.
    """
    values = np.asarray(p_values, dtype=float)
    order = [place for place in np.argsort(values, kind="stable") if not np.isnan(values[place])]
    corrected, least = values.copy(), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * float(values[place])))
        corrected[place] = least
    return [float(value) for value in corrected]
