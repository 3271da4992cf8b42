"""SynFlow and the Zen score: properties of an architecture, without data."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.metrics.measurable import UnmeasurableError
from distnlc.metrics.synflow import synflow
from distnlc.metrics.zen_score import STEP, zen_score
from distnlc.networks.activations import make_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.networks.residual import Residual


@pytest.fixture
def inputs(normal) -> Tensor:
    return normal(4, 6, seed=3)


def layered(normalization: str, *, skip: bool) -> MLP:
    function = make_activation("sigmoid", dilation=1.2, shift=0.5)
    skips = (Skip(start=1, end=3, strength=0.5, matrix=True),) if skip else ()
    description = Layered(6, uniform_layers([7, 8, 9, 4], activation=function, normalization=normalization), skips)
    return MLP(description, gaussian(description, [1 / 6, 1 / 7, 1 / 8, 1 / 9], seed=1))


def flow(*weights: Tensor) -> float:
    """The sum of the entries of the product of absolute weights."""
    product = torch.ones(weights[0].shape[1], dtype=torch.float64)
    for each in weights:
        product = each.detach().abs() @ product
    return float(product.sum())


@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "length"])
def test_synflow_of_layers_in_a_row_is_their_number_times_the_product(normalization: str, inputs: Tensor) -> None:
    network = layered(normalization, skip=False)
    assert synflow(network, inputs) == pytest.approx(4 * flow(*(each.weight for each in network.linears)))


def test_what_a_skip_connection_carries_flows_past_the_layers_between(inputs: Tensor) -> None:
    network = layered("batch", skip=True)
    first, second, third, last = (each.weight for each in network.linears)
    along, past = flow(first, second, third, last), 0.5 * flow(first, network.matrices[0], last)
    assert synflow(network, inputs) == pytest.approx(4 * along + 2 * past)


def test_synflow_of_torch_s_modules_and_functions_is_likewise(inputs: Tensor) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.last = nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)
            nn.init.uniform_(self.norm.weight)

        def forward(self, signal: Tensor) -> Tensor:
            return self.last(functional.layer_norm(functional.gelu(self.norm(self.first(signal))).sigmoid(), (5,)))

    network = Network()
    expected = 2 * flow(network.first.weight.double(), network.last.weight.double())
    assert synflow(network, inputs) == pytest.approx(expected)
    assert synflow(network.eval(), inputs.float()) == pytest.approx(expected)


def test_synflow_is_convolutions_paths_too(normal) -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).double()
    ones = torch.ones(1, 2, 5, 5, dtype=torch.float64)
    signal = functional.conv2d(ones, network[0].weight.abs(), stride=2).flatten(1) @ network[3].weight.abs().T
    assert synflow(network, normal(3, 2, 5, 5, seed=0)) == pytest.approx(2 * signal.sum().item())


def test_a_flow_beyond_the_largest_number_is_missing(inputs: Tensor) -> None:
    layers = [nn.Linear(6, 6) for _ in range(9)]
    for each in layers:
        nn.init.constant_(each.weight, 1e38)
    with pytest.raises(UnmeasurableError, match="SynFlow is inf"):
        synflow(nn.Sequential(*layers), inputs)
    with pytest.raises(UnmeasurableError, match="must be a torch module"):
        synflow(lambda batch: batch, inputs)


def test_the_zen_score_of_a_wide_linear_layer_is_the_log_of_its_gaussian_norm(normal) -> None:
    network = nn.Sequential(nn.Linear(300, 400), nn.Linear(400, 3))
    found = zen_score(network, normal(2, 300, seed=0))
    assert found == pytest.approx(math.log(STEP * math.sqrt(300 * 400)), abs=0.02)
    assert zen_score(nn.Sequential(nn.Linear(300, 400), nn.Linear(400, 3)), normal(2, 300, seed=5)) == found


def test_the_scale_that_batch_norm_takes_away_is_restored(normal) -> None:
    inputs = normal(2, 200, seed=0)
    scores = []
    for norm in (nn.Identity(), nn.BatchNorm1d(300), nn.BatchNorm1d(300).eval()):
        layers = nn.Linear(200, 300), norm, nn.ReLU(), nn.Linear(300, 300), nn.ReLU(), nn.Linear(300, 3)
        scores.append(zen_score(nn.Sequential(*layers), inputs, points=64))
    assert scores[1] == scores[2]
    assert scores[0] == pytest.approx(scores[1], abs=0.1)
    without = zen_score(layered("none", skip=False), inputs[:, :6])
    assert without < zen_score(layered("batch", skip=False), inputs[:, :6])


def test_a_batch_norm_behind_the_features_takes_nothing_from_them(normal) -> None:
    inputs = normal(2, 20, seed=0)
    trunk = nn.Linear(20, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Linear(30, 3)
    assert zen_score(nn.Sequential(*trunk, nn.BatchNorm1d(3)), inputs) == zen_score(nn.Sequential(*trunk), inputs)


def test_the_zen_score_is_that_of_features_before_the_global_pool(normal) -> None:
    images = normal(2, 2, 8, 8, seed=0)
    convolution = nn.Conv2d(2, 50, 3, padding=1, padding_mode="circular")
    network = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(50, 3))
    assert zen_score(network, images, draws=8) == pytest.approx(math.log(STEP * math.sqrt(18 * 50 * 64)), abs=0.05)


def test_skips_that_are_known_are_removed(inputs: Tensor) -> None:
    plain, skipping = layered("batch", skip=False), layered("batch", skip=True)
    assert zen_score(skipping, inputs) == zen_score(plain, inputs)
    assert replace(skipping.layered, skips=()) == plain.layered
    assert skipping.layered.skips
    main = nn.Sequential(nn.ReLU(), nn.Linear(6, 6))
    around = [nn.Linear(6, 6), Residual(main, beta=0.6), nn.Linear(6, 3)]
    assert zen_score(nn.Sequential(*around), inputs) == zen_score(nn.Sequential(around[0], main, around[2]), inputs)


def test_the_zen_score_is_missing_without_features_and_where_they_do_not_move(inputs: Tensor) -> None:
    with pytest.raises(UnmeasurableError, match="features are what lies between weight layers, the network has 1"):
        zen_score(nn.Linear(6, 3), inputs)
    still = nn.Sequential(nn.Linear(6, 6), nn.Hardtanh(1e9, 2e9), nn.Linear(6, 3))
    with pytest.raises(UnmeasurableError, match="the features do not change"):
        zen_score(still, inputs)
    with pytest.raises(ValueError, match="at least 2 points and 1 draw, found 1 and 4"):
        zen_score(still, inputs, points=1)
