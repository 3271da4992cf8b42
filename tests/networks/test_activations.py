"""The activation functions and their random changes (section C), against formulas written in numpy."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from distnlc.networks.activations import FUNCTIONS, SECTION_C, Activation, make_activation

Floats = NDArray[np.float64]

FORMULAS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda s: np.maximum(s, 0),
    "selu": lambda s: np.where(s > 0, 1.0507 * s, 1.75814 * (np.exp(np.minimum(s, 0)) - 1)),
    "tanh": lambda s: (np.exp(s) - np.exp(-s)) / (np.exp(s) + np.exp(-s)),
    "sigmoid": lambda s: 1 / (1 + np.exp(-s)),
    "even-tanh": lambda s: np.tanh(np.abs(s)),
    "gaussian": lambda s: np.exp(-(s**2) / 2) / np.sqrt(np.pi),
    "square": lambda s: s**2,
    "odd-square": lambda s: s * np.abs(s),
    "relu6": lambda s: np.minimum(np.maximum(s, 0), 6),
    "hardtanh": lambda s: np.minimum(np.maximum(s, -1), 1),
    "hardsigmoid": lambda s: np.minimum(np.maximum(s + 0.5, 0), 1),
}
CHANGES = list(itertools.product([1.0, 1.2, 0.8], [0.0, 0.2, -0.2], [False, True]))


@pytest.fixture(scope="module")
def gaussian() -> tuple[Floats, Floats]:
    """Points and weights of the trapezoid rule under N(0, 1); a kink costs about 1e-10."""
    points = np.linspace(-12, 12, 600_001)
    density = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
    return points, density * (points[1] - points[0])


def changed(name: str) -> list[Activation]:
    return [make_activation(name, dilation=d, shift=t, debiased=debiased) for d, t, debiased in CHANGES]


def points_to_try() -> torch.Tensor:
    """Ordinary points, the kinks, and points far out."""
    ordinary = torch.randn(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    return torch.cat([ordinary, torch.tensor([0.0, -0.0, 0.2, -0.2, 30.0, -30.0, 1e3, -1e3], dtype=torch.float64)])


def test_there_are_the_eight_of_the_paper_and_three_hard_ones() -> None:
    assert list(SECTION_C) == list(FORMULAS)[:8]
    assert list(FUNCTIONS) == list(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.slow
def test_the_function_is_c_tau_of_ds_plus_t_plus_b_with_unit_scale_and_if_asked_no_bias(
    name: str, gaussian: tuple[Floats, Floats]
) -> None:
    s, weights = gaussian
    for (d, t, debiased), activation in zip(CHANGES, changed(name), strict=True):
        tau, value = FORMULAS[name](d * s + t), activation(torch.from_numpy(s)).numpy()
        np.testing.assert_allclose(value, activation.scale * tau + activation.offset, rtol=1e-12, atol=1e-12)
        assert activation.scale > 0
        assert weights @ value**2 == pytest.approx(1, abs=1e-8)
        if debiased:
            assert weights @ value == pytest.approx(0, abs=1e-8)
        else:
            assert activation.offset == 0


@pytest.mark.parametrize("name", FORMULAS)
def test_value_and_slope_are_the_function_and_its_derivative_by_autograd(name: str) -> None:
    for activation in changed(name):
        s = points_to_try().requires_grad_()
        expected = activation(s)
        (derivative,) = torch.autograd.grad(expected.sum(), s)
        value, slope = torch.empty_like(s), torch.empty_like(s)
        activation.value_and_slope(s.detach(), value, slope)
        torch.testing.assert_close(value, expected.detach(), rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(slope, derivative, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_slope_is_the_difference_quotient(name: str) -> None:
    """Not only what autograd makes of the same code."""
    s = torch.linspace(-3, 3, 61, dtype=torch.float64) + 0.0137
    activation = make_activation(name, dilation=1.2, shift=-0.2, debiased=True)
    value, slope = torch.empty_like(s), torch.empty_like(s)
    activation.value_and_slope(s, value, slope)
    step = 1e-6
    torch.testing.assert_close(slope, (activation(s + step) - activation(s - step)) / (2 * step), rtol=1e-6, atol=1e-8)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"activation function 'swish'; there are: relu, selu, tanh, .*odd-square"):
        make_activation("swish")
