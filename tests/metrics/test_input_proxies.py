"""Jacobian covariance, NASWOT and the condition number of the NTK: how a network tells inputs apart."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.metrics.jacobian_covariance import SMALL, jacobian_covariance, score
from distnlc.metrics.layerwise_naswot import layerwise_naswot, naswot_layers
from distnlc.metrics.measurable import UnmeasurableError
from distnlc.metrics.naswot import naswot
from distnlc.metrics.ntk_condition import ntk_condition_number, tangent_kernel
from distnlc.networks.activations import make_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP


@pytest.fixture
def inputs(normal) -> Tensor:
    return normal(7, 6, seed=3)


def rectified(activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Linear(6, 30), nn.BatchNorm1d(30), activation(), nn.Linear(30, 20), activation(), nn.Linear(20, 3)
    return nn.Sequential(*layers).double()


def layered(activation: str) -> MLP:
    function = make_activation(activation, dilation=1.2, shift=0.5)
    description = Layered(6, uniform_layers([30, 20, 3], activation=function, normalization="batch"))
    return MLP(description, gaussian(description, [1 / 6, 1 / 30, 1 / 20], seed=1))


def test_jacobian_covariance_is_that_of_numpy_s_correlations(inputs: Tensor) -> None:
    network = rectified(nn.Tanh)
    points = inputs.clone().requires_grad_()
    (rows,) = torch.autograd.grad(copy.deepcopy(network)(points).sum(), points)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(rows.numpy()))
    expected = -np.sum(np.log(eigenvalues + SMALL) + 1 / (eigenvalues + SMALL))
    assert jacobian_covariance(network, inputs) == pytest.approx(expected, rel=1e-6)
    assert jacobian_covariance(network.forward, inputs) == jacobian_covariance(network, inputs)


def test_points_whose_gradients_have_no_correlation_have_the_largest_jacobian_covariance() -> None:
    rows = torch.linalg.qr(torch.ones(6, 1, dtype=torch.float64)).Q
    apart = torch.linalg.svd(rows).U[:, 1:].T  # five rows of mean 0, orthogonal
    assert score(apart) == pytest.approx(-5, abs=1e-4)
    assert score(apart + 0.3 * apart[0]) < score(apart)


def test_a_linear_network_has_one_gradient_and_the_smallest_jacobian_covariance(inputs: Tensor) -> None:
    found = jacobian_covariance(nn.Linear(6, 3).double(), inputs)
    expected = -6 * (math.log(SMALL) + 1 / SMALL) - math.log(7) - 1 / 7
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_gradient_that_does_not_vary_over_its_entries_has_no_correlation(inputs: Tensor) -> None:
    for network in (lambda batch: batch.sum(1, keepdim=True), lambda batch: 0 * batch):
        with pytest.raises(UnmeasurableError, match="entries are all alike"):
            jacobian_covariance(network, inputs)


def codes(*layers: Tensor) -> Tensor:
    return torch.cat([each.flatten(1) > 0 for each in layers], 1)


def by_hamming_distance(codes: Tensor) -> float:
    rows = codes.tolist()
    kernel = np.zeros((len(rows), len(rows)))
    for (i, one), (j, other) in itertools.product(enumerate(rows), repeat=2):
        kernel[i, j] = len(one) - sum(a != b for a, b in zip(one, other, strict=True))
    return float(np.linalg.slogdet(kernel)[1])


@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU])
def test_naswot_is_the_log_determinant_of_the_neurons_that_agree(activation: type, inputs: Tensor) -> None:
    network = rectified(activation)
    lower = copy.deepcopy(network)[:2](inputs)
    upper = copy.deepcopy(network)[:4](inputs)
    assert naswot(network, inputs) == pytest.approx(by_hamming_distance(codes(lower, upper)))
    expected = [by_hamming_distance(codes(lower)), by_hamming_distance(codes(upper))]
    assert naswot_layers(network, inputs) == pytest.approx(expected)
    assert layerwise_naswot(network, inputs) == pytest.approx(sum(expected))


def test_functions_and_layered_networks_have_codes_like_modules(inputs: Tensor) -> None:
    network = rectified()

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network

        def forward(self, batch: Tensor) -> Tensor:
            signal = self.body[3](torch.relu_(self.body[1](self.body[0](batch))))
            return self.body[5](functional.relu(signal, inplace=True))

    assert naswot(Functional(), inputs) == naswot(network, inputs)
    mlp = layered("relu")
    _, normalized, *_ = mlp.signals(inputs)
    assert naswot_layers(mlp, inputs)[0] == pytest.approx(by_hamming_distance(codes(1.2 * normalized + 0.5)))


def test_a_function_of_three_pieces_has_a_code_for_each_kink(inputs: Tensor) -> None:
    network = nn.Sequential(nn.Linear(6, 30), nn.Hardtanh(-0.5, 0.25), nn.Linear(30, 3)).double()
    signal = network[0](inputs)
    assert naswot(network, inputs) == pytest.approx(by_hamming_distance(codes(signal + 0.5, signal - 0.25)))


def test_naswot_without_a_code_or_with_one_code_for_two_inputs_is_missing(inputs: Tensor) -> None:
    for smooth in (rectified(nn.Tanh), layered("tanh"), nn.Sequential(rectified(), nn.GELU())):
        with pytest.raises(UnmeasurableError, match="has no linear regions"):
            naswot(smooth, inputs)
    with pytest.raises(UnmeasurableError, match="calls no activation function"):
        naswot(nn.Linear(6, 3).double(), inputs)
    with pytest.raises(UnmeasurableError, match="kernel of all neurons is singular: inputs share a code"):
        naswot(rectified(), torch.cat([inputs, inputs[:1]]))
    narrow = nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    assert naswot(narrow, inputs) > 0
    with pytest.raises(UnmeasurableError, match="kernel of activation function 2 is singular"):
        layerwise_naswot(narrow, inputs)


def test_the_tangent_kernel_is_that_of_all_outputs_jacobian_by_the_weights(inputs: Tensor) -> None:
    network = rectified()
    copied = copy.deepcopy(network)
    outputs = copied(inputs).flatten()
    weights = [each for each in copied.parameters() if each.ndim > 1]
    rows = [torch.autograd.grad(each, weights, retain_graph=True) for each in outputs]
    jacobian = torch.stack([torch.cat([each.flatten() for each in row]) for row in rows])
    torch.testing.assert_close(tangent_kernel(network, inputs), jacobian @ jacobian.T)
    condition = float(torch.linalg.cond(jacobian)) ** 2
    assert ntk_condition_number(network, inputs) == pytest.approx(condition, rel=1e-6)


def test_the_condition_number_of_a_linear_network_is_that_of_its_inputs(inputs: Tensor) -> None:
    few = inputs[:5]
    expected = float(torch.linalg.cond(few)) ** 2
    assert ntk_condition_number(nn.Linear(6, 3).double(), few) == pytest.approx(expected)
    with pytest.raises(UnmeasurableError, match="singular within rounding"):
        ntk_condition_number(nn.Linear(6, 3).double(), inputs)
