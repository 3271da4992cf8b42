"""How good will a network be, told from an initial metric: a monotone curve, its errors, and an interval.

In: a metric and an error with one value per architecture (or several metrics, which least squares or another model
first joins into one). Out: a `Prediction`, which gives the expected error of new architectures with a 90% interval, and
says how far it is off on architectures that it has not seen (10-fold cross-validation, repeated 5 times).

The curve is an isotonic regression (scipy), straight between the architectures and flat beyond them. The error need
not rise with the NLC below 1 to 2, but on the five parts of the preset paper-small a smoothing spline (scipy, its
smoothness chosen by generalized cross-validation) is no better out of fold: mean absolute errors of 7.1, 10.7, 8.3,
5.7, 16.4 percentage points against 7.0, 10.6, 8.0, 5.7, 16.0. So the curve that has nothing to set was chosen. Joined
metrics are scored on the rows that they were joined on, where they fit too well; scores of rows that the join has not
seen, or the join's own prediction without a curve, were tried and predict new rows no better (by ridge regression on
four of these parts 5.6 to 10.3 and 6.1 to 11.8 points in place of 4.9 to 9.1; on the smallest, of 30 networks, 4.9 and
7.9 in place of 6.1).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import SEED, Floats, usable_rows

FOLDS = 10
REPEATS = 5
COVERAGE = 0.90
FAR = 0.1
"""of an error, a fraction: a prediction that is off by more is called far off"""

Curve = Callable[[Floats], Floats]
"""columns (m, p) -> predicted errors (m,)"""
Join = Callable[[Floats, Floats], Curve]
"""columns (n, p) and errors (n,) -> a score of columns that rises with the error"""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A fitted curve from one metric to the error, and how well it does on architectures that it has not seen."""

    n_in: int
    left_out: dict[str, int]
    """reason -> rows without a usable metric or error"""
    out_of_fold: Floats
    """(n,) every row's error as predicted without it, mean over the repeats"""
    off: Floats
    """(n,) by which these predictions are off, mean over the repeats"""
    mean_absolute_error: float
    """out of fold; a fraction, as the errors are"""
    far_off: float
    """share of the predictions out of fold that are off by more than FAR"""
    farthest_off: float
    """by which the worst of them is off"""
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
    fitted: Floats
    """(n, p) what the curve was fitted to"""

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
        return self._at(_columns(np.atleast_1d(np.asarray(values, dtype=np.float64)), self.log_x))

    @property
    def width(self) -> float:
        """The median width of that interval over the architectures themselves."""
        _, low, high = self._at(self.fitted)
        return float(np.median(high - low))

    def _at(self, columns: Floats) -> tuple[Floats, Floats, Floats]:
        without = np.array([curve(columns) for curve in self.fold_curves])[self.fold_of]  # (n, m)
        low = np.sort(without - self.residuals[:, None], axis=0)
        high = np.sort(without + self.residuals[:, None], axis=0)
        predicted = self.curve(columns)
        place = math.ceil(COVERAGE * (self.n + 1))
        if place > self.n:
            unknown = np.isnan(predicted)
            return predicted, np.where(unknown, np.nan, 0.0), np.where(unknown, np.nan, 1.0)
        return predicted, np.clip(low[self.n - place], 0, 1), np.clip(high[place - 1], 0, 1)


def fit(x: ArrayLike, y: ArrayLike, *, log_x: bool, join: Join | None = None) -> Prediction:
    """The curve from the metric x, (n,), or joined metrics, (n, p), to the error y, (n,).

    log_x: metrics are taken by their logarithms: where they are joined, and where the curve runs straight between
    two architectures. Rows without a usable value are left out and counted. join: how several metrics are joined,
    by default by least squares.
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

    owned = np.array([fold_of == fold for fold_of in folds(n) for fold in range(fold_of.max() + 1)])
    parts = np.vstack([~owned, np.ones((1, n), dtype=bool)])
    *fold_curves, curve = _curves(columns, errors, parts, join or least_squares)
    guesses, medians = np.empty((REPEATS, n)), np.empty((REPEATS, n))
    rising, count = np.argsort(errors, kind="stable"), len(owned) // REPEATS
    for place, (own, fold_curve) in enumerate(zip(owned, fold_curves, strict=True)):
        others = errors[rising[~own[rising]]]  # in order, so that their median costs nothing
        guesses[place // count, own] = fold_curve(columns[own])
        medians[place // count, own] = (others[(others.size - 1) // 2] + others[others.size // 2]) / 2
    off, off_median = np.abs(guesses - errors), np.abs(medians - errors)
    return Prediction(
        n_in=given.shape[0],
        left_out=left_out,
        out_of_fold=guesses.mean(axis=0),
        off=off.mean(axis=0),
        mean_absolute_error=float(off.mean()),
        far_off=float((off > FAR).mean()),
        farthest_off=float(off.max()),
        absolute_removed=float(1 - off.mean() / off_median.mean()) if off_median.any() else float("nan"),
        log_x=log_x,
        curve=curve,
        fold_curves=fold_curves[:count],
        fold_of=next(folds(n)),
        residuals=off[0],
        fitted=columns,
    )


def folds(n: int) -> Iterator[NDArray[np.int64]]:
    """For each repeat the fold of every row, (n,), sizes as equal as can be; the same for all metrics of n rows."""
    generator = np.random.default_rng(SEED)
    for _ in range(REPEATS):
        yield generator.permutation(n) % min(FOLDS, n)


def least_squares(columns: Floats, y: Floats) -> Curve:
    """Least squares from columns (n, p) and a constant to y (n,); a function of columns (m, p)."""
    slopes, *_ = np.linalg.lstsq(_with_constant(columns), y)
    return lambda new: _with_constant(new) @ slopes


def _curves(columns: Floats, y: Floats, parts: NDArray[np.bool_], join: Join) -> list[Curve]:
    """For each part (k, n) of the rows the isotonic regression of y (n,) on the one column, rising or falling as their
    rank correlation; several columns (n, p) are joined first."""
    if columns.shape[1] > 1:
        return [_isotonic(join(columns[part], y[part]), columns[part], y[part]) for part in parts]
    directions, *_ = resampling.spearman(parts.astype(np.float32), columns.T, y)
    scores: tuple[Curve, Curve] = (lambda new: new[:, 0]), (lambda new: -new[:, 0])
    return [
        _isotonic(scores[int(direction < 0)], columns[part], y[part])
        for part, direction in zip(parts, directions[0], strict=True)
    ]


def _isotonic(score: Curve, columns: Floats, y: Floats) -> Curve:
    scores = score(columns)
    order = np.argsort(scores, kind="stable")
    places, errors = scores[order], y[order]
    # Equal values of the metric get one prediction, the mean of their errors.
    starts = np.flatnonzero(np.concatenate([[True], places[1:] > places[:-1]]))
    counts = np.diff(starts, append=y.size)
    places, levels = places[starts], isotonic_regression(np.add.reduceat(errors, starts) / counts, weights=counts).x
    return lambda new: np.interp(score(new), places, levels)


def _columns(values: Floats, log_x: bool) -> Floats:
    """(m,) or (m, p) -> (m, p), by logarithms where asked; zero becomes -inf, the lowest of all."""
    columns = values.reshape(len(values), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(columns) if log_x else columns


def _with_constant(columns: Floats) -> Floats:
    return np.column_stack([np.ones(len(columns)), columns])
