"""The noise ceiling: how well can any initial metric predict the error, given that the error itself is noisy?

In: rows in which architectures were trained from several initial weights. Out: a `Ceiling`. Two trainings of one
architecture differ by chance (initial weights, order of the data), and what depends on the architecture alone cannot
follow that; they share the test set, so that its chance does not count.
By the formula for attenuation (Spearman 1904) no metric of the architecture correlates with the error by more than
sqrt(reliability), the reliability being the correlation of two trainings of one architecture. A metric measured on
the initial weights themselves could pass it, by as much as those weights and not only the architecture decide the
error.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.statistics.correlations import Correlation, Floats, TooFewRowsError, correlate
from distnlc.analysis.statistics.resampling import interval, resamples


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """How reliable the error and a metric of an architecture are; intervals by resampling architectures."""

    architectures: int
    """with two initializations or more"""
    trainings: int
    error: float
    error_interval: tuple[float, float]
    """ICC of the error"""
    metric: float
    metric_interval: tuple[float, float]
    """ICC of the metric's logarithm"""
    value: float
    interval: tuple[float, float]
    """sqrt of the error's ICC: the largest correlation that a metric of the architecture can have with the error"""
    first_two: Correlation
    """of the errors of initializations 0 and 1, the direct check"""


def ceiling(rows: pd.DataFrame, *, error: str, metric: str, architecture: str, initialization: str) -> Ceiling:
    """The ceiling over rows that have the error and a positive metric; the names are those of columns.

    Raises TooFewRowsError if fewer than three architectures have two initializations.
    """
    rows = rows[rows[error].notna() & (rows[metric] > 0)]
    counts = rows.groupby(architecture).size()
    repeated = rows[rows[architecture].isin(counts.index[counts >= 2])]
    found = repeated[architecture].nunique()
    if found < 3:
        raise TooFewRowsError(f"{found or 'no'} architectures with repeated initializations, so no noise ceiling")
    of_error, error_values = reliability(repeated[error], repeated[architecture])
    of_metric, metric_values = reliability(np.log(repeated[metric]), repeated[architecture])
    first = repeated.pivot(index=architecture, columns=initialization, values=error).reindex(columns=[0, 1])
    return Ceiling(
        architectures=found,
        trainings=len(repeated),
        error=of_error,
        error_interval=interval(error_values),
        metric=of_metric,
        metric_interval=interval(metric_values),
        value=float(np.sqrt(max(of_error, 0))),
        interval=interval(np.sqrt(np.maximum(error_values, 0))),
        first_two=correlate(first[0], first[1], names=("error of initialization 0", "error of initialization 1")),
    )


def reliability(values: ArrayLike, groups: ArrayLike) -> tuple[float, Floats]:
    """ICC(1), and the same of every resample of the groups: (value, (resamples,)).

    The one-way random-effects intraclass correlation (Shrout and Fleiss, Psychological Bulletin 86, 1979; for groups
    of unequal size Donner, International Statistical Review 54, 1986) of values (n,) in groups (n,): (MSB - MSW) /
    (MSB + (m0 - 1) MSW) with the mean squares between and within the k groups, m0 = (n - sum m_i^2 / n) / (k - 1).
    At most 1; below 0 by chance where groups do not differ; nan where no value differs.
    """
    of_group = pd.Series(np.asarray(values, dtype=np.float64)).groupby(np.asarray(groups))
    sizes: Floats = np.asarray(of_group.size(), dtype=np.float64)
    means: Floats = np.asarray(of_group.mean(), dtype=np.float64)
    within: Floats = sizes * np.asarray(of_group.var(ddof=0), dtype=np.float64)
    value = _icc(np.ones((1, sizes.size)), sizes, means, within)[0]
    return float(value), _icc(resamples(sizes.size).astype(np.float64), sizes, means, within)


def _icc(drawn: Floats, sizes: Floats, means: Floats, within: Floats) -> Floats:
    """(b,) for drawn (b, k): how often each group takes part."""
    k, n = drawn.sum(axis=1), drawn @ sizes
    centre = drawn @ (sizes * means) / n
    between = np.einsum("bk,bk->b", drawn * sizes, (means - centre[:, None]) ** 2)
    between_square, within_square = between / (k - 1), drawn @ within / (n - k)
    usual_size = (n - drawn @ sizes**2 / n) / (k - 1)
    total = between_square + (usual_size - 1) * within_square
    values = np.full(len(drawn), np.nan)
    np.divide(between_square - within_square, total, out=values, where=total > 0)
    return values
