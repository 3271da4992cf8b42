"""Models that choose by the errors themselves, and how well they predict with every choice made anew.

In: columns (n, p), several metrics with one value per row in the scale in which they are correlated, and the error y
(n,). Out: predictions of rows by fits without them, for permutations of y and for resamples of the rows. A `Learner`
gets correlations alone: of the columns with each other and with y. Columns and y being standardized, its slopes are in
standard deviations:

    ridge   all columns, sizes of slopes penalized; the penalty is chosen by generalized cross-validation (Golub, Heath
            and Wahba 1979) on the rows that it learns from alone
    pair    the two columns that explain most, of the pairs allowed: all pairs have as many slopes, so that the least
            squares that are left decide

What was chosen with the errors in view must not be tested as if it were given: permutations and resamples learn, and
choose, anew. The copies of a row in a resample share its fold.

Ranks instead of logarithms, tried on the five parts of the preset paper-small, predict worse (mean absolute errors of
6.8, 9.7, 10.3, 7.6, 18.1 percentage points by ridge, against 5.2, 9.1, 4.8, 5.4, 6.1): far values, such as those of the
output bias, tell far errors.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.prediction import Curve, Join, folds
from distnlc.analysis.statistics.refitting import permutations
from distnlc.analysis.statistics.resampling import Counts

PENALTIES: Floats = np.logspace(-3, 2, 16)
"""of the mean square, the columns standardized: from nearly none to slopes of a hundredth"""
RELEARNED = 200
"""resamples; each learns ten times"""

NO_FOLD = -1
"""a fold that is left out of no fit"""

Learner = Callable[[Floats, Floats, Floats], Floats]
"""correlations of the columns (k or 1, p, p) and with the error (k, p), different rows (k,) -> slopes (k, p)"""


def ridge(among: Floats, with_error: Floats, rows: Floats) -> Floats:
    """The slopes of least squares with the penalty that generalized cross-validation prefers."""
    sizes, axes = np.linalg.eigh(among)
    sizes = np.maximum(sizes, 0)
    along = np.einsum("kpq,kp->kq", np.broadcast_to(axes, (len(with_error), *axes.shape[1:])), with_error)
    penalized = sizes[:, :, None] + PENALTIES  # (k or 1, p, penalties)
    # what slopes a / (s + l) leave of 1 is 1 - 2 a a / (s + l) + s (a / (s + l))^2, summed over the axes
    left = 1 - ((along**2)[:, None] @ ((penalized + PENALTIES) / penalized**2))[:, 0]
    free = 1 - (1 + (sizes[:, :, None] / penalized).sum(axis=1)) / rows[:, None]
    score = np.where(free > 0, left / np.maximum(free, 1e-9) ** 2, np.inf)
    best = score.argmin(axis=1)[:, None]
    chosen = along / (sizes + PENALTIES[best]) * np.isfinite(np.take_along_axis(score, best, axis=1))
    turned: Floats = np.einsum("kpq,kq->kp", np.broadcast_to(axes, (len(chosen), *axes.shape[1:])), chosen)
    return turned


def pair_of(allowed: NDArray[np.bool_]) -> Learner:
    """The best two columns among the pairs (p, p) that are allowed; of them only i < j count."""
    first, second = np.nonzero(np.triu(allowed, 1))

    def pair(among: Floats, with_error: Floats, _: Floats) -> Floats:
        one, other, both = with_error[:, first], with_error[:, second], among[:, first, second]
        rest = np.where(both**2 < 1 - 1e-9, 1 - both**2, np.inf)
        slopes = (one - both * other) / rest, (other - both * one) / rest
        best = (slopes[0] * one + slopes[1] * other).argmax(axis=1)
        each, found = np.arange(len(best)), np.zeros_like(with_error)
        for place, values in zip((first, second), slopes, strict=True):
            found[each, place[best]] = values[each, best]
        return found

    return pair


@dataclass(frozen=True)
class Learned:
    """Predictions of every row by what was learned without its fold."""

    permuted: Floats
    """(PERMUTATIONS + 1, n) of each of `refitting.permutations` of the error"""
    resampled: Floats
    """(RELEARNED, n)"""
    used: NDArray[np.bool_]
    """(p,) the columns that get a slope, learned from all rows"""
    used_again: float
    """share of the resamples in which the same columns get one"""


def learn(columns: Floats, y: Floats, weights: Counts, learner: Learner) -> Learned:
    """All predictions of a learner. weights: (resamples, n) how often each row was drawn."""
    standard, own_rows = _standard(columns, columns), next(folds(y.size))
    shuffled, drawn = y[permutations(y.size)], weights[:RELEARNED].astype(np.float64)
    permuted, resampled = np.empty(shuffled.shape), np.empty(drawn.shape)
    for own in (own_rows == fold for fold in range(own_rows.max() + 1)):
        permuted[:, own] = _fit(standard[~own], shuffled[:, ~own], learner).predict(standard[own])
    for own, moments in _resampled_moments(standard, y, drawn, own_rows):
        resampled[:, own] = _solved(moments, learner).predict(standard[own])
    used = _fit(standard, y[None], learner).slopes[0] != 0
    whole = next(_resampled_moments(standard, y, drawn, np.full(y.size, NO_FOLD)))[1]
    again = ((_solved(whole, learner).slopes != 0) == used).all(axis=1)
    return Learned(permuted, resampled, used, float(again.mean()))


def joined_by(learner: Learner) -> Join:
    """The learner as a `Join`: it learns from columns (n, p) and y (n,), and scores other columns (m, p)."""

    def joined(columns: Floats, y: Floats) -> Curve:
        fitted = _fit(_standard(columns, columns), y[None], learner)
        return lambda new: fitted.predict(_standard(new, columns))[0]

    return joined


def _standard(values: Floats, among: Floats) -> Floats:
    """Values (m, p) in standard deviations of the columns of `among` (n, p), from their means."""
    spread = among.std(axis=0)
    standard: Floats = (values - among.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return standard


@dataclass(frozen=True)
class _Moments:
    """The numbers of different rows (k,), means and covariances of k sets of rows; with k = 1, one set for all."""

    rows: Floats
    mean: Floats
    covariance: Floats
    mean_y: Floats
    covariance_y: Floats
    variance_y: Floats


@dataclass(frozen=True)
class _Fitted:
    slopes: Floats
    """(k, p) in the columns' own units"""
    mean: Floats
    mean_y: Floats

    def predict(self, columns: Floats) -> Floats:
        """(k, m) of columns (m, p)."""
        predicted: Floats = (self.mean_y - (self.slopes * self.mean).sum(axis=1))[:, None] + self.slopes @ columns.T
        return predicted


