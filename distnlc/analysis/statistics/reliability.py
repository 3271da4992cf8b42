"""The noise ceiling: how well can any initial metric predict the error, given that the error itself is noisy?

In: the rows of one part in which architectures were trained from several initial weights (`initialization` 0, 1,
...). Out: a `Ceiling`. Two trainings of one architecture differ by chance (initial weights, order of the data), and
what depends on the architecture alone cannot follow that; they share the test set, so that its chance does not count.
By the formula for attenuation (Spearman 1904) no metric of the architecture correlates with the error by more than
sqrt(reliability), the reliability being the correlation of two trainings of one architecture. A metric measured on
the initial weights themselves could pass it, by as much as those weights and not only the architecture decide the
error.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.drawing.figure import MissingRecordsError, given_by
from distnlc.analysis.nlc.parts import Part
from distnlc.analysis.statistics.correlations import Correlation, Floats, correlate
from distnlc.analysis.statistics.resampling import interval, resamples
from distnlc.records import OK


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """How reliable the error and the NLC of an architecture are; intervals by resampling architectures."""

    architectures: int
    """with two initializations or more"""
    trainings: int
    left_out: int
    """architectures of the part with fewer finished initializations"""
    error: float
    error_interval: tuple[float, float]
    """ICC of the error"""
    nlc: float
    nlc_interval: tuple[float, float]
    """ICC of the logarithm of the initial NLC"""
    value: float
    interval: tuple[float, float]
    """sqrt of the error's ICC: the largest correlation that a metric of the architecture can have with the error"""
    first_two: Correlation
    """of the errors of initializations 0 and 1, the direct check"""


def ceiling(architectures: pd.DataFrame, part: Part) -> Ceiling:
    """The ceiling of one part; `architectures` is the study's whole table.

    Raises MissingRecordsError if fewer than three architectures were trained from two initial weights.
    """
    rows = architectures[architectures["part"] == part.rows["part"].iloc[0]]
    rows = rows[(rows["status"] == OK) & rows[part.error].notna() & (rows["init_nlc"] > 0)]
    counts = rows.groupby("index").size()
    repeated = rows[rows["index"].isin(counts.index[counts >= 2])]
    found = repeated["index"].nunique()
    if found < 3:
        raise MissingRecordsError(
            f"{part.title}: {found or 'no'} architectures with repeated initializations, so no noise ceiling; "
            + given_by("paper-small")
        )
    error, error_values = reliability(repeated[part.error], repeated["index"])
    nlc, nlc_values = reliability(np.log(repeated["init_nlc"]), repeated["index"])
    first = repeated.pivot(index="index", columns="initialization", values=part.error).reindex(columns=[0, 1])
    return Ceiling(
        architectures=found,
        trainings=len(repeated),
        left_out=part.rows["index"].nunique() - found,
        error=error,
        error_interval=interval(error_values),
        nlc=nlc,
        nlc_interval=interval(nlc_values),
        value=float(np.sqrt(max(error, 0))),
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
