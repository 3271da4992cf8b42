"""Bootstrap of many correlations at once: a resample of n rows is how often each row was drawn.

In: xs of shape (m, n), several metrics with one value per row, and y of shape (n,). Out: for each metric and
resample a correlation. Every coefficient is a triple (c, vx, vy) with the value c / sqrt(vx vy), whose parts can be
added up over strata, being in the units of x and y; with weights w (the counts), total N = sum w:

    Pearson   c = sum w (x - mean)(y - mean), vx and vy alike
    partial   the same after least squares on controls was subtracted (Schur complement of the covariance matrix)
    Spearman  Pearson of the mid-ranks; a row's rank minus the mean rank is (drawn rows below it - those above it) / 2
    Kendall   tau-b: c = w' (X * Y) w with X_ij = sign(x_i - x_j), vx = N^2 - sum over groups of equal x (number)^2

All coefficients and metrics share the resamples, so that a difference of two coefficients has an interval too; they
are those of `correlations.bootstrap_interval`. Matrix products do the work, in blocks: memory stays bounded.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from distnlc.analysis.statistics.correlations import LEVEL, RESAMPLES, SEED, Floats

Triple = tuple[Floats, Floats, Floats]
"""c, vx and vy, each (m, resamples)"""
Counts = NDArray[np.float32]
"""(resamples, n) how often each row was drawn. Ranks and signs are summed in single precision, which is fast, and
exact for whole numbers below 2^24; what they are multiplied with and added up to is in double precision again."""
Moments = Callable[[Counts, Floats, Floats], Triple]
"""weights (resamples, n), xs (m, n), y (n,) -> the triple"""

TAILS = ((1 - LEVEL) / 2, 1 - (1 - LEVEL) / 2)
"""quantiles that are the ends of an interval"""
BLOCK = 2_000_000
"""numbers in the largest intermediate array"""
COLUMNS = 256
"""rows that Kendall's tau compares at once with those before them"""


