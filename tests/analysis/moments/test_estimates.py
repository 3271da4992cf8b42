"""Means, growth rates and powers over simulations, against numbers that are known."""

import numpy as np
import pytest

from distnlc.analysis.moments import paper
from distnlc.analysis.moments.estimates import (
    error_of_deviation,
    power_fit,
    skew_and_kurtosis,
    slopes,
    steadier,
    variance_interval,
)

LAYERS = np.arange(5.0, 501, 5)
GENERATOR = np.random.default_rng(0)


def test_a_deviation_s_error_is_the_spread_of_deviations() -> None:
    drawn = GENERATOR.laplace(size=(400, 2_000))
    errors = [error_of_deviation(drawn[:, [column]])[0] for column in range(50)]
    assert np.mean(errors) == pytest.approx(drawn.std(axis=0, ddof=1).std(), rel=0.1)


def test_an_interval_of_a_variance_covers_it() -> None:
    found = [variance_interval(drawn) for drawn in GENERATOR.normal(size=(400, 200))]
    assert np.mean([one.low <= 1 <= one.high for one in found]) == pytest.approx(0.94, abs=0.04)


def test_skew_and_kurtosis_of_gaussians_spread_by_their_standard_errors() -> None:
    found = np.array([skew_and_kurtosis(drawn) for drawn in GENERATOR.normal(size=(500, 50))])
    skew, skew_error, kurtosis, kurtosis_error = found.T
    assert skew.mean() == pytest.approx(0, abs=0.05)
    assert kurtosis.mean() == pytest.approx(0, abs=0.1)
    assert skew.std() == pytest.approx(skew_error[0], rel=0.1)
    assert kurtosis.std() == pytest.approx(kurtosis_error[0], rel=0.2)


def test_a_slope_is_that_of_least_squares() -> None:
    values = GENERATOR.normal(size=(3, LAYERS.size))
    expected = np.polynomial.polynomial.polyfit(LAYERS, values.T, 1)[1]
    assert slopes(values, LAYERS) == pytest.approx(expected)


@pytest.mark.parametrize(("log_chi", "share"), [(0.2 * LAYERS, 1), (0.65 * np.log(LAYERS), 0)])
def test_an_exponential_and_a_power_are_told_apart(log_chi: np.ndarray, share: float) -> None:
    assert steadier(log_chi + 0.05 * GENERATOR.normal(size=(20, LAYERS.size)), LAYERS) == share


def test_a_power_s_exponents_and_constant_are_found_with_intervals_that_hold_them() -> None:
    increment, tau = 1.2321, (1.2321**4 - 1) / 2
    delta = increment + 0.005 * GENERATOR.normal(size=(100, LAYERS.size))
    chi = 0.613 * LAYERS**tau * np.exp(0.05 * GENERATOR.normal(size=(100, 1)))
    fit = power_fit(chi, delta, LAYERS)
    for found, expected in (
        (fit.increment, increment),
        (fit.exponent, tau),
        (fit.free_exponent, tau),
        (fit.constant, 0.613),
        (fit.free_constant, 0.613),
    ):
        assert found.value == pytest.approx(expected, rel=0.02)
        assert found.low - 1e-9 < found.value < found.high + 1e-9  # every simulation is the same power
    assert fit.exponent.low < tau < fit.exponent.high
    assert fit.free_exponent.value == pytest.approx(tau, abs=1e-5)


def test_the_free_exponent_is_the_best_of_least_squares() -> None:
    chi = paper.sensitivity_by_units(1.23, 500)[LAYERS.astype(int) - 1]
    fit = power_fit(np.stack([chi, chi]), np.full((2, LAYERS.size), 1.23), LAYERS)

    def left(exponent: float, constant: float) -> float:
        return float(((chi - constant * LAYERS**exponent) ** 2).sum())

    best = left(fit.free_exponent.value, fit.free_constant.value)
    for step in (-1e-3, 1e-3):
        assert best < left(fit.free_exponent.value + step, fit.free_constant.value)
        assert best < left(fit.free_exponent.value, fit.free_constant.value + step)
    assert fit.of_recursion == pytest.approx(fit.free_exponent.value, abs=1e-9)
    assert fit.of_recursion < fit.exponent.value  # theorem 4's power is a limit


def test_the_increment_is_a_ratio_of_means() -> None:
    """Of chi behind the first layer by chi before the unit; the measured layer before stands for the latter."""
    before = np.array([[1.0, 2.0], [1.0, 6.0]])
    ratios = np.array([[1.2, 1.1], [1.4, 1.3]])
    chi = np.array([[2.0, 3.0], [6.0, 4.0]])
    expected = np.mean([(ratios * before)[:, layer].sum() / before[:, layer].sum() for layer in range(2)])
    assert power_fit(chi, ratios, np.array([5.0, 10.0])).increment.value == pytest.approx(expected)
