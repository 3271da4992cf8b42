"""Resampled coefficients are those of scipy on the rows that were drawn, copy by copy, ties and all."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import RESAMPLES, bootstrap_interval
from distnlc.analysis.statistics.resampling import (
    Moments,
    coefficients,
    interval,
    kendall,
    partial_on,
    pearson,
    resampled,
    resamples,
)

N = 30


def rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two metrics (2, N), the first rounded so that many tie, and an error (N,) with ties too."""
    generator = np.random.default_rng(seed)
    xs = generator.normal(size=(2, N))
    y = xs.sum(axis=0) + generator.normal(size=N)
    return np.array([xs[0].round(), 1e4 + xs[1]]), y.round(1)


def copied(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The resample itself, every row as often as it was drawn."""
    return np.repeat(values, weights.astype(int))


@pytest.mark.parametrize(
    ("moments", "slow"),
    [(pearson, stats.pearsonr), (resampling.spearman, stats.spearmanr), (kendall, stats.kendalltau)],
)
def test_agrees_with_scipy_on_explicit_resamples(moments: Moments, slow: Callable[..., tuple[float, float]]) -> None:
    xs, y = rows()
    weights = resamples(N)[:40]
    found = coefficients(resampled(moments, weights, xs, y))
    expected = [[slow(copied(x, one), copied(y, one))[0] for one in weights] for x in xs]
    assert found == pytest.approx(np.array(expected), abs=1e-7)


def remainder(values: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """What least squares on the controls (k, n) and a constant leaves of values (n,)."""
    design = np.column_stack([np.ones(values.size), *controls])
    return values - design @ np.linalg.lstsq(design, values)[0]


def test_partial_correlations_are_those_of_residuals_on_explicit_resamples() -> None:
    generator = np.random.default_rng(1)
    xs, y = rows()
    controls = np.array([3 * y + generator.normal(size=N), xs[1] + generator.normal(size=N)])
    weights = resamples(N)[:20]
    found = coefficients(resampled(partial_on(controls), weights, xs, y))
    for one, column in zip(weights, found.T, strict=True):
        drawn = np.array([copied(control, one) for control in controls])
        left = remainder(copied(y, one), drawn)
        expected = [stats.pearsonr(remainder(copied(x, one), drawn), left).statistic for x in xs]
        assert column == pytest.approx(expected, abs=1e-6)


def test_nothing_remains_of_what_a_control_explains() -> None:
    xs, y = rows()
    everything = np.ones((1, N), dtype=np.float32)
    found = coefficients(partial_on(np.array([2 * xs[0] + 5, np.full(N, 7.0)]))(everything, xs, y))
    assert np.isnan(found[0, 0])
    assert np.isfinite(found[1, 0])


def test_resamples_are_fixed_draws_of_n_rows() -> None:
    weights = resamples(N)
    assert weights.shape == (RESAMPLES, N)
    assert (weights.sum(axis=1) == N).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(N), abs=0.15)
    assert np.array_equal(weights, resamples(N))
    assert not np.array_equal(weights, resamples(N, seed=1))


def test_the_interval_is_that_of_a_single_correlation() -> None:
    xs, y = rows()
    values = coefficients(resampled(pearson, resamples(N), xs, y))
    assert [interval(one) for one in values] == [pytest.approx(bootstrap_interval(x, y), abs=1e-6) for x in xs]


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    xs, y = rows()
    weights = resamples(N)[:50]
    kinds = (pearson, resampling.spearman, kendall, partial_on(y[None] ** 2))
    whole = [resampled(moments, weights, xs, y) for moments in kinds]
    monkeypatch.setattr(resampling, "BLOCK", 7 * N)
    assert np.array_equal(resamples(N)[:50], weights)
    for moments, (c, vx, vy) in zip(kinds, whole, strict=True):
        assert np.allclose(np.concatenate(resampled(moments, weights, xs, y)), np.concatenate([c, vx, vy]))


def test_a_resample_without_variation_has_no_coefficient() -> None:
    xs, y = np.array([[1.0, 1.0, 1.0, 2.0]]), np.array([1.0, 2.0, 3.0, 4.0])
    weights = np.array([[2, 1, 1, 0], [1, 1, 1, 1]], dtype=np.float32)
    for moments in (pearson, resampling.spearman, kendall):
        found = coefficients(moments(weights, xs, y))[0]
        assert np.isnan(found[0])
        assert found[1] > 0.7
    assert np.isnan(interval(np.full(5, np.nan))).all()