def resamples(n: int, seed: int = SEED) -> Counts:
    """How often each of n rows was drawn, (RESAMPLES, n); every row of it sums to n."""
    generator = np.random.default_rng(seed)
    counts = np.empty((RESAMPLES, n), dtype=np.float32)
    step = max(1, BLOCK // n)
    for start in range(0, RESAMPLES, step):
        block = counts[start : start + step]
        drawn = generator.integers(n, size=block.shape) + n * np.arange(len(block))[:, None]
        block[:] = np.bincount(drawn.ravel(), minlength=block.size).reshape(block.shape)
    return counts


def resampled(moments: Moments, weights: Counts, xs: Floats, y: Floats) -> Triple:
    """The triple for all resamples, a block of them at a time."""
    step = max(1, BLOCK // y.size)
    blocks = [moments(weights[start : start + step], xs, y) for start in range(0, len(weights), step)]
    c, vx, vy = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
    return c, vx, vy


def coefficients(triple: Triple) -> Floats:
    """c / sqrt(vx vy); nan where x or y does not vary in a resample."""
    c, vx, vy = triple
    scale = np.sqrt(np.maximum(vx, 0) * np.maximum(vy, 0))
    values = np.full(np.broadcast_shapes(c.shape, scale.shape), np.nan)
    np.divide(c, scale, out=values, where=scale > 0)
    return np.clip(values, -1, 1)


def interval(values: Floats) -> tuple[float, float]:
    """Percentile interval at LEVEL over the resamples (b,) that have the coefficient; nan if none has."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, TAILS)
    return float(low), float(high)


def pearson(weights: Counts, xs: Floats, y: Floats) -> Triple:
    """Triples of Pearson's correlation."""
    return partial_on(np.empty((0, y.size)))(weights, xs, y)


def partial_on(controls: Floats) -> Moments:
    """Triples of Pearson's correlation of the residuals of x and y on controls (k, n) and a constant."""

    def moments(weights: Counts, xs: Floats, y: Floats) -> Triple:
        standard_y, spread_y = _standard(y)
        fixed = np.array([*(_standard(row)[0] for row in controls), standard_y])
        covariance = _covariance(weights, fixed, fixed)  # (b, k + 1, k + 1)
        inner, to_y, variance_y = covariance[:, :-1, :-1], covariance[:, :-1, -1], covariance[:, -1, -1]
        inverse = np.linalg.pinv(inner, rcond=1e-10, hermitian=True)
        standard, spread_x = (np.array(parts) for parts in zip(*map(_standard, xs), strict=True))
        to_x = _covariance(weights, standard, fixed)  # (b, m, k + 1)
        on_controls = to_x[:, :, :-1] @ inverse  # (b, m, k)
        c = to_x[:, :, -1] - np.einsum("bmk,bk->bm", on_controls, to_y)
        variance_x = weights @ (standard**2).T - (weights @ standard.T) ** 2 / _totals(weights)[:, None]
        vx = variance_x - np.einsum("bmk,bmk->bm", on_controls, to_x[:, :, :-1])
        vy = variance_y - np.einsum("bk,bkl,bl->b", to_y, inverse, to_y)
        # What least squares explains to all digits but the last few has no remainder to correlate.
        vx, vy = np.where(vx > 1e-9 * variance_x, vx, 0), np.where(vy > 1e-9 * variance_y, vy, 0)
        vx[variance_x < 1e-9], vy[variance_y < 1e-9] = 0, 0
        return (c * spread_x * spread_y).T, (vx * spread_x**2).T, (vy * spread_y**2)[None]

    return moments


def spearman(weights: Counts, xs: Floats, y: Floats) -> Triple:
    """Triples of mid-ranks as fractions of the number of rows, so that strata count by their size when added up."""
    ranks_y = _centred_ranks(weights, y)
    vy = _dots(ranks_y, ranks_y * weights)[None]
    ranks_y *= weights
    c, vx = np.empty((len(xs), len(weights))), np.empty((len(xs), len(weights)))
    for row, x in enumerate(xs):
        ranks_x = _centred_ranks(weights, x)
        c[row] = _dots(ranks_x, ranks_y)
        vx[row] = _dots(ranks_x, ranks_x * weights)
    size = (2 * _totals(weights)) ** 2
    return c / size, vx / size, vy / size


def kendall(weights: Counts, xs: Floats, y: Floats) -> Triple:
    """Triples of tau-b. Copies of one row tie with each other in x and in y.

    Two rows are compared once, in the order that they have: X * Y is symmetric, so that what lies before a block of
    columns counts twice.
    """
    c = np.zeros((len(xs), len(weights)))
    for start in range(0, y.size, COLUMNS):
        columns = slice(start, start + COLUMNS)
        pairs, counts = weights[:, : columns.stop].copy(), weights[:, columns]
        pairs[:, :start] *= 2
        signs_y = _signs(y, columns)
        for row, x in enumerate(xs):
            c[row] += _dots(pairs @ (signs_y * _signs(x, columns)), counts)
    return c, np.array([_untied_pairs(weights, x) for x in xs]), _untied_pairs(weights, y)[None]


def _totals(weights: Counts) -> Floats:
    return weights.sum(axis=1, dtype=np.float64)


def _dots(a: Counts, b: Counts) -> Floats:
    """(resamples,) row by row, the sum in double precision."""
    return np.einsum("bn,bn->b", a, b, dtype=np.float64)


def _covariance(counts: Counts, a: Floats, b: Floats) -> NDArray[np.float64]:
    """(resamples, len(a), len(b)) sums of products about the resample's means, for a and b of shape (., n)."""
    weights = counts.astype(np.float64)
    products = weights @ (a[:, None] * b[None]).reshape(-1, a.shape[1]).T
    means = (weights @ a.T)[:, :, None] * (weights @ b.T)[:, None]
    return products.reshape(means.shape) - means / weights.sum(axis=1)[:, None, None]


def _standard(values: Floats) -> tuple[Floats, float]:
    """Mean 0 and variance 1, so that sums of squares lose no digits, and what one was; zeros for a constant."""
    centred = values - values.mean()
    spread = float(centred.std())
    if spread <= 1e-12 * np.abs(values).max():
        return np.zeros_like(values), 0.0
    return centred / spread, spread


def _signs(x: Floats, columns: slice) -> NDArray[np.float32]:
    """(rows, columns) whether the column's row is above (1), below (-1) or level with each row; rows end where the
    columns do, since later ones are compared when it is their turn."""
    return np.sign(x[columns] - x[: columns.stop, None]).astype(np.float32)


def _centred_ranks(weights: Counts, x: Floats) -> Counts:
    """(resamples, n) the drawn rows below each row minus those above it: twice its mid-rank minus the mean rank."""
    order, starts = _groups(x)
    counts = np.add.reduceat(weights.take(order, axis=1), starts, axis=1)
    ranks = counts.cumsum(axis=1, dtype=np.float32)
    total = ranks[:, -1:].copy()
    ranks *= 2
    ranks -= counts
    ranks -= total
    group = np.empty(x.size, dtype=np.int64)
    group[order] = np.repeat(np.arange(starts.size), np.diff(starts, append=x.size))
    return ranks.take(group, axis=1)


def _groups(x: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of x (n,), and where in it groups of equal values begin."""
    order = np.argsort(x, kind="stable")
    return order, np.flatnonzero(np.diff(x[order], prepend=-np.inf) != 0)


def _untied_pairs(weights: Counts, x: Floats) -> Floats:
    """(resamples,) ordered pairs of drawn rows that differ in x."""
    order, starts = _groups(x)
    tied = np.add.reduceat(weights[:, order], starts, axis=1)
    return _totals(weights) ** 2 - _dots(tied, tied)
