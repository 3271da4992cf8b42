"""Several metrics that least squares joins to predict an error: how well that goes, with every choice made anew.

In: columns (n, p), the error y (n,). Out: the prediction of every row's error by a fit without the row's fold (the
folds of `prediction.folds`), Pearson's and Spearman's correlation of prediction and error, their p and resamples.
The predictions come from y, so that they must not be tested and resampled as a metric is that was measured beforehand:
of studies in which y is pure chance, a third would then have p < 0.05 (60 rows, three columns; out of fold, chance
predicts backwards).

    p          permutations of y, each with its own fits; the share in which prediction and error agree at least as
               well. One-sided: the fit chose the signs, and only a prediction that rises with the error is one. For
               given columns the predictions are linear in y, so that all permutations are one matrix product.
    resamples  rows drawn with replacement, each resample with its own fits; the copies of a row share its fold, since
               a copy in the fit would give away the error that is to be predicted.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from distnlc.analysis.statistics.correlations import SEED, Floats
from distnlc.analysis.statistics.prediction import REPEATS, folds
from distnlc.analysis.statistics.resampling import Counts

PERMUTATIONS = 999
REFITS = 500
"""resamples; each takes as long as several of metrics that need no fit"""


def prediction_matrix(columns: Floats) -> Floats:
    """(n, n) whose product with any y (n,) holds the prediction of each row without its fold, mean over the repeats."""
    design, matrix = _design(columns), np.zeros((len(columns), len(columns)))
    for fold_of in folds(len(columns)):
        owned = np.arange(fold_of.max() + 1)[:, None] == fold_of
        squares = np.array([design[~own].T @ design[~own] for own in owned])
        inverses = np.linalg.pinv(squares, rcond=1e-12, hermitian=True)
        for own, inverse in zip(owned, inverses, strict=True):
            matrix[np.ix_(own, ~own)] += design[own] @ inverse @ design[~own].T / REPEATS
    return matrix


def permutation_p(matrix: Floats, y: Floats) -> tuple[float, float]:
    """The p-values of Pearson's and Spearman's correlation of matrix @ y with y; nan where y or it does not vary."""
    return share_at_least(y[permutations(y.size)] @ matrix.T, y)


def permutations(n: int) -> NDArray[np.int64]:
    """(PERMUTATIONS + 1, n) orders of n rows, the given one first."""
    order = np.tile(np.arange(n), (PERMUTATIONS + 1, 1))
    order[1:] = np.random.default_rng(SEED).permuted(order[1:], axis=1)
    return order


def share_at_least(predicted: Floats, y: Floats) -> tuple[float, float]:
    """The p of Pearson's and Spearman's correlation of predictions with the permutations of y (n,) that they are of.

    predicted: (PERMUTATIONS + 1, n), in the order of `permutations`. The p is the share in which the two agree at least
    as well as in the first; nan where one of them does not vary in that.
    """
    orders, ranks = permutations(y.size), stats.rankdata(y)
    found = _pearson(predicted, y[orders]), _pearson(stats.rankdata(predicted, axis=1), ranks[orders])
    # Permutations that change nothing count, whatever the last digit of their sums.
    p = [float(np.mean(values >= values[0] - 1e-12)) if np.isfinite(values[0]) else float("nan") for values in found]
    return p[0], p[1]


def resampled(columns: Floats, y: Floats, weights: Counts) -> tuple[Floats, Floats]:
    """Pearson's and Spearman's correlation of prediction and y in the first REFITS resamples, each (REFITS,).

    weights: (resamples, n) how often each row was drawn.
    """
    weights = weights[:REFITS]
    design, drawn = _design(columns), weights.T.astype(np.float64)
    products, predicted = _products(design, y), np.zeros(drawn.shape)
    whole = products.T @ drawn
    for fold_of in folds(y.size):
        for fold in range(fold_of.max() + 1):
            own = fold_of == fold
            without = whole - products[own].T @ drawn[own]
            predicted[own] += design[own] @ _solved(without) / REPEATS
    return of_copies(predicted.T, y, weights)


def of_copies(predicted: Floats, y: Floats, weights: Counts) -> tuple[Floats, Floats]:
    """Pearson's and Spearman's correlation of predictions (b, n) and y (n,), rows as often as weights (b, n) say."""
    order = np.tile(np.arange(y.size), len(weights))
    rows = np.repeat(order, weights.ravel().astype(np.int64)).reshape(weights.shape)
    return correlations(np.take_along_axis(predicted, rows, axis=1), y[rows])


def least_squares(design: Floats, y: Floats, weights: Counts) -> Floats:
    """Slopes (resamples, q) of y (n,) on the columns of design (n, q), for each row of weights (resamples, n).

    A column that the earlier ones explain in a resample gets the slope 0 there.
    """
    return _solved(_products(design, y).T @ weights.T.astype(np.float64)).T


def _products(design: Floats, y: Floats) -> Floats:
    """(n, q * (q + 1)) of each row what it adds to the normal equations, (q, q) beside (q, 1)."""
    products: Floats = design[:, :, None] * np.column_stack([design, y])[:, None]
    return products.reshape(len(y), -1)


def _solved(equations: Floats) -> Floats:
    """The slopes (q, resamples) of normal equations (q * (q + 1), resamples), by Gauss and Jordan for all at once."""
    count = math.isqrt(len(equations))
    left = equations.reshape(count, count + 1, -1).copy()
    sizes = left[range(count), range(count)]
    for place in range(count):
        row = np.zeros_like(left[place])
        np.divide(left[place], left[place, place], out=row, where=left[place, place] > 1e-9 * sizes[place])
        left -= left[:, place, None] * row
        left[place] = row
    return left[:, -1]


def correlations(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Pearson's and Spearman's correlation of every row of x with that of y, both (b, n); nan where one is constant."""
    return _pearson(x, y), _pearson(stats.rankdata(x, axis=1), stats.rankdata(y, axis=1))


def _pearson(x: Floats, y: Floats) -> NDArray[np.float64]:
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.einsum("bn,bn->b", x, x) * np.einsum("bn,bn->b", y, y))
    values = np.full(len(x), np.nan)
    np.divide(np.einsum("bn,bn->b", x, y), norm, out=values, where=norm > 1e-12)
    return np.clip(values, -1, 1)


def _design(columns: Floats) -> Floats:
    """A constant, and the columns (n, p) with mean 0 and variance 1, so that sums of squares lose no digits."""
    spread = columns.std(axis=0)
    standard = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.column_stack([np.ones(len(columns)), standard])