def _fit(columns: Floats, ys: Floats, learner: Learner) -> _Fitted:
    """The fits to columns (n, p) and each of ys (k, n)."""
    n, mean, mean_y = len(columns), columns.mean(axis=0), ys.mean(axis=1)
    centred, ys = columns - mean, ys - mean_y[:, None]
    return _solved(
        _Moments(
            rows=np.full(len(ys), float(n)),
            mean=mean[None],
            covariance=(centred.T @ centred / n)[None],
            mean_y=mean_y,
            covariance_y=ys @ centred / n,
            variance_y=(ys**2).mean(axis=1),
        ),
        learner,
    )


def _resampled_moments(
    columns: Floats, y: Floats, drawn: Floats, fold_of: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.bool_], _Moments]]:
    """For each fold its rows, and the moments of the others, each row (n,) drawn as often as `drawn` (k, n) says; of
    standardized columns, so that sums of squares lose no digits."""
    together = np.column_stack([np.ones(len(y)), columns, y - y.mean()])
    size = together.shape[1]
    products = (together[:, :, None] * together[:, None]).reshape(len(y), -1)
    whole = drawn @ products
    for fold in np.unique(fold_of):
        own = (fold_of == fold) & (fold != NO_FOLD)
        sums = (whole - drawn[:, own] @ products[own]).reshape(-1, size, size)
        count = np.maximum(sums[:, 0, 0], 1)
        means = sums[:, 0] / count[:, None]
        covariance = sums / count[:, None, None] - means[:, :, None] * means[:, None]
        yield (
            own,
            _Moments(
                rows=np.maximum((drawn[:, ~own] > 0).sum(axis=1), 1).astype(np.float64),
                mean=means[:, 1:-1],
                covariance=covariance[:, 1:-1, 1:-1],
                mean_y=means[:, -1] + y.mean(),
                covariance_y=covariance[:, 1:-1, -1],
                variance_y=covariance[:, -1, -1],
            ),
        )


def _solved(of: _Moments, learner: Learner) -> _Fitted:
    # A resample in which a column does not vary has a variance of 0 but for rounding, of either sign.
    spread = np.sqrt(np.maximum(np.diagonal(of.covariance, axis1=1, axis2=2), 0))
    scale = np.where(spread > 1e-9, spread, np.inf)  # a column without variation correlates with nothing
    scale_y = np.sqrt(np.maximum(of.variance_y, 1e-300))
    among = of.covariance / (scale[:, :, None] * scale[:, None])
    slopes = learner(among, of.covariance_y / (scale * scale_y[:, None]), of.rows)
    return _Fitted(slopes * scale_y[:, None] / scale, of.mean, of.mean_y)
