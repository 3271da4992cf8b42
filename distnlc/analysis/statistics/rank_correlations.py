"""Spearman's correlation of rows that come in cells: its interval keeps a cell's rows together.

In: metrics xs (m, n) and y (n,) without gaps, and the cell of every row, (n,). Out: `RankCorrelation` of each metric.
Resampling draws cells with all their rows, since twins and seeds of one cell are alike; all metrics share the draws,
so that a `difference` has an interval too. Intervals are percentiles of RESAMPLES draws; p is that of PERMUTATIONS of
the rows of y.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import SEED, Floats, TooFewRowsError
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.resampling import Counts

PERMUTATIONS = 9_999
FEWEST = 3
"""rows that a correlation needs"""


@dataclass(frozen=True)
class RankCorrelation:
    """A coefficient with its interval; nan where a metric or y is the same in all rows."""

    value: float
    low: float
    high: float
    p: float
    """two-sided, by permutation; nan where it was not asked for"""
    n: int
    cells: int
    resampled: Floats = field(repr=False)
    """(RESAMPLES,)"""

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, self.low, self.high)


def rank_correlations(xs: Floats, y: Floats, cells: ArrayLike) -> list[RankCorrelation]:
    """Spearman of each metric with y, by mid-ranks. Raises TooFewRowsError for fewer than FEWEST rows."""
    number, weights = _weights(y, cells)
    values, resampled = _spearman(np.ones((1, y.size), dtype=np.float32), xs, y)[:, 0], _spearman(weights, xs, y)
    return [
        RankCorrelation(float(value), *resampling.interval(drawn), float(p), y.size, number, drawn)
        for value, drawn, p in zip(values, resampled, permutation_p(xs, y), strict=True)
    ]


def partial_rank_correlations(xs: Floats, y: Floats, control: Floats, cells: ArrayLike) -> list[RankCorrelation]:
    """Spearman of each metric with y, given a control (n,): the first-order partial correlation of the mid-ranks.

    Without a p. Raises TooFewRowsError for fewer than FEWEST rows.
    """
    number, weights = _weights(y, cells)
    values = _partial(np.ones((1, y.size), dtype=np.float32), xs, y, control)[:, 0]
    resampled = _partial(weights, xs, y, control)
    return [
        RankCorrelation(float(value), *resampling.interval(drawn), float("nan"), y.size, number, drawn)
        for value, drawn in zip(values, resampled, strict=True)
    ]


def difference(one: RankCorrelation, other: RankCorrelation) -> Estimate:
    """The one less the other, which must be of the same rows."""
    return Estimate(one.value - other.value, *resampling.interval(one.resampled - other.resampled))


def permutation_p(xs: Floats, y: Floats) -> Floats:
    """The share of permutations of y (n,) in which |Spearman| with each of xs (m, n) is at least as large, the given
    order counted as one: (m,), nan for a metric or y that is the same in all rows."""
    ranks_x, ranks_y = (stats.rankdata(each, axis=-1) - (y.size + 1) / 2 for each in (xs, y))
    generator, least = np.random.default_rng(SEED), np.abs(ranks_x @ ranks_y) * (1 - 1e-12)
    found, step = np.ones(len(xs)), max(1, resampling.BLOCK // y.size)
    for start in range(0, PERMUTATIONS, step):
        block = np.tile(ranks_y, (min(step, PERMUTATIONS - start), 1))
        found += (np.abs(generator.permuted(block, axis=1) @ ranks_x.T) >= least).sum(axis=0)
    varies = ranks_x.any(axis=1) & ranks_y.any()
    return np.where(varies, found / (PERMUTATIONS + 1), np.nan)


def cell_resamples(cells: ArrayLike) -> tuple[int, Counts]:
    """The number of cells, and how often each row (n,) is drawn in each resample of the cells."""
    names, of_row = np.unique(np.asarray(cells, dtype=str), return_inverse=True)
    return names.size, resampling.resamples(names.size)[:, of_row]


def _weights(y: Floats, cells: ArrayLike) -> tuple[int, Counts]:
    if y.size < FEWEST:
        raise TooFewRowsError(f"{y.size or 'no'} rows, at least {FEWEST} are needed")
    return cell_resamples(cells)


def _spearman(weights: Counts, xs: Floats, y: Floats) -> Floats:
    """(m, resamples)."""
    return resampling.coefficients(resampling.resampled(resampling.spearman, weights, xs, y))


def _partial(weights: Counts, xs: Floats, y: Floats, control: Floats) -> Floats:
    """(m, resamples); nan where the control orders a metric or y completely."""
    with_y, with_control = _spearman(weights, np.vstack([xs, control]), y), _spearman(weights, xs, control)
    own, common = with_y[:-1], with_y[-1]
    left = (1 - with_control**2) * (1 - common**2)
    values = np.full(own.shape, np.nan)
    np.divide(own - with_control * common, np.sqrt(np.maximum(left, 0)), out=values, where=left > 1e-9)
    return np.clip(values, -1, 1)
