"""Predictions by least squares are tested and resampled with every fit made anew, so that chance is chance."""

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.statistics import refitting
from distnlc.analysis.statistics.prediction import FOLDS, REPEATS, folds
from distnlc.analysis.statistics.refitting import (
    PERMUTATIONS,
    correlations,
    least_squares,
    permutation_p,
    prediction_matrix,
    resampled,
)
from distnlc.analysis.statistics.resampling import resamples


def study(n: int = 60, seed: int = 0, slope: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Three columns of different sizes, and an error that follows the first."""
    generator = np.random.default_rng(seed)
    columns = generator.normal(size=(n, 3)) * [1, 100, 1e-3] + [5, 1e4, 0]
    return columns, slope * (columns[:, 0] - 5) + generator.normal(size=n)


def slow_predictions(columns: np.ndarray, y: np.ndarray, fold_of: np.ndarray) -> np.ndarray:
    """Every row's prediction by the least-squares fit of the rows of other folds."""
    design = np.column_stack([np.ones(len(y)), columns - columns.mean(axis=0)])
    found = np.empty(len(y))
    for fold in np.unique(fold_of):
        own = fold_of == fold
        found[own] = design[own] @ np.linalg.lstsq(design[~own], y[~own])[0]
    return found


@pytest.mark.parametrize("n", [9, 53])
def test_the_matrix_predicts_every_row_without_its_fold(n: int) -> None:
    columns, y = study(n)
    slow = np.mean([slow_predictions(columns, y, fold_of) for fold_of in folds(n)], axis=0)
    assert prediction_matrix(columns) @ y == pytest.approx(slow)
    doubled = np.column_stack([columns, 2 * columns[:, 0]])
    assert prediction_matrix(doubled) @ y == pytest.approx(slow)


def test_the_p_values_are_those_of_permutations_that_are_fitted_anew() -> None:
    columns, y = study(30, slope=0.3)
    matrix = prediction_matrix(columns)
    generator, at_least, count = np.random.default_rng(1), np.zeros(2), 120
    own = correlations((matrix @ y)[None], y[None])
    for _ in range(count):
        shuffled = generator.permutation(y)
        predicted = np.mean([slow_predictions(columns, shuffled, fold_of) for fold_of in folds(30)], axis=0)
        found = stats.pearsonr(predicted, shuffled).statistic, stats.spearmanr(predicted, shuffled).statistic
        at_least += [value >= limit[0] for value, limit in zip(found, own, strict=True)]
    p = np.array(permutation_p(matrix, y))
    assert p.min() > 0.02
    assert (np.abs(at_least / count - p) < 4 * np.sqrt(p * (1 - p) / count)).all()


def test_by_chance_one_in_twenty_is_below_one_in_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tested as if the prediction was given beforehand, a third of such studies has p < 0.05."""
    monkeypatch.setattr(refitting, "PERMUTATIONS", 99)
    studies, found, fixed = 150, [], []
    for seed in range(studies):
        columns, y = study(30, seed, slope=0)
        matrix = prediction_matrix(columns)
        found.append(permutation_p(matrix, y))
        fixed.append(stats.pearsonr(matrix @ y, y).pvalue)
    for level in (0.05, 0.2, 0.5):
        low, high = stats.binom.interval(0.998, studies, level)
        for p in np.transpose(found):
            assert low <= (p <= level + 1e-9).sum() <= high
    assert np.mean(np.array(fixed) < 0.05) > 0.2


@pytest.mark.slow
def test_the_interval_holds_the_expected_correlation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resampled as if the prediction was given beforehand, it holds it in too few studies."""
    monkeypatch.setattr(refitting, "REFITS", 150)
    weights, held, fixed = resamples(40)[:150], [], []
    values = []
    for seed in range(200):
        columns, y = study(40, seed)
        values.append(correlations((prediction_matrix(columns) @ y)[None], y[None])[0][0])
    for seed in range(60):
        columns, y = study(40, seed)
        predicted = prediction_matrix(columns) @ y
        rows = np.repeat(np.tile(np.arange(40), 150), weights.ravel().astype(int)).reshape(150, 40)
        for intervals, drawn in (
            (held, resampled(columns, y, weights)[0]),
            (fixed, correlations(predicted[rows], y[rows])[0]),
        ):
            low, high = np.quantile(drawn, [0.025, 0.975])
            intervals.append(low <= np.mean(values) <= high)
    assert np.mean(held) > 0.92
    assert np.mean(fixed) < 0.9


def test_resamples_are_fitted_anew_with_the_copies_of_a_row_in_one_fold() -> None:
    columns, y = study(30)
    weights = resamples(30)[:5]
    pearson, spearman = resampled(columns, y, weights)
    for place, counts in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(30), counts)
        predicted = np.mean([slow_predictions(columns[rows], y[rows], fold_of[rows]) for fold_of in folds(30)], axis=0)
        assert pearson[place] == pytest.approx(stats.pearsonr(predicted, y[rows]).statistic)
        assert spearman[place] == pytest.approx(stats.spearmanr(predicted, y[rows]).statistic)
    assert (FOLDS, REPEATS, PERMUTATIONS) == (10, 5, 999)


def test_weighted_least_squares_are_those_of_the_rows_drawn() -> None:
    columns, y = study(25)
    weights = resamples(25)[:4]
    slopes = least_squares(columns, y, weights)
    for found, counts in zip(slopes, weights.astype(int), strict=True):
        rows = np.repeat(np.arange(25), counts)
        assert columns[rows] @ found == pytest.approx(columns[rows] @ np.linalg.lstsq(columns[rows], y[rows])[0])
    twice = least_squares(np.column_stack([columns, columns[:, 0]]), y, weights)
    assert twice[:, :3] == pytest.approx(slopes)
    assert (twice[:, 3] == 0).all()


def test_a_prediction_of_a_constant_has_no_correlation() -> None:
    columns, _ = study(20)
    assert np.isnan(permutation_p(prediction_matrix(columns), np.ones(20))).all()
