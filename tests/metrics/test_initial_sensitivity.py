"""The initial probability Jacobian and initial transitions of any network, inputs that are no images included."""

import copy

import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc.metrics import initial_sensitivity
from distnlc.metrics.codes import changes_along
from distnlc.metrics.curves import ellipse
from distnlc.metrics.frozen_statistics import freeze_statistics
from distnlc.metrics.initial_sensitivity import initial_probability_jacobian, initial_transitions
from distnlc.networks.activations import make_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.networks.mlp import EPSILON, MLP


@pytest.fixture
def inputs(normal) -> Tensor:
    return normal(60, 6, seed=3)


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(60) % 4


def normalized(activation: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(20)
    nn.init.uniform_(norm.weight, 0.5, 2)
    network = nn.Sequential(nn.Linear(6, 20), norm, activation, nn.Linear(20, 20), copy.deepcopy(activation))
    return network.append(nn.Linear(20, 4)).double()


def layered(normalization: str, activation: str) -> MLP:
    function = make_activation(activation, dilation=1.2, shift=0.5)
    layers = uniform_layers([20, 20, 4], activation=function, normalization=normalization)
    description = Layered(6, layers, (Skip(start=1, end=3, matrix=True),))
    return MLP(description, gaussian(description, [1 / 6, 1 / 20, 1 / 20], seed=1))


def test_statistics_are_those_of_one_batch_for_every_other_one(inputs: Tensor) -> None:
    network = normalized(nn.Tanh())
    batch, others = inputs[:20], inputs[20:]
    whole = copy.deepcopy(network)
    frozen = freeze_statistics(network, network, batch)
    torch.testing.assert_close(frozen(batch), whole(batch))
    signal = whole[0](batch)
    mean, variance = signal.mean(0), signal.var(0, correction=0)
    norm = whole[1]
    by_hand = whole[2:]((whole[0](others) - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias)
    torch.testing.assert_close(frozen(others), by_hand)
    torch.testing.assert_close(frozen(others[:1]), by_hand[:1])


def test_statistics_of_a_layered_network_are_frozen_likewise(inputs: Tensor) -> None:
    network = layered("batch", "relu")
    whole, batch, others = copy.deepcopy(network), inputs[:20], inputs[20:]
    frozen = freeze_statistics(network, network, batch)
    torch.testing.assert_close(frozen(batch), whole(batch))
    together = torch.cat([others, batch])

    def of_batch(signal: Tensor, kind: str) -> Tensor:
        """The statistics of the rows at the end."""
        last = signal[-20:]
        return signal if kind == "none" else (signal - last.mean(0)) * (last.var(0, correction=0) + EPSILON).rsqrt()

    whole.normalize = of_batch  # type: ignore[method-assign]
    torch.testing.assert_close(frozen(others), whole(together)[:40])


def test_the_jacobian_is_that_of_the_loss_s_probabilities_with_frozen_statistics(inputs: Tensor) -> None:
    network = normalized(nn.Tanh())
    found = initial_probability_jacobian(network, inputs, loss_scale=3.0, batch_size=60)
    signal = network[0](inputs)
    running = copy.deepcopy(network).eval()
    running[1].running_mean, running[1].running_var = signal.mean(0).detach(), signal.var(0, correction=0).detach()
    running[-1].weight.data /= 3
    running[-1].bias.data /= 3
    assert found == pytest.approx(distnlc.probability_jacobian(running, inputs).norm, rel=1e-10)


def test_without_batch_norm_it_is_the_public_one(inputs: Tensor, mlp) -> None:
    network = mlp([6, 20, 4], seed=1)
    found = initial_probability_jacobian(network, inputs, batch_size=60)
    assert found == pytest.approx(distnlc.probability_jacobian(network, inputs).norm, rel=1e-10)


@pytest.mark.parametrize("activation", [nn.ReLU6(), nn.GELU(), nn.SELU(), nn.Tanh()])
def test_transitions_count_neurons_that_pass_zero_along_ellipses_of_three_classes(
    activation: nn.Module, inputs: Tensor, labels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, ellipses = normalized(activation), list[Tensor]()
    running = copy.deepcopy(network).eval()
    signal = network[0](inputs)
    running[1].running_mean, running[1].running_var = signal.mean(0).detach(), signal.var(0, correction=0).detach()

    def noted(points: Tensor) -> object:
        ellipses.append(points)
        return ellipse(points)

    monkeypatch.setattr(initial_sensitivity, "ellipse", noted)
    found, counts = initial_transitions(network, inputs, labels, batch_size=60, seed=2), []
    for points in ellipses:
        rows = [int((inputs == point).all(1).nonzero()) for point in points]
        assert len({int(labels[row]) for row in rows}) == 3
        along = ellipse(points)(initial_sensitivity.SAMPLES)
        codes = [running[:2](along) > 0, running[:4](along) > 0]
        counts.append(sum(int((each ^ each.roll(-1, 0)).sum()) for each in codes))
    assert len(counts) == initial_sensitivity.ELLIPSES
    assert len({tuple(points.flatten().tolist()) for points in ellipses}) > 1
    assert found == pytest.approx(sum(counts) / len(counts))
    assert found == initial_transitions(network, inputs, labels, batch_size=60, seed=2)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("activation", ["relu6", "selu", "gaussian"])
def test_transitions_of_a_layered_network_are_where_tau_s_argument_is_zero(
    normalization: str, activation: str, inputs: Tensor, labels: Tensor
) -> None:
    """A module that is alike, with an activation module that knows no scale, counts the same."""
    network = layered(normalization, activation)

    class Written(nn.Module):
        """The same network with its activation functions' arguments written out."""

        def __init__(self) -> None:
            super().__init__()
            self.network, self.arguments = copy.deepcopy(network), nn.ModuleList([nn.Tanh(), nn.Tanh()])

        def forward(self, batch: Tensor) -> Tensor:
            linears, act = self.network.linears, self.network.layered.layers[0].activation
            first = linears[0](batch)
            second_in = self.network.normalize(first, normalization)
            self.arguments[0](1.2 * second_in + 0.5)
            second = self.network.normalize(linears[1](act(second_in)), normalization)
            self.arguments[1](1.2 * second + 0.5)
            return linears[2](act(second)) + first @ self.network.matrices[0].T

    written = Written()
    torch.testing.assert_close(written(inputs), network(inputs))
    assert initial_transitions(network, inputs, labels, batch_size=60) > 0
    frozen = [freeze_statistics(each, each, inputs) for each in (network, written)]
    for row in (0, 4):
        points = ellipse(inputs[row : row + 3])(512)
        counts = [
            sum(int(each.sum()) for each in changes_along(function, module, [points], zero=True).closed().values())
            for function, module in zip(frozen, (network, written.arguments), strict=True)
        ]
        assert counts[0] == counts[1] > 0


def test_doubling_the_samples_moves_ordinary_networks_little(
    inputs: Tensor, labels: Tensor, mlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [mlp([6, *[40] * depth, 4], seed=1, gain=1.2) for depth in (2, 5)]
    few = [initial_transitions(network, inputs, labels) for network in networks]
    monkeypatch.setattr(initial_sensitivity, "SAMPLES", 8192)
    many = [initial_transitions(network, inputs, labels) for network in networks]
    assert few == pytest.approx(many, rel=0.01)


def test_where_they_are_undefined_the_reason_is_said(inputs: Tensor, labels: Tensor, mlp) -> None:
    network = mlp([6, 20, 4], seed=1)
    with pytest.raises(ValueError, match="three classes, there are 2"):
        initial_transitions(network, inputs, labels % 2)
    with pytest.raises(ValueError, match="no activation module"):
        initial_transitions(mlp([6, 4], seed=1), inputs, labels)
    with pytest.raises(ValueError, match="neurons can be seen in a torch module only"):
        initial_transitions(torch.tanh, inputs, labels)
    by_hand = mlp([6, 20, 4], seed=1, batch_norm=True)  # computed by hand, so nobody knows it as a batch norm
    with pytest.raises(ValueError, match="depend on the other points of its batch"):
        initial_transitions(by_hand, inputs, labels)
    with pytest.raises(ValueError, match="depend on the other points of its batch"):
        initial_probability_jacobian(by_hand, inputs)
    with pytest.raises(ValueError, match="at least two outputs"):
        initial_probability_jacobian(mlp([6, 5, 1], seed=1), inputs)


def test_the_network_is_left_as_it_was(inputs: Tensor, labels: Tensor) -> None:
    for network in (normalized(nn.ReLU(inplace=True)), layered("batch", "relu")):
        before = copy.deepcopy(network.state_dict())
        for _ in range(2):
            initial_transitions(network, inputs, labels)
            initial_probability_jacobian(network, inputs)
        torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)
        assert all(not each._forward_pre_hooks for each in network.modules())
        assert network.training
        assert not torch.equal(network(inputs[:20]), network(inputs[:40])[:20])


def test_images_of_any_shape_are_taken(labels: Tensor, normal) -> None:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(64, 4)
    network, images = nn.Sequential(*layers), normal(60, 1, 6, 6, seed=1).float()
    assert 0 < initial_probability_jacobian(network, images) < 10
    found = [initial_transitions(network, images, labels, seed=seed) for seed in (0, 1)]
    assert all(10 < each < 1000 for each in found)
    assert found[0] != found[1]
