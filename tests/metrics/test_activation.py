"""Rows A and E of table 1 to the printed digits, and the quadrature under them."""

import math

import pytest
import torch

from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.networks.activations import make_activation
from distnlc.networks.quadrature import gaussian_mean

TABLE_1 = {
    "relu": (torch.relu, "1.211", "0.222"),
    "selu": (torch.selu, "1.035", "0.030"),
    "tanh": (torch.tanh, "1.085", "0.075"),
    "sigmoid": (torch.sigmoid, "1.017", "0.0023"),  # printed as 0.0024; to more digits it is 0.0023465
    "even tanh": (lambda s: torch.tanh(s.abs()), "2.335", "0.276"),
    "gaussian": (lambda s: torch.exp(-(s**2) / 2) / math.sqrt(math.pi), "1.577", "0.155"),
    "square": (torch.square, "1.414", "2.000"),
    "odd square": (lambda s: s * s.abs(), "1.155", "0.178"),
}


@pytest.mark.parametrize("name", TABLE_1)
def test_table_1_is_met_to_the_printed_digits(name):
    function, printed_nlc, printed_error = TABLE_1[name]
    digits = len(printed_error.partition(".")[2])
    assert f"{activation_nlc(function):.3f}" == printed_nlc
    assert f"{linear_approximation_error(function):.{digits}f}" == printed_error


def test_closed_forms_are_met_to_12_digits():
    assert activation_nlc(torch.relu) == pytest.approx(math.sqrt(0.5 / (0.5 - 0.5 / math.pi)), rel=1e-12)
    assert activation_nlc(torch.square, 7.0) == pytest.approx(math.sqrt(2), rel=1e-12)
    assert activation_nlc(lambda s: 3 * s - 100) == pytest.approx(1, rel=1e-12)
    assert linear_approximation_error(lambda s: 3 * s - 100) == pytest.approx(0, abs=1e-12)


def test_a_kink_elsewhere_is_met_when_it_is_named():
    # ReLU(s - t): P = Phi(-t), E = phi(t) - t P, E of the square = (1 + t^2) P - t phi(t)
    t = 0.3
    above, density = math.erfc(t / math.sqrt(2)) / 2, math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    mean, square = density - t * above, (1 + t**2) * above - t * density
    exact = math.sqrt(above / (square - mean**2))
    assert activation_nlc(lambda s: torch.relu(s - t), kinks=(t,)) == pytest.approx(exact, rel=1e-12)


def test_a_constant_function_has_no_nlc():
    assert math.isnan(activation_nlc(lambda s: 0 * s))
    assert math.isnan(linear_approximation_error(lambda s: 0 * s))


@pytest.mark.parametrize("name", ["square", "gaussian", "even-tanh"])
def test_an_even_function_without_mean_is_as_far_from_linear_as_can_be(name: str) -> None:
    """Its best affine fit is zero; what the quadrature leaves of it would give 1e30, which is no result."""
    assert linear_approximation_error(make_activation(name, debiased=True)) == math.inf


def test_gaussian_means_are_met_to_rounding():
    assert gaussian_mean(torch.ones_like) == pytest.approx(1, rel=1e-14)
    assert gaussian_mean(lambda s: s**8) == pytest.approx(105, rel=1e-13)
    assert gaussian_mean(lambda s: s**2, sigma=3.0) == pytest.approx(9, rel=1e-13)
    assert gaussian_mean(torch.abs, sigma=2.0) == pytest.approx(2 * math.sqrt(2 / math.pi), rel=1e-13)
    assert gaussian_mean(torch.cos, sigma=5.0) == pytest.approx(math.exp(-12.5), abs=1e-14)


def test_a_wrong_sigma_and_a_function_that_sums_are_explained():
    with pytest.raises(ValueError, match="sigma must be positive, found 0"):
        gaussian_mean(torch.cos, sigma=0)
    with pytest.raises(ValueError, match=r"keep the shape \(1536,\), but it returned \(\)"):
        gaussian_mean(torch.sum)
