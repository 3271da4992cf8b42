"""Ratios between several positive quantities of the same units, with bootstrap intervals over the units.

Means over units estimate expectations, but few units carry them where tails are heavy; geometric means over units
describe a typical one.
"""

import numpy as np

from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.resampling import interval, resamples


def geometric_mean(values: Floats) -> Floats:
    """The geometric mean of positive values, over the last axis."""
    return np.asarray(np.exp(np.log(values).mean(axis=-1)))


def resampled_means(values: Floats) -> Floats:
    """(resamples, L) means over units drawn again, of values (S, L)."""
    counts = resamples(len(values)).astype(np.float64)
    return np.asarray(counts @ values / len(values))


def largest_over_smallest(values: Floats) -> Estimate:
    """Largest by smallest mean over units, of positive values (S, L); nan at both ends for a single unit."""
    means = values.mean(axis=0)
    value = float(means.max() / means.min())
    if len(values) < 2:
        return Estimate(value, float("nan"), float("nan"))
    drawn = resampled_means(values)
    return Estimate(value, *interval(drawn.max(axis=1) / drawn.min(axis=1)))


def ratio_of_geometric_means(values: Floats, tops: list[int], bottoms: list[int]) -> Estimate:
    """Geometric mean of some quantities' means over units by that of others', of positive values (S, L).

    tops, bottoms: places among the L. One such ratio is how much faster some layers learn than others.
    """
    means = values.mean(axis=0)
    value = float(geometric_mean(means[tops]) / geometric_mean(means[bottoms]))
    if len(values) < 2:
        return Estimate(value, float("nan"), float("nan"))
    drawn = resampled_means(values)
    return Estimate(value, *interval(geometric_mean(drawn[:, tops]) / geometric_mean(drawn[:, bottoms])))


def typical_ratio_of_geometric_means(values: Floats, tops: list[int], bottoms: list[int]) -> Estimate:
    """The same of a typical unit: the ratio of each unit's own values, and its geometric mean over units."""
    logs = np.log(geometric_mean(values[:, tops]) / geometric_mean(values[:, bottoms]))
    value = float(np.exp(logs.mean()))
    if len(values) < 2:
        return Estimate(value, float("nan"), float("nan"))
    low, high = interval(resampled_means(logs[:, None])[:, 0])
    return Estimate(value, float(np.exp(low)), float(np.exp(high)))
