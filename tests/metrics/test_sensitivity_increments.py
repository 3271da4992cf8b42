"""Moments of a layer, and theorems 2 and 3 on them: against closed forms."""

import math

import pytest
import torch

from distnlc.metrics.gaussians import Gaussians
from distnlc.metrics.sensitivity_increments import (
    GAUSSIAN_BY_ACTIVATION,
    increment_by_activation,
    increment_by_norm,
    increment_without_norm,
)
from distnlc.metrics.signal_moments import (
    fourth_moment,
    log_sensitivity,
    mean_absolute,
    mean_of_halves,
    second_moment,
    variance,
)

GAUSSIAN = Gaussians(0).draw(20_000, 20).double()


def test_gaussian_features_have_the_moments_of_gaussians() -> None:
    shifted = 3 * GAUSSIAN + 5
    assert second_moment(shifted) == pytest.approx(9 + 25, rel=0.01)
    assert variance(shifted) == pytest.approx(9, rel=0.01)
    assert fourth_moment(shifted) == pytest.approx(3 * 81, rel=0.02)
    assert mean_absolute(GAUSSIAN) == pytest.approx((2 / math.pi) ** 0.5, rel=0.01)
    assert mean_of_halves(GAUSSIAN) == pytest.approx(1 / (2 * math.pi), rel=0.01)


def test_moments_are_means_over_features_of_moments_over_points() -> None:
    features = torch.tensor([[1.0, 0.0], [-3.0, 0.0], [2.0, 6.0]])
    assert variance(features) == pytest.approx(((1 + 9 + 4) / 3 + (4 + 4 + 16) / 3) / 2)
    assert mean_of_halves(features) == pytest.approx((1.0 * 1.0 + 2.0 * 0.0) / 2)


def test_the_increment_of_gaussian_features_by_relu_is_the_paper_s() -> None:
    assert pytest.approx(1.2111, abs=1e-4) == GAUSSIAN_BY_ACTIVATION
    assert increment_by_activation(mean_of_halves(GAUSSIAN)) == pytest.approx(GAUSSIAN_BY_ACTIVATION, rel=2e-3)
    for mean_abs, expected in ((0.7749, 1.196), (0.5595, 1.089), (0.2584, 1.017)):  # nu1(z+) = nu1(z-) = nu1(|z|) / 2
        assert increment_by_activation((mean_abs / 2) ** 2) == pytest.approx(expected, abs=6e-4)


def test_pseudo_linear_features_have_no_increment() -> None:
    assert increment_without_norm(mean_of_halves(GAUSSIAN.abs()), 1.0) == 1
    assert increment_without_norm(1 / math.pi, 1.0) == pytest.approx(GAUSSIAN_BY_ACTIVATION)


def test_moments_beyond_a_formula_give_no_number() -> None:
    assert math.isnan(increment_without_norm(2.0, 1.0))
    assert math.isnan(increment_by_activation(0.5))


def test_batch_norm_does_nothing_to_noise_that_is_spread_as_the_signal_is() -> None:
    """And by convexity amplifies noise that is spread evenly over features where the signal is not."""
    variances = torch.tensor([0.5, 1.0, 4.0])
    log_before = math.log(1 / float(variances.mean())) / 2
    assert increment_by_norm(float((variances / variances).mean()), 0.0) == 1
    assert increment_by_norm(float((1 / variances).mean()), log_before) > 1


def test_the_sensitivity_is_one_where_signal_and_noise_vary_alike() -> None:
    both = torch.cat([GAUSSIAN + 7, 2 * GAUSSIAN])
    assert log_sensitivity(both) == pytest.approx(math.log(2), rel=1e-3)
    assert log_sensitivity(torch.cat([torch.ones(5, 2), torch.ones(5, 2)])) == math.inf
