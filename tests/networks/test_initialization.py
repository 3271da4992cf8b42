"""Orthogonal initialization (section C, "linear operation"): slices, scales, the uniform distribution."""

import itertools
import math

import numpy as np
import pytest
import torch

from distnlc.networks.initialization import Parameters, gaussian, initialize, orthogonal
from distnlc.networks.layered import Layer, Layered, Skip

SHAPES = [(5, 5), (8, 3), (3, 8), (4, 1), (1, 4), (1, 1)]
DRAWS = 4_000


def drawn(widths: list[int], **changes: float) -> Parameters:
    settings = {"seed": 3, "bias_variance": 0.0, "initial_scale": 1.0, "projected": True} | changes
    return initialize(widths, **settings)  # type: ignore[arg-type]


def assert_orthogonal(matrix: torch.Tensor, multiplier: float) -> None:
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    torch.testing.assert_close(short @ short.T, multiplier**2 * torch.eye(len(short), dtype=torch.float64))


@pytest.mark.parametrize(("d_out", "d_in"), SHAPES)
def test_the_short_side_is_orthogonal_and_scaled_by_the_multiplier(d_out: int, d_in: int) -> None:
    matrix = orthogonal(d_out, d_in, np.random.default_rng(0))
    assert matrix.shape == (d_out, d_in)
    assert matrix.dtype == torch.float64
    assert_orthogonal(matrix, max(1.0, math.sqrt(d_out / d_in)))


@pytest.mark.parametrize(("d_out", "d_in"), [(3, 3), (4, 2), (2, 4)])
def test_slices_are_uniform_no_entry_prefers_a_sign_or_a_size(d_out: int, d_in: int) -> None:
    """An entry of a uniformly random n x n orthogonal matrix: mean 0, variance 1/n, fourth moment 3/(n(n+2))."""
    n, multiplier = max(d_out, d_in), max(1.0, math.sqrt(d_out / d_in))
    generator = np.random.default_rng(1)
    entries = torch.stack([orthogonal(d_out, d_in, generator) for _ in range(DRAWS)]) / multiplier
    mean_error = math.sqrt(1 / n / DRAWS)
    variance_error = math.sqrt((3 / (n * (n + 2)) - 1 / n**2) / DRAWS)
    assert entries.mean(0).abs().max() < 4.5 * mean_error
    assert (entries.square().mean(0) - 1 / n).abs().max() < 4.5 * variance_error


def test_rotations_and_reflections_are_equally_likely() -> None:
    generator = np.random.default_rng(2)
    positive = sum(float(torch.linalg.det(orthogonal(3, 3, generator))) > 0 for _ in range(DRAWS))
    assert abs(positive - DRAWS / 2) < 4 * math.sqrt(DRAWS / 4)


def test_without_biases_the_weights_are_the_slices_themselves() -> None:
    parameters = drawn([6, 20, 20, 3])
    assert [tuple(weight.shape) for weight in parameters.weights] == [(20, 6), (20, 20), (3, 20)]
    for weight, multiplier in zip(parameters.weights, [math.sqrt(20 / 6), 1.0, 1.0], strict=True):
        assert_orthogonal(weight, multiplier)
    assert [bias.tolist() for bias in parameters.biases] == [[0.0] * 20, [0.0] * 20, [0.0] * 3]


def test_with_biases_they_have_variance_0_05_and_the_weights_shrink_by_the_root_of_0_95() -> None:
    widths = [6, 4_000, 2]
    plain, biased = drawn(widths), drawn(widths, bias_variance=0.05)
    for without, with_biases in zip(plain.weights, biased.weights, strict=True):
        torch.testing.assert_close(with_biases, math.sqrt(0.95) * without)
    bias = biased.biases[0]
    assert abs(float(bias.mean())) < 4 * math.sqrt(0.05 / 4_000)
    assert float(bias.square().mean()) == pytest.approx(0.05, abs=4 * 0.05 * math.sqrt(2 / 4_000))


@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_the_initial_scale_multiplies_weights_and_biases_and_not_the_projection(scale: float) -> None:
    widths = [6, 5, 5, 3]
    plain, scaled = drawn(widths, bias_variance=0.05), drawn(widths, bias_variance=0.05, initial_scale=scale)
    for before, after in zip(plain.weights + plain.biases, scaled.weights + scaled.biases, strict=True):
        torch.testing.assert_close(after, scale * before)
    assert torch.equal(scaled.matrices[0], plain.matrices[0])


@pytest.mark.parametrize(("width", "d_out", "multiplier"), [(20, 3, 1.0), (2, 8, 2.0), (4, 4, 1.0)])
def test_the_skip_projection_is_a_slice_with_the_multiplier_and_nothing_else(
    width: int, d_out: int, multiplier: float
) -> None:
    (projection,) = drawn([6, width, width, d_out], bias_variance=0.05, initial_scale=1.1).matrices
    assert projection.shape == (d_out, width)
    assert_orthogonal(projection, multiplier)


def test_the_seed_alone_decides_and_no_two_layers_are_the_same() -> None:
    first, unprojected, other = drawn([5, 5, 5, 5]), drawn([5, 5, 5, 5], projected=False), drawn([5, 5, 5, 5], seed=4)
    assert unprojected.matrices == []
    assert all(torch.equal(a, b) for a, b in zip(first.weights, unprojected.weights, strict=True))
    assert not any(torch.allclose(a, b) for a, b in zip(first.weights, other.weights, strict=True))
    assert not any(torch.allclose(a, b) for a, b in itertools.pairwise(first.weights))


def test_gaussian_weights_have_the_layers_variances_zero_biases_and_matrices_of_their_own_stream() -> None:
    layers = (Layer(width=300), Layer(width=200, bias=False), Layer(width=100))
    plain, skipping = Layered(400, layers), Layered(400, layers, (Skip(start=1, end=3, matrix=True),))
    variances = [2 / 400, 0.01, 4.0]
    drawn, again = (gaussian(each, variances, seed=3) for each in (plain, skipping))
    for weight, other, variance in zip(drawn.weights, again.weights, variances, strict=True):
        assert torch.equal(weight, other), "a skip connection's matrix changes no weight"
        assert abs(float(weight.mean())) < 4 * math.sqrt(variance / weight.numel())
        assert float(weight.square().mean()) == pytest.approx(variance, rel=4 * math.sqrt(2 / weight.numel()))
    assert [None if bias is None else bias.abs().sum().item() for bias in drawn.biases] == [0.0, None, 0.0]
    (matrix,) = again.matrices
    assert matrix.shape == (100, 300)
    assert float(matrix.square().mean()) == pytest.approx(1 / 300, rel=4 * math.sqrt(2 / matrix.numel()))
    assert drawn.matrices == []
    assert not torch.equal(gaussian(plain, variances, seed=4).weights[0], drawn.weights[0])
