"""How good will a network be, told from an initial metric: a monotone curve, its errors, and an interval.

In: a metric and an error with one value per architecture (or several metrics, which least squares first joins
into one). Out: a `Prediction`, which gives the expected error of new architectures with a 90% interval, and says
how far it is off on architectures that it has not seen (10-fold cross-validation, repeated 5 times).

The curve is an isotonic regression (scipy), straight between the architectures and flat beyond them. The error need
not rise with the NLC below 1 to 2, but on the five parts of the preset paper-small a smoothing spline (scipy, its
smoothness chosen by generalized cross-validation) is no better out of fold: mean absolute errors of 7.1, 10.7, 8.3,
5.7, 16.4 percentage points against 7.0, 10.6, 8.0, 5.7, 16.0. So the curve that has nothing to set was chosen.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import isotonic_regression

from distnlc.analysis.statistics.correlations import SEED, Floats, usable_rows

FOLDS = 10
REPEATS = 5
COVERAGE = 0.90

Curve = Callable[[Floats], Floats]
"""columns (m, p) -> predicted errors (m,)"""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A fitted curve from one metric to the error, and how well it does on architectures that it has not seen."""

    n_in: int
    left_out: dict[str, int]
    """reason -> rows without a usable metric or error"""
    out_of_fold: Floats
    """(n,) every row's error as predicted without it, mean over the repeats"""
    mean_absolute_error: float
    """out of fold; a fraction, as the errors are"""
    absolute_removed: float
    """share of the mean absolute error of always predicting the median, the constant with the lowest one, that the
    curve removes; below 0 if worse"""
    log_x: bool
    curve: Curve
    fold_curves: list[Curve]
    """fitted without fold k, of the first repeat"""
    fold_of: NDArray[np.int64]
    """(n,) the fold of each row in the first repeat"""
    residuals: Floats
    """(n,) |error - prediction of the curve without the row's fold|"""

    @property
    def n(self) -> int:
        """Rows that the curve was fitted to."""
        return self.residuals.size

    def at(self, values: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """(predicted, low, high), each (m,), for values (m,) of the metric; nan where a value is nan.

        low and high are the CV+ interval of Barber, Candes, Ramdas and Tibshirani, "Predictive inference with the
        jackknife+", Annals of Statistics 49 (2021), theorem 4: for an architecture drawn like the study's, whatever
        the distribution and however wrong the curve, it holds the error with probability at least
        1 - 2 * 0.1 - sqrt(2/n), and in practice with about 90%. On average over architectures, that is: the interval
        is about as wide at a good NLC as at a bad one. Clipped to [0, 1], where every error lies; fewer than 9 rows
        tell nothing, and the interval is [0, 1].
        """
        columns = _columns(np.atleast_1d(np.asarray(values, dtype=np.float64)), self.log_x)
        without = np.array([curve(columns) for curve in self.fold_curves])[self.fold_of]  # (n, m)
        low = np.sort(without - self.residuals[:, None], axis=0)
        high = np.sort(without + self.residuals[:, None], axis=0)
        predicted = self.curve(columns)
        place = math.ceil(COVERAGE * (self.n + 1))
        if place > self.n:
            unknown = np.isnan(predicted)
            return predicted, np.where(unknown, np.nan, 0.0), np.where(unknown, np.nan, 1.0)
        return predicted, np.clip(low[self.n - place], 0, 1), np.clip(high[place - 1], 0, 1)


def fit(x: ArrayLike, y: ArrayLike, *, log_x: bool) -> Prediction:
    """The curve from the metric x, (n,), or joined metrics, (n, p), to the error y, (n,).

    log_x: metrics are taken by their logarithms: where they are joined, and where the curve runs straight between
    two architectures. Rows without a usable value are left out and counted.
    Raises ValueError if the shapes differ or fewer than 3 rows are left.
    """
    given, errors = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if given.ndim not in (1, 2) or errors.shape != given.shape[:1]:
        raise ValueError(f"fit: x must be (n,) or (n, p) and y (n,), but got {given.shape} and {errors.shape}")
    # A joined row is usable if all its metrics are: an unusable one makes the stand-in nan.
    usable = np.isfinite(given) & ((given > 0) | (not log_x))
    stand_in = given if given.ndim == 1 else np.where(usable.all(axis=1), 1.0, np.nan)
    kept, left_out = usable_rows(stand_in, errors, log_x=log_x, log_y=False, names=("the metric", "the error"))
    if kept.sum() < 3:
        raise ValueError(f"fit: expected at least 3 rows with metric and error, found {kept.sum()} of {errors.size}")
    columns, errors = _columns(given[kept], log_x), errors[kept]
    n = errors.size

    guesses, medians = np.empty((REPEATS, n)), np.empty((REPEATS, n))
    fold_curves: list[Curve] = []
    for repeat, fold_of in enumerate(folds(n)):
        for fold in range(fold_of.max() + 1):
            own = fold_of == fold
            curve = fit_curve(columns[~own], errors[~own])
            guesses[repeat, own], medians[repeat, own] = curve(columns[own]), np.median(errors[~own])
            if repeat == 0:
                fold_curves.append(curve)
    off, off_median = np.abs(guesses - errors), np.abs(medians - errors)
    return Prediction(
        n_in=given.shape[0],
        left_out=left_out,
        out_of_fold=guesses.mean(axis=0),
        mean_absolute_error=float(off.mean()),
        absolute_removed=float(1 - off.mean() / off_median.mean()) if off_median.any() else float("nan"),
        log_x=log_x,
        curve=fit_curve(columns, errors),
        fold_curves=fold_curves,
        fold_of=next(folds(n)),
        residuals=off[0],
    )


def folds(n: int) -> Iterator[NDArray[np.int64]]:
    """For each repeat the fold of every row, (n,), sizes as equal as can be; the same for all metrics of n rows."""
    generator = np.random.default_rng(SEED)
    for _ in range(REPEATS):
        yield generator.permutation(n) % min(FOLDS, n)


def join(columns: Floats, y: Floats) -> Curve:
    """Least squares from columns (n, p) and a constant to y (n,); a function of columns (m, p)."""
    slopes, *_ = np.linalg.lstsq(_with_constant(columns), y)
    return lambda new: _with_constant(new) @ slopes


def fit_curve(columns: Floats, y: Floats) -> Curve:
    """Isotonic regression of y (n,) on the one column, rising or falling as their rank correlation; several
    columns (n, p) are joined by least squares first."""
    score = join(columns, y) if columns.shape[1] > 1 else _directed(columns[:, 0], y)
    # Equal values of the metric get one prediction, the mean of their errors.
    places, row, counts = np.unique(score(columns), return_inverse=True, return_counts=True)
    levels = isotonic_regression(np.bincount(row, y) / counts, weights=counts).x
    return lambda new: np.interp(score(new), places, levels)


def _directed(x: Floats, y: Floats) -> Curve:
    """The one column itself, or its negative if x (n,) and y (n,) are negatively rank-correlated."""
    ranks = stats.rankdata(x)
    sign = 1.0 if np.dot(ranks - ranks.mean(), stats.rankdata(y)) >= 0 else -1.0
    return lambda new: sign * new[:, 0]


def _columns(values: Floats, log_x: bool) -> Floats:
    """(m,) or (m, p) -> (m, p), by logarithms where asked; zero becomes -inf, the lowest of all."""
    columns = values.reshape(len(values), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(columns) if log_x else columns


def _with_constant(columns: Floats) -> Floats:
    return np.column_stack([np.ones(len(columns)), columns])
