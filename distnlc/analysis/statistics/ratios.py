"""Ratios of two means over the same cases, with bootstrap intervals that keep the cases of one network together."""

import numpy as np
from numpy.typing import ArrayLike

from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.rank_correlations import cell_resamples
from distnlc.analysis.statistics.resampling import interval


def ratio_of_means(tops: Floats, bottoms: Floats, cells: ArrayLike) -> Estimate:
    """mean(tops) / mean(bottoms) of positive values (n,); resampled are the cells (n,) that the cases belong to.

    nan where there is no case or the bottoms are all 0, at both ends where there is but one cell.
    """
    if not tops.size or not bottoms.sum() > 0:
        return Estimate(*[float("nan")] * 3)
    number, weights = cell_resamples(cells)
    value = float(tops.sum() / bottoms.sum())
    if number < 2:
        return Estimate(value, float("nan"), float("nan"))
    above, below = weights @ tops, weights @ bottoms
    drawn = np.full(above.shape, np.nan)
    np.divide(above, below, out=drawn, where=below > 0)
    return Estimate(value, *interval(drawn))
