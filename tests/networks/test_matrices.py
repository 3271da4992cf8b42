"""Random matrices of the study of gradients."""

import math

import numpy as np
import pytest
import torch

from distnlc.networks.matrices import (
    Place,
    autoregressive,
    looks_linear,
    negative_definite,
    qm_norm,
    scaled,
    skew_symmetric,
    standard,
)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_looks_linear_network_carries_one_vector_by_orthogonal_matrices(generator: np.random.Generator) -> None:
    """Appendix H: chi(i) = X(2i) - X(2i + 1) keeps its length, and |f_1| = sqrt(2) |chi|."""
    signal = torch.from_numpy(generator.standard_normal((500, 20)))
    signal = torch.relu(signal @ looks_linear(20, 20, "lowest", generator).T)
    chi = signal[:, 0::2] - signal[:, 1::2]
    lengths = chi.norm(dim=1)
    assert float((chi.square().sum(1) / 20).mean()) == pytest.approx(0.5, rel=0.1)  # a slice: half of |x|^2
    for _ in range(5):
        signal = torch.relu(signal @ looks_linear(20, 20, "intermediate", generator).T)
        chi = signal[:, 0::2] - signal[:, 1::2]
        torch.testing.assert_close(chi.norm(dim=1), lengths)
        assert bool((torch.minimum(signal[:, 0::2], signal[:, 1::2]) == 0).all())
    outputs = signal @ looks_linear(20, 20, "highest", generator).T
    torch.testing.assert_close(outputs.norm(dim=1), math.sqrt(2) * lengths)


@pytest.mark.parametrize(
    ("place", "shape", "expected"),
    [
        ("lowest", (20, 8), math.sqrt(2) * math.sqrt(10 / 8)),  # P is 10 x 8, of singular values sqrt(10 / 8)
        ("lowest", (8, 20), math.sqrt(2)),
        ("intermediate", (12, 8), 2 * math.sqrt(12 / 8)),
        ("intermediate", (8, 12), 2.0),
        ("highest", (10, 8), math.sqrt(2) * math.sqrt(10 / 4)),
        ("highest", (10, 100), math.sqrt(2)),  # CIFAR10: the factor is 1
    ],
)
def test_looks_linear_matrices_have_the_factor_of_their_slice(
    place: Place, shape: tuple[int, int], expected: float, generator: np.random.Generator
) -> None:
    matrix = looks_linear(*shape, place, generator)
    assert matrix.shape == shape
    values = torch.linalg.svdvals(matrix)
    torch.testing.assert_close(values[values > 1e-9], torch.full_like(values[values > 1e-9], expected))


@pytest.mark.parametrize(("place", "shape"), [("lowest", (7, 4)), ("intermediate", (8, 7)), ("highest", (4, 7))])
def test_a_relu_layer_of_odd_width_is_refused(
    place: Place, shape: tuple[int, int], generator: np.random.Generator
) -> None:
    with pytest.raises(ValueError, match="even width, but one has 7 neurons"):
        looks_linear(*shape, place, generator)


def test_widths_beside_no_relu_layer_may_be_odd(generator: np.random.Generator) -> None:
    assert looks_linear(8, 3, "lowest", generator).shape == (8, 3)
    assert looks_linear(3, 8, "highest", generator).shape == (3, 8)


def test_matrices_of_dynamical_systems_have_their_symmetry_and_their_norm(generator: np.random.Generator) -> None:
    skew = scaled(skew_symmetric(9, generator), 1.0)
    torch.testing.assert_close(skew.T, -skew)
    assert qm_norm(skew) == pytest.approx(1)
    negative = scaled(negative_definite(9, generator), math.sqrt(2))
    assert float(torch.linalg.eigvalsh(negative).max()) < 0
    assert qm_norm(negative) == pytest.approx(math.sqrt(2))


def test_the_qm_norm_is_the_quadratic_mean_effect_on_unit_vectors(generator: np.random.Generator) -> None:
    matrix = standard(3, 7, generator)
    vectors = standard(200_000, 7, generator)
    effect = (vectors @ matrix.T).norm(dim=1) / vectors.norm(dim=1)
    assert float(effect.square().mean().sqrt()) == pytest.approx(qm_norm(matrix), rel=0.01)


def test_autoregressive_matrices_have_variance_1_and_half_correlation(generator: np.random.Generator) -> None:
    first = autoregressive(None, 300, generator)
    second = autoregressive(first, 300, generator)
    assert float(second.var()) == pytest.approx(1, rel=0.02)
    assert float((first * second).mean()) == pytest.approx(0.5, rel=0.03)
