"""Predictions are monotone, agree with a slow obvious version, and their intervals hold as often as promised."""

import math

import numpy as np
import pytest

from distnlc.analysis.statistics.prediction import FOLDS, fit, folds


def study(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A metric over many decades and an error in [0, 1] that rises with its logarithm, noisier where it is large."""
    generator = np.random.default_rng(seed)
    level = generator.uniform(-1, 5, size=n)
    error = 0.1 + 0.6 / (1 + np.exp(2 - level)) + generator.normal(size=n) * (0.02 + 0.02 * np.abs(level))
    return 10**level, np.clip(error, 0, 1)


def slow_isotonic(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """The min-max formula of rising isotonic regression, straight between the points and flat beyond them."""
    places = np.unique(x)

    def mean(low: float, high: float) -> float:
        return float(y[(x >= low) & (x <= high)].mean())

    levels = [max(min(mean(a, b) for b in places if b >= p) for a in places if a <= p) for p in places]
    return float(np.interp(at, places, levels))


@pytest.mark.slow
def test_agrees_with_the_slow_obvious_version() -> None:
    x, y = study(20)
    x[5] = x[6]  # a tie
    found = fit(x, y, log_x=True)
    new = np.array([0.01, 0.5, 3.0, x[5], 400.0, 1e9])
    assert found.curve(np.log(new)[:, None]) == pytest.approx([slow_isotonic(np.log(x), y, v) for v in np.log(new)])

    guesses, medians = [], []
    for fold_of in folds(20):
        without = [fold_of != fold_of[i] for i in range(20)]
        guesses.append([slow_isotonic(np.log(x[w]), y[w], np.log(x[i])) for i, w in enumerate(without)])
        medians.append([np.median(y[w]) for w in without])
    off, off_median = np.abs(np.array(guesses) - y), np.abs(np.array(medians) - y)
    assert found.out_of_fold == pytest.approx(np.mean(guesses, axis=0))
    assert found.mean_absolute_error == pytest.approx(off.mean())
    assert found.absolute_removed == pytest.approx(1 - off.mean() / off_median.mean())

    # CV+ as in the paper: the ceil(0.9 * 21) = 19th smallest upper end and the 19th largest lower end.
    first = next(folds(20))
    for value, low, high in zip(new, *found.at(new)[1:], strict=True):
        there = [slow_isotonic(np.log(x[first != k]), y[first != k], math.log(value)) for k in first]
        lows, highs = sorted(there - off[0], reverse=True), sorted(there + off[0])
        assert (low, high) == pytest.approx((max(lows[18], 0), min(highs[18], 1)))


def test_the_folds_are_fixed_and_of_equal_size() -> None:
    first, again = list(folds(53)), list(folds(53))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(set(np.bincount(fold_of)) == {5, 6} and fold_of.max() + 1 == FOLDS for fold_of in first)
    assert not np.array_equal(first[0], first[1])


def test_the_interval_holds_the_error_of_nine_in_ten_new_architectures() -> None:
    held, guaranteed = [], 1 - 2 * 0.1 - math.sqrt(2 / 60)
    for seed in range(60):
        x, y = study(60, seed)
        new, errors = study(40, 1000 + seed)
        _, low, high = fit(x, y, log_x=True).at(new)
        held.append(np.mean((low <= errors) & (errors <= high)))
    assert guaranteed < 0.87 < np.mean(held) < 0.94


def test_the_curve_is_monotone_in_the_direction_of_the_data() -> None:
    x, y = study(80)
    for sign in (1.0, -1.0):
        predicted, low, high = fit(x**sign, y, log_x=True).at(np.logspace(-7, 7, 300))
        assert (sign * np.diff(predicted) >= 0).all()
        assert np.ptp(predicted) > 0.3
        assert ((low >= 0) & (low <= predicted) & (predicted <= high) & (high <= 1)).all()


def test_a_metric_that_says_nothing_removes_no_error() -> None:
    generator = np.random.default_rng(3)
    found = fit(generator.random(400), generator.random(400), log_x=False)
    assert found.absolute_removed == pytest.approx(0, abs=0.05)
    x, y = study(400)
    assert fit(x, y, log_x=True).absolute_removed > 0.5


def test_joined_metrics_are_predicted_by_their_least_squares_sum() -> None:
    generator = np.random.default_rng(4)
    a, b, c = generator.uniform(0.1, 5, size=(3, 300))
    y = np.clip(0.5 + 0.1 * np.log(a) - 0.1 * np.log(b), 0, 1)
    joined, alone = fit(np.column_stack([a, b, c]), y, log_x=True), fit(a, y, log_x=True)
    assert joined.mean_absolute_error < 0.01
    assert alone.mean_absolute_error > 0.03


def test_unusable_rows_are_left_out_and_counted() -> None:
    x, y = study(30)
    full = fit(x, y, log_x=True)
    odd = fit([*x, 0.0, np.inf, np.nan, 5.0], [*y, 0.5, 0.5, 0.5, np.nan], log_x=True)
    assert (odd.n, odd.n_in, sum(odd.left_out.values())) == (30, 34, 4)
    assert np.array_equal(odd.at(x)[0], full.at(x)[0])
    two = fit(np.column_stack([[*x, 1.0], [*x, 0.0]]), [*y, 0.5], log_x=True)
    assert (two.n, sum(two.left_out.values())) == (30, 1)


def test_odd_values_and_tiny_studies() -> None:
    x, y = study(30)
    found = fit(x, y, log_x=True)
    beyond, ends = np.array(found.at([0.0, np.inf])), np.array(found.at([x.min(), x.max()]))
    assert np.array_equal(beyond, ends)
    assert np.isnan(found.at([np.nan])).all()
    _, low, high = fit(x[:5], y[:5], log_x=True).at([1.0, np.nan])
    assert np.array_equal([low, high], [[0, np.nan], [1, np.nan]], equal_nan=True)
    constant = fit(np.ones(20), y[:20], log_x=True)
    assert constant.at([1.0])[0] == pytest.approx(y[:20].mean())
    assert math.isnan(fit(x, np.full(30, 0.5), log_x=True).absolute_removed)
    with pytest.raises(ValueError, match="at least 3 rows"):
        fit([1.0, 2.0, np.nan], [0.1, 0.2, 0.3], log_x=True)
    with pytest.raises(ValueError, match=r"\(n,\) or \(n, p\)"):
        fit([1.0, 2.0], [0.1, 0.2, 0.3], log_x=True)
