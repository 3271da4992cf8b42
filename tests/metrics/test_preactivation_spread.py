"""Spread and sign diversity are those of what enters each activation function, however it is called; and dilution is
that of its definition."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import distnlc
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from tests.helpers.residual_networks import resnet, transformer
from tests.helpers.sensitivities import Calling


def plainly(signal: Tensor) -> tuple[float, float]:
    """Neuron by neuron."""
    neurons = signal.detach().flatten(1).T
    deviations = [((each - each.mean()) ** 2).mean() for each in neurons]
    positive = [sum(value > 0 for value in each.tolist()) / len(each) for each in neurons]
    return math.sqrt(sum(deviations) / len(neurons)), sum(min(p, 1 - p) for p in positive) / len(neurons)


def test_spread_and_sign_diversity_are_those_of_each_neuron_over_the_datapoints(normal) -> None:
    network = nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(inplace=True), nn.Linear(7, 3), nn.Tanh(), nn.Linear(3, 2)
    ).double()
    inputs = normal(20, 5, seed=0) + 0.3
    below, above = distnlc.preactivation_spread(network, inputs)
    assert (below.place, below.function, above.place, above.function) == ("1", "relu", "3", "tanh")
    assert below[1:3] == pytest.approx(plainly(network[0](inputs)))
    assert above[1:3] == pytest.approx(plainly(network[:3](inputs)))
    assert distnlc.preactivation_spread(network[0], inputs) == []


@pytest.mark.parametrize("apply", [torch.relu, functional.relu, Tensor.relu, Tensor.relu_, nn.ReLU(), nn.ReLU(True)])
def test_modules_functions_and_methods_are_one_activation_function(normal, apply) -> None:
    inputs = normal(20, 5, seed=0)
    (row,) = distnlc.preactivation_spread(apply, inputs)
    assert row.place == "(network)"
    assert row[1:3] == pytest.approx(plainly(inputs))


@pytest.mark.parametrize(
    "module",
    [
        *(nn.ReLU6(), nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.Threshold(0.0, 0.0), nn.ELU(), nn.CELU(), nn.SELU()),
        *(nn.GELU(), nn.SiLU(), nn.Mish(), nn.Tanh(), nn.Sigmoid(), nn.LogSigmoid(), nn.Softplus(), nn.Softsign()),
        *(nn.Softshrink(), nn.Hardshrink(), nn.Tanhshrink(), nn.Hardtanh(), nn.Hardsigmoid(), nn.Hardswish()),
    ],
)
def test_every_activation_function_of_torch_s_has_one_row(normal, module) -> None:
    inputs = normal(20, 5, seed=0)
    (row,) = distnlc.preactivation_spread(nn.Sequential(nn.Identity(), module), inputs)
    assert (row.place, row.call) == ("1", 1)
    assert row[1:3] == pytest.approx(plainly(inputs))


@pytest.mark.parametrize("activation", ["relu", "selu", "tanh", "gaussian"])
def test_layered_networks_have_a_row_before_each_of_their_activation_functions(normal, activation) -> None:
    layers = uniform_layers([6, 7, 2], activation=plain_activation(activation), normalization="layer", bias=False)
    layered = Layered(5, layers)
    network, inputs = MLP(layered, gaussian(layered, [0.2] * 3, 0)), normal(30, 5, seed=0)
    rows = distnlc.preactivation_spread(network, inputs)
    assert [(row.place, row.function, row.call) for row in rows] == [("(network)", activation, n) for n in (1, 2)]
    first = network.normalize(inputs @ network.linears[0].weight.T, "layer")
    assert rows[0][1:3] == pytest.approx(plainly(first))
    assert network.layered == layered


def test_places_are_those_of_the_modules_that_call_and_shared_ones_are_counted(normal) -> None:
    rows = distnlc.preactivation_spread(resnet(), normal(6, 3, 8, 8, seed=0))
    places = [("2", 1), *((f"{block}.relu", call) for block in ("4.0", "4.1", "5") for call in (1, 2))]
    assert [(row.place, row.call) for row in rows] == places
    own = Calling(lambda _, batch: batch.tanh().relu())
    rows = distnlc.preactivation_spread(nn.Sequential(own), normal(6, 3, seed=0))
    assert [row[:1] + row[3:] for row in rows] == [("0", "tanh", 1), ("0", "relu", 2)]


def test_a_transformer_s_activation_is_seen_in_training_and_in_evaluation(normal) -> None:
    for training in (True, False):
        (row,) = distnlc.preactivation_spread(transformer(dropout=0.5).train(training), normal(9, 4, 8, seed=0))
        assert (row.place, row.function) == ("0", "relu")


def test_batch_norm_takes_its_running_statistics_in_evaluation_alone(normal) -> None:
    network = nn.Sequential(nn.BatchNorm1d(5), nn.Tanh()).double()
    inputs = 3 * normal(40, 5, seed=0)
    assert distnlc.preactivation_spread(network, inputs)[0].std == pytest.approx(1, rel=1e-4)
    assert distnlc.preactivation_spread(network.eval(), inputs)[0].std == pytest.approx(plainly(inputs)[0], rel=1e-4)


def test_one_sided_pre_activations_have_no_sign_diversity(normal) -> None:
    inputs = normal(40, 5, seed=0)
    assert distnlc.preactivation_spread(lambda batch: torch.relu(batch.square()), inputs)[0].sign_diversity == 0
    assert distnlc.preactivation_spread(lambda batch: torch.relu(-batch.square()), inputs)[0].sign_diversity == 0


def test_nothing_of_the_callers_changes_and_a_failing_network_is_named(normal) -> None:
    network, images = resnet(), normal(6, 3, 8, 8, seed=0)
    state = copy.deepcopy(network.state_dict())
    distnlc.preactivation_spread(network, images)
    torch.testing.assert_close(dict(network.state_dict()), dict(state), rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"module 0 \(Conv2d\), where the inputs are float64 \(6, 2, 8, 8\), raised"):
        distnlc.preactivation_spread(network, images[:, :2])
    with pytest.raises(ValueError, match=r"must be finite, but at a \(Tanh\) it is nan or infinity"):
        distnlc.preactivation_spread(Calling(lambda net, batch: net.a(batch / 0), a=nn.Tanh()), images)


def a_block() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 6)).double()


def test_dilution_is_the_signal_past_the_block_by_the_signal_through_it(normal) -> None:
    block, signals, matrix = a_block(), normal(30, 6, seed=0), normal(6, 6, seed=1)
    for skip, past in ((nn.Identity(), signals), (lambda v: v @ matrix.T, signals @ matrix.T)):
        expected = (past.square().sum(1).mean() / block(signals).square().sum(1).mean()).sqrt().item()
        assert distnlc.dilution(block, skip, signals) == pytest.approx(expected)
    assert distnlc.dilution(nn.Dropout(0.5), nn.Identity(), signals) == 1
    assert distnlc.dilution(lambda v: 0 * v, nn.Identity(), signals) == math.inf


@pytest.mark.parametrize(
    ("block", "skip", "said"),
    [
        (
            nn.Linear(6, 5),
            nn.Identity(),
            r"the block returns float64 \(30, 5\), but the skip connection float64 \(30, 6\)",
        ),
        (nn.Linear(7, 6), nn.Identity(), r"the network \(Linear\), .* raised an error"),
        (lambda v: v / 0, nn.Identity(), r"at \(output\) \(a callable\) it is nan or infinity"),
    ],
)
def test_a_block_and_a_skip_connection_that_cannot_be_added_are_refused(normal, block: Any, skip, said) -> None:
    with pytest.raises(ValueError, match=said):
        distnlc.dilution(block, skip, normal(30, 6, seed=0))
