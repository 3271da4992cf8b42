"""Models that choose by the errors learn what the slow way learns, and find nothing in chance."""

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.statistics import refitting
from distnlc.analysis.statistics.learning import PENALTIES, RELEARNED, Learner, joined_by, learn, pair_of, ridge
from distnlc.analysis.statistics.prediction import fit, folds
from distnlc.analysis.statistics.resampling import resamples


def study(n: int = 40, seed: int = 0, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Five columns of different sizes; the first causes y, the second is its noisy copy, the last repeats the third."""
    generator = np.random.default_rng(seed)
    cause = generator.normal(size=n)
    columns = np.column_stack([cause, cause + 0.5 * generator.normal(size=n), generator.normal(size=(n, 2))])
    columns = np.column_stack([columns, -2 * columns[:, 2]]) * [1, 100, 1e-3, 1, 1] + [5, 1e4, 0, 0, 0]
    return columns, slope * cause + generator.normal(size=n)


def slow_ridge(columns: np.ndarray, y: np.ndarray, different: int | None = None) -> np.ndarray:
    """The slopes, by the normal equations at each penalty and the hat matrix for the cross-validation."""
    n = len(y)
    x, z = (columns - columns.mean(axis=0)) / columns.std(axis=0), (y - y.mean()) / y.std()
    best, slopes = np.inf, np.zeros(columns.shape[1])
    for penalty in PENALTIES:
        solve = np.linalg.inv(x.T @ x / n + penalty * np.eye(x.shape[1])) @ x.T / n
        left, used = z - x @ solve @ z, 1 + np.trace(x @ solve)
        score = (left**2).mean() / (1 - used / (different or n)) ** 2 if used < (different or n) else np.inf
        if score < best:
            best, slopes = score, solve @ z
    return np.asarray(slopes * y.std() / columns.std(axis=0))


def slow_pair(columns: np.ndarray, y: np.ndarray, _: int | None = None) -> np.ndarray:
    """The slopes of the two columns with the least squares left."""
    found, count = np.zeros(columns.shape[1]), columns.shape[1]
    best = np.inf
    for one in range(count):
        for other in range(one + 1, count):
            design = np.column_stack(
                [np.ones(len(y)), columns[:, [one, other]] - columns[:, [one, other]].mean(axis=0)]
            )
            slopes = np.linalg.lstsq(design, y)[0]
            left = float(((y - design @ slopes) ** 2).sum())
            if left < best - 1e-9 and np.linalg.matrix_rank(design) == 3:
                best, found = left, np.zeros(count)
                found[[one, other]] = slopes[1:]
    return found


ALL_PAIRS = pair_of(np.ones((5, 5), dtype=bool))
MODELS = [pytest.param(ridge, slow_ridge, id="ridge"), pytest.param(ALL_PAIRS, slow_pair, id="pair")]


@pytest.mark.parametrize(("learner", "slow"), MODELS)
def test_predictions_are_those_of_slow_fits_without_the_row_s_fold(learner: Learner, slow) -> None:  # type: ignore[no-untyped-def]
    columns, y = study()
    learned, fold_of = learn(columns, y, resamples(len(y)), learner), next(folds(len(y)))
    for order, predicted in list(zip(refitting.permutations(len(y)), learned.permuted, strict=True))[:3]:
        shuffled = y[order]
        for fold in range(fold_of.max() + 1):
            own = fold_of == fold
            slopes, centre = slow(columns[~own], shuffled[~own]), columns[~own].mean(axis=0)
            expected = shuffled[~own].mean() + (columns[own] - centre) @ slopes
            assert predicted[own] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(refitting.permutations(len(y))[0], np.arange(len(y)))


@pytest.mark.parametrize(("learner", "slow"), MODELS)
def test_resamples_learn_from_the_copies_of_rows_in_other_folds(learner: Learner, slow) -> None:  # type: ignore[no-untyped-def]
    columns, y = study()
    weights = resamples(len(y))
    learned, fold_of = learn(columns, y, weights, learner), next(folds(len(y)))
    assert learned.resampled.shape == (RELEARNED, len(y))
    for draw in range(3):
        for fold in (0, 7):
            own = fold_of == fold
            rows = np.repeat(np.flatnonzero(~own), weights[draw][~own].astype(int))
            slopes = slow(columns[rows], y[rows], len(set(rows)))
            expected = y[rows].mean() + (columns[own] - columns[rows].mean(axis=0)) @ slopes
            assert learned.resampled[draw, own] == pytest.approx(expected, abs=1e-6)


def test_a_score_is_the_same_fit_of_all_rows_for_columns_that_are_new() -> None:
    columns, y = study()
    new, _ = study(7, seed=1)
    expected = y.mean() + (new - columns.mean(axis=0)) @ slow_ridge(columns, y)
    assert joined_by(ridge)(columns, y)(new) == pytest.approx(expected)


def test_the_pair_is_among_the_allowed_and_is_told_how_often_it_is_chosen() -> None:
    columns, y = study(200)
    columns[:, 3] = y + 0.5 * np.random.default_rng(2).normal(size=200)
    free = learn(columns, y, resamples(200), ALL_PAIRS)
    assert np.flatnonzero(free.used).tolist() == [0, 3]
    assert free.used_again > 0.9
    cheap = np.zeros((5, 5), dtype=bool)
    cheap[1, 2] = cheap[2, 4] = True  # of the second the one column repeats the other, which is no pair
    held = learn(columns, y, resamples(200), pair_of(cheap))
    assert np.flatnonzero(held.used).tolist() == [1, 2]


def test_many_columns_by_chance_beside_a_cause_do_not_hide_it() -> None:
    generator = np.random.default_rng(3)
    cause = generator.normal(size=60)
    columns = np.column_stack([cause, generator.normal(size=(60, 40))])
    y = cause + 0.3 * generator.normal(size=60)
    by_ridge = fit(columns, y, log_x=False, join=joined_by(ridge))
    by_least_squares = fit(columns, y, log_x=False)
    assert by_ridge.mean_absolute_error < 0.9 * by_least_squares.mean_absolute_error
    assert by_ridge.absolute_removed > 0.3
    assert by_ridge.off.mean() == pytest.approx(by_ridge.mean_absolute_error)


@pytest.mark.parametrize("learner", [ridge, ALL_PAIRS], ids=["ridge", "pair"])
def test_by_chance_p_is_even(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The p of the predictions as if they were given beforehand is not: out of fold, chance predicts backwards."""
    monkeypatch.setattr(refitting, "PERMUTATIONS", 99)
    studies, found = 80, []
    for seed in range(studies):
        columns, y = study(30, seed, slope=0)
        learned = learn(columns, y, resamples(30)[:1], learner)
        found.append(refitting.share_at_least(learned.permuted, y))
    for level in (0.05, 0.2, 0.5):
        low, high = stats.binom.interval(0.998, studies, level)
        for p in np.transpose(found):
            assert low <= (p <= level + 1e-9).sum() <= high
