"""Batch-norm networks at initialization come near tables 1 and 2, on two kinds of Gaussian inputs.

Isotropic ones, where each activation function contributes its NLC_tau(1), and ones whose spectrum decays as 1/i. With
200 features these have an effective dimension (sum of variances)^2 / (sum of squares) of 21, as prepared CIFAR10 does,
on which the paper measured.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import pytest
import torch

from distnlc.analysis.nlc_initial.he_networks import infinitely_wide_nlc
from distnlc.analysis.nlc_initial.table1 import ACTIVATIONS, STATED
from distnlc.analysis.nlc_initial.table2 import STATED as STATED2
from distnlc.metrics.activation import activation_nlc
from distnlc.metrics.nlc import jacobian_norm, nlc
from distnlc.networks.activations import FUNCTIONS
from distnlc.studies.nlc_initial.networks import (
    gaussian_inputs,
    gaussian_network,
    he_network,
    nlc_without_activation,
    orthogonal_network,
)

STABLE = [name for name in ACTIVATIONS if name not in {"square", "odd-square"}]
"""the paper: little variation between initializations "except for 49-layer networks with square or odd square" """


@pytest.fixture(scope="module")
def isotropic() -> torch.Tensor:
    return gaussian_inputs(2000, 100, seed=1)


@pytest.fixture(scope="module")
def decaying() -> torch.Tensor:
    return gaussian_inputs(2000, 200, seed=1) / torch.arange(1, 201, dtype=torch.float64).sqrt()


def median_nlc(inputs: torch.Tensor, build: Callable[[int], torch.nn.Module], *, initializations: int) -> float:
    return median(nlc(build(seed), inputs, batches=5, seed=seed) for seed in range(initializations))


def median_study_nlc(inputs: torch.Tensor, name: str, depth: int, width: int, *, initializations: int) -> float:
    def build(seed: int) -> torch.nn.Module:
        return orthogonal_network(name, depth=depth, width=width, d_in=inputs.shape[1], d_out=10, seed=seed)

    return median_nlc(inputs, build, initializations=initializations)


def median_he_nlc(inputs: torch.Tensor, depth: int) -> float:
    def build(seed: int) -> torch.nn.Module:
        return gaussian_network(depth=depth, width=100, d_in=inputs.shape[1], d_out=10, seed=seed)

    return median_nlc(inputs, build, initializations=5)


def stated(row: str) -> dict[str, float]:
    return dict(zip(ACTIVATIONS, STATED[row], strict=True))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_hidden_layer_contributes_the_nlc_of_its_activation(name: str, isotropic: torch.Tensor) -> None:
    measured = median_study_nlc(isotropic, name, 2, 500, initializations=3)
    assert measured == pytest.approx(activation_nlc(FUNCTIONS[name]), rel=0.03)
    assert measured == pytest.approx(stated("B")[name], rel=0.03 if name in STABLE else 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", STABLE)
def test_depth_49_comes_near_row_d(name: str, decaying: torch.Tensor) -> None:
    measured = median_study_nlc(decaying, name, 49, 100, initializations=3)
    assert measured == pytest.approx(stated("D")[name], rel=0.15)


@pytest.mark.parametrize("depth", [2, 10, 25])
def test_batch_norm_relu_networks_come_near_table_2(depth: int, decaying: torch.Tensor) -> None:
    assert median_he_nlc(decaying, depth) == pytest.approx(STATED2[depth], rel=0.10)


def test_gaussian_networks_have_the_stated_shape_and_scale() -> None:
    network = gaussian_network(depth=5, width=100, d_in=400, d_out=10, seed=0)
    weights = [value.detach() for value in network.parameters() if value.ndim == 2]
    biases = [value.detach() for value in network.parameters() if value.ndim == 1]
    assert {layer.normalization for layer in network.layered.layers[:-1]} == {"batch"}
    assert [tuple(weight.shape) for weight in weights] == [(100, 400), (100, 100), (100, 100), (100, 100), (10, 100)]
    assert not torch.cat(biases).any()
    for weight in weights:
        # the mean of n squared Gaussians has the relative error sqrt(2 / n)
        scale = float(weight.square().mean()) * weight.shape[1] / 2
        assert scale == pytest.approx(1, abs=4 * math.sqrt(2 / weight.numel()))


def test_without_activation_function_the_nlc_is_that_of_a_linear_map(decaying: torch.Tensor) -> None:
    network = orthogonal_network("relu", depth=2, width=60, d_in=200, d_out=10, seed=0)
    exactly = nlc_without_activation(network, torch.cov(decaying.T, correction=0))
    first, last = network.layered.layers
    network.layered = replace(network.layered, layers=(replace(first, activation=None), last))
    # as a function of the whole dataset as one batch, whose statistics hardly move with one datapoint
    assert exactly == pytest.approx(nlc(network, decaying, batch_size=len(decaying), batches=20), rel=0.02)
    assert exactly > 1.02


@pytest.mark.parametrize(("depth", "width"), [(2, 30), (5, 30), (5, 60)])
def test_he_networks_keep_the_expected_square_of_their_jacobian_at_every_depth_and_width(
    depth: int, width: int, isotropic: torch.Tensor
) -> None:
    sizes = {"depth": depth, "width": width, "d_in": 100, "d_out": 10}
    found = [jacobian_norm(he_network(**sizes, seed=seed), isotropic, batches=1, seed=seed) for seed in range(60)]
    squares = torch.tensor(found, dtype=torch.float64).square()
    assert float(squares.mean()) == pytest.approx(2 * 10, abs=4 * float(squares.std()) / math.sqrt(len(squares)))


def test_a_he_network_is_plain() -> None:
    network = he_network(depth=4, width=7, d_in=5, d_out=3, seed=1)
    weights = [value.detach() for value in network.parameters() if value.ndim == 2]
    signal = inputs = gaussian_inputs(20, 5, seed=2)
    for weight in weights[:-1]:
        signal = torch.relu(signal @ weight.T)
    torch.testing.assert_close(network(inputs), signal @ weights[-1].T)
    assert not any(value.any() for value in network.parameters() if value.ndim == 1)
    other = he_network(depth=4, width=7, d_in=5, d_out=3, seed=2)
    assert not torch.equal(next(other.parameters()), next(network.parameters()))


@pytest.mark.parametrize("depth", [2, 6])
def test_a_wide_he_network_has_the_nlc_of_an_infinitely_wide_one(depth: int, isotropic: torch.Tensor) -> None:
    def build(seed: int) -> torch.nn.Module:
        return he_network(depth=depth, width=400, d_in=isotropic.shape[1], d_out=10, seed=seed)

    measured = median_nlc(isotropic[:500], build, initializations=3)
    assert measured == pytest.approx(infinitely_wide_nlc(depth), rel=0.1)
