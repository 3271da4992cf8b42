"""Rank correlations of rows in cells against scipy on the rows that were drawn, cell by cell."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.statistics import rank_correlations as ours
from distnlc.analysis.statistics.correlations import RESAMPLES, TooFewRowsError
from distnlc.analysis.statistics.resampling import resamples

CELLS = np.repeat(list("abcdefghij"), [1, 2, 3, 1, 2, 1, 2, 3, 1, 2])
N = CELLS.size


def rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two metrics (2, N), one rounded so that rows tie, y and a control (N,)."""
    generator = np.random.default_rng(seed)
    control = generator.normal(size=N)
    xs = generator.normal(size=(2, N)) + control
    return np.array([xs[0].round(), xs[1]]), xs.sum(axis=0) + generator.normal(size=N), control


def drawn(number: int) -> np.ndarray:
    """The rows of one resample, those of a cell together and as often as it was drawn."""
    counts = dict(zip("abcdefghij", resamples(10)[number].astype(int), strict=True))
    return np.array([row for row, cell in enumerate(CELLS) for _ in range(counts[cell])])


def plain_partial(x: np.ndarray, y: np.ndarray, control: np.ndarray) -> float:
    """Pearson of what least squares on the control's ranks leaves of the ranks."""
    ranks = [stats.rankdata(each) for each in (x, y, control)]
    design = np.stack([np.ones(x.size), ranks[2]], axis=1)
    left = [each - design @ np.linalg.lstsq(design, each, rcond=None)[0] for each in ranks[:2]]
    return float(stats.pearsonr(*left)[0])


def test_values_and_resamples_are_scipy_s_on_the_drawn_rows() -> None:
    xs, y, _ = rows()
    for x, found in zip(xs, ours.rank_correlations(xs, y, CELLS), strict=True):
        assert found.value == pytest.approx(stats.spearmanr(x, y)[0])
        assert (found.n, found.cells, found.resampled.size) == (N, 10, RESAMPLES)
        for number in range(20):
            own = drawn(number)
            assert found.resampled[number] == pytest.approx(stats.spearmanr(x[own], y[own])[0], abs=1e-6)
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(found.resampled, [0.025, 0.975])))


def test_partial_correlations_are_those_of_the_remainders_of_ranks() -> None:
    xs, y, control = rows()
    for x, found in zip(xs, ours.partial_rank_correlations(xs, y, control, CELLS), strict=True):
        assert found.value == pytest.approx(plain_partial(x, y, control))
        for number in range(10):
            own = drawn(number)
            assert found.resampled[number] == pytest.approx(plain_partial(x[own], y[own], control[own]), abs=1e-5)


def test_a_control_that_orders_the_metric_leaves_nothing() -> None:
    xs, y, _ = rows()
    (found,) = ours.partial_rank_correlations(xs[1:], y, np.exp(xs[1]), CELLS)
    assert math.isnan(found.value)


def test_cells_of_copies_widen_the_interval() -> None:
    """Ten rows in five copies each are ten rows."""
    generator = np.random.default_rng(3)
    x, y = np.repeat(generator.normal(size=(2, 10)), 5, axis=1)
    (together,) = ours.rank_correlations(x[None], y, np.repeat(np.arange(10), 5))
    (apart,) = ours.rank_correlations(x[None], y, np.arange(50))
    (once,) = ours.rank_correlations(x[None, ::5], y[::5], np.arange(10))
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    assert (together.low, together.high) == pytest.approx((once.low, once.high), abs=1e-6)


def test_the_permutation_s_p_is_the_share_of_all_orders() -> None:
    x, y = np.array([1.0, 2, 2, 4, 5, 6]), np.array([1.0, 3, 2, 5, 4, 4])
    least = abs(stats.spearmanr(x, y)[0]) - 1e-12
    exact = np.mean([abs(stats.spearmanr(x, order)[0]) >= least for order in itertools.permutations(y)])
    found, constant = ours.permutation_p(np.array([x, np.ones(6)]), y)
    assert found == pytest.approx(exact, abs=0.01)
    assert math.isnan(constant)
    assert np.isnan(ours.permutation_p(x[None], np.ones(6))).all()


def test_a_difference_is_one_of_the_same_draws() -> None:
    xs, y, _ = rows()
    one, other = ours.rank_correlations(xs, y, CELLS)
    found = ours.difference(one, other)
    assert found.value == pytest.approx(one.value - other.value)
    assert found.low == pytest.approx(float(np.quantile(one.resampled - other.resampled, 0.025)))
    same = ours.difference(one, one)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_two_rows_are_too_few() -> None:
    with pytest.raises(TooFewRowsError, match="2 rows, at least 3 are needed"):
        ours.rank_correlations(np.ones((1, 2)), np.ones(2), ["a", "b"])
