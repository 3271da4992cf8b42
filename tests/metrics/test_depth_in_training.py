"""The effective depth of any module is that of the layered networks' own program; one update's bound is exact where it
must be; and networks that cannot be followed are refused by name."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc.metrics.depth_in_training import DepthInTraining, operator_norm
from distnlc.metrics.effective_depth import EffectiveDepth
from distnlc.metrics.gradient_lengths import GradientLengths
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.networks.mlp import MLP
from tests.helpers.residual_networks import BasicBlock, resnet, transformer
from tests.helpers.sensitivities import Calling

Loss = Callable[[Tensor], Tensor]


def cross_entropy(labels: Tensor) -> Loss:
    return lambda outputs: nn.functional.cross_entropy(outputs, labels, reduction="none")


def train(
    network: nn.Module, inputs: Tensor, loss: Loss, *, updates: int, step: float, depths: list[int] | None = None
) -> DepthInTraining:
    depth = distnlc.effective_depth(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=step)
    for _ in range(updates):
        depth.before_update(inputs, loss, optimizer)
        optimizer.zero_grad()
        loss(network(inputs)).mean().backward()
        optimizer.step()
        if depths is not None:
            depths.append(depth.depth())
    return depth


AFTER_NORM = [Skip(start=start, end=start + 2, begins_after="normalization") for start in (2, 4)]
SKIPS = {"vanilla": (), "residual": tuple(Skip(start=start, end=start + 2) for start in (1, 3, 5))}
SKIPS["behind the normalization"] = tuple(AFTER_NORM)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("skips", SKIPS.values(), ids=SKIPS)
@pytest.mark.parametrize("linear_first", [False, True])
def test_layered_networks_have_the_depth_of_their_own_program(normal, skips, normalization, linear_first) -> None:
    """Blocks begin with an activation function or with a linear layer, which gets what the skip connection gets. The
    program has the residuals' norms by singular values, which the power iterations follow to about a percent."""
    widths, tanh = [10] * 7 + [4], plain_activation("tanh")
    layers = uniform_layers(
        widths, activation=tanh, normalization=normalization, bias=False, output_normalization=normalization
    )
    if linear_first:
        plain = {skip.start for skip in skips}
        layers = tuple(
            replace(layer, activation=None) if number in plain else layer
            for number, layer in enumerate(layers, start=1)
        )
    layered = Layered(6, layers, skips)
    network = MLP(layered, gaussian(layered, [1 / width for width in layered.widths[:-1]], 0))
    initial = [layer.weight.detach().clone() for layer in network.linears]
    inputs, labels = normal(20, 6, seed=0), torch.arange(20) % 4
    own, optimizer = EffectiveDepth(8), torch.optim.SGD(network.parameters(), lr=0.3)
    depth = distnlc.effective_depth(network)
    for _ in range(3):
        weights = [layer.weight.detach().clone() for layer in network.linears]
        lengths = GradientLengths(layered, weights, [])
        lengths.backward(lengths.forward(inputs).softmax(1) - nn.functional.one_hot(labels, 4))
        norms = [torch.linalg.matrix_norm(now - then, 2) for now, then in zip(weights, initial, strict=True)]
        own.add(lengths.way(torch.stack(norms), [0.3 / 20] * 8), lengths.top)
        depth.before_update(inputs, cross_entropy(labels), optimizer)
        optimizer.zero_grad()
        cross_entropy(labels)(network(inputs)).mean().backward()
        optimizer.step()
    assert depth.sums is not None
    torch.testing.assert_close(depth.sums.sums, own.sums, rtol=0.02, atol=0)
    for threshold in (1e-2, 1e-4, 1e-6):
        assert depth.depth(threshold) == own.depth(threshold)


def test_a_convolution_over_the_whole_image_is_the_linear_layer_that_it_is(normal) -> None:
    torch.manual_seed(0)
    middle, last = nn.Linear(7, 6), nn.Linear(6, 3)
    convolution = nn.Conv2d(2, 7, 4)
    linear = nn.Linear(32, 7)
    linear.weight, linear.bias = (
        nn.Parameter(convolution.weight.detach().flatten(1)),
        nn.Parameter(convolution.bias.detach()),
    )
    one = nn.Sequential(convolution, nn.Flatten(), nn.Tanh(), middle, nn.Tanh(), last).double()
    other = nn.Sequential(
        nn.Flatten(), linear, nn.Tanh(), copy.deepcopy(middle), nn.Tanh(), copy.deepcopy(last)
    ).double()
    images, loss = normal(9, 2, 4, 4, seed=0), cross_entropy(torch.arange(9) % 3)
    found, expected = (train(each, images, loss, updates=3, step=0.5).sums for each in (one, other))
    torch.testing.assert_close(found.sums, expected.sums, rtol=0.02, atol=0)


@pytest.mark.parametrize("settings", [{"padding": 1}, {"stride": 2}, {"padding": 1, "padding_mode": "circular"}])
def test_the_operator_norm_of_a_convolution_is_that_of_its_matrix(normal, settings) -> None:
    convolution = nn.Conv2d(2, 3, 3, bias=False, **settings).double()
    matrix = convolution(torch.eye(50).double().reshape(50, 2, 5, 5)).detach().flatten(1)
    norm, vector = operator_norm(convolution, normal(1, 2, 5, 5, seed=0))
    assert float(norm) == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=0.02)
    again, _ = operator_norm(convolution, vector)
    assert norm <= again <= torch.linalg.matrix_norm(matrix, 2) * (1 + 1e-12)
    assert operator_norm(lambda signal: 0 * signal, vector)[0] == 0


def test_of_the_first_update_with_one_point_a_layer_of_vectors_has_its_exact_length(normal) -> None:
    """Nothing is residual yet. With more points, or patches of a convolution, the sum is a bound on the length."""
    for network, inputs, exact in (
        (nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double(), normal(1, 5, seed=0), True),
        (nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double(), normal(4, 5, seed=0), False),
        (resnet(downsample=False), normal(4, 3, 8, 8, seed=0), False),
        (nn.Sequential(nn.Conv1d(4, 6, 3, groups=2), nn.Flatten()).double(), normal(1, 4, 9, seed=0), False),
    ):
        depth = distnlc.effective_depth(network)
        before = {path: layer.weight.detach().clone() for path, layer in depth.layers.items()}
        sums = train(network, inputs, cross_entropy(torch.zeros(len(inputs)).long()), updates=1, step=0.5)
        moved = [(layer.weight.detach() - before[path]).norm().item() for path, layer in depth.layers.items()]
        assert sums.sums is not None
        bounds = sums.sums.sums[:, 0].tolist()
        assert not sums.sums.sums[:, 1:].any()
        assert sums.depth() == 0
        if exact:
            assert moved == pytest.approx(bounds, rel=1e-9)
        else:
            assert all(0 < length < bound for length, bound in zip(moved, bounds, strict=True))


def test_a_residual_network_trains_deeper_with_every_update_at_first(normal) -> None:
    images, loss = normal(8, 3, 8, 8, seed=0), cross_entropy(torch.arange(8) % 4)
    depths = list[int]()
    train(resnet(downsample=False), images, loss, updates=4, step=0.1, depths=depths)
    assert 0 == depths[0] < depths[1] <= depths[2] <= depths[3] < 8


def test_a_shared_layer_is_one_matrix_and_as_many_layers_as_it_has_calls(normal) -> None:
    torch.manual_seed(0)
    shared = Calling(lambda net, batch: net.same(torch.tanh(net.same(batch))), same=nn.Linear(4, 4)).double()
    first = copy.deepcopy(shared.same)
    apart = nn.Sequential(first, nn.Tanh(), copy.deepcopy(first))
    tied = nn.Sequential(first, nn.Tanh(), nn.Linear(4, 4).double())
    tied[2].weight = first.weight
    inputs, loss = normal(9, 4, seed=0), cross_entropy(torch.arange(9) % 4)
    once, twice, both = (train(each, inputs, loss, updates=1, step=0.5).sums.sums for each in (shared, apart, tied))
    assert once.shape == both.shape == (2, 3)
    torch.testing.assert_close(once[0], twice.sum(0))
    assert train(shared, inputs, loss, updates=3, step=0.5).depth() == 1


def test_a_step_may_be_a_number_and_momentum_counts_at_once(mlp, normal) -> None:
    network, inputs, loss = mlp([5, 7, 3], seed=0), normal(9, 5, seed=1), cross_entropy(torch.arange(9) % 3)
    found = []
    for step in (0.5, torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)):
        depth = distnlc.effective_depth(network)
        depth.before_update(inputs, loss, step)
        found.append(depth.sums.sums)
    torch.testing.assert_close(*found)
    halves = torch.optim.SGD([{"params": network[0].parameters(), "lr": 1.0}], lr=0.5)
    depth = distnlc.effective_depth(network)
    depth.before_update(inputs, loss, halves)
    torch.testing.assert_close(depth.sums.sums[0], 2 * found[0][0])
    assert not depth.sums.sums[1].any()


def test_frozen_layers_are_passed_and_have_no_sums(normal) -> None:
    network, images = resnet(), normal(8, 3, 8, 8, seed=0)
    network[5].downsample.requires_grad_(False)
    network[8].requires_grad_(False)
    depth = train(network, images, cross_entropy(torch.arange(8) % 5), updates=3, step=0.1)
    assert list(depth.layers) == ["0", *(f"{block}.conv{n}" for block in ("4.0", "4.1", "5") for n in (1, 2))]
    assert 1 <= depth.depth() < 7


def test_nothing_of_the_callers_changes(normal) -> None:
    network, images = resnet(downsample=False).float(), normal(8, 3, 8, 8, seed=0).float()
    state, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    distnlc.effective_depth(network).before_update(images, cross_entropy(torch.arange(8) % 4), 0.1)
    torch.testing.assert_close(dict(network.state_dict()), dict(state), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(each.grad is None and each.requires_grad for each in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


class Parallel(nn.Module):
    """Two layers side by side; with a gate, one of them scales the other."""

    def __init__(self, *, gate: bool) -> None:
        super().__init__()
        self.gate, self.left, self.right = gate, nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, batch: Tensor) -> Tensor:
        return self.left(batch).sigmoid() * self.right(batch) if self.gate else self.left(batch) + self.right(batch)


def scaled() -> nn.Module:
    module = Calling(lambda net, batch: net.scale * net.inner(batch), inner=nn.Linear(6, 6))
    module.scale = nn.Parameter(torch.ones(1))
    return module


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (
            transformer,
            r"but 0.self_attn \(MultiheadAttention\) has trained parameters .*: in_proj_bias, in_proj_weight",
        ),
        (scaled, r"but the network \(Calling\) has trained parameters of its own: scale"),
        (lambda: nn.Sequential(nn.Linear(6, 6), nn.LSTM(6, 6)), r"but 1 \(LSTM\) has trained parameters"),
        (
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)),
            "has trained parameters of its own: original0",
        ),
        (lambda: nn.Sequential(nn.Tanh()), "no Linear or Conv layer whose weight is trained"),
        (lambda: torch.tanh, "that of a torch module, found builtin_function_or_method"),
    ],
)
def test_networks_with_other_trained_parameters_are_refused_by_name(network, said) -> None:
    with pytest.raises(ValueError, match=said):
        distnlc.effective_depth(network())


def functional() -> nn.Module:
    return Calling(lambda net, batch: batch @ net.inner.weight.T, inner=nn.Linear(6, 6))


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (lambda: Parallel(gate=False), "the layers left, right are on different ways of the gradient"),
        (
            lambda: nn.Sequential(nn.Linear(6, 6), Parallel(gate=True)),
            "the layers 1.left, 1.right are on different ways",
        ),
        (functional, "the weights of inner are trained, but the network does not call it as a module"),
        (
            lambda: Calling(lambda net, batch: net.a(batch[:1].expand(3, 6)), a=nn.Linear(6, 6)),
            r"not of the shape \(5, ...",
        ),
        (
            lambda: Calling(lambda net, batch: batch + net.a(batch * 0 + 1).detach(), a=nn.Linear(6, 6)),
            "reaches none of .*: a",
        ),
        (lambda: nn.Sequential(nn.Linear(7, 6)), r"module 0 \(Linear\), where the inputs are float32 \(5, 6\), raised"),
    ],
)
def test_layers_in_another_order_are_refused_by_name(normal, network: Any, said) -> None:
    depth = distnlc.effective_depth(network())
    with pytest.raises(ValueError, match=said):
        depth.before_update(normal(5, 6, seed=0).float(), cross_entropy(torch.arange(5)), 0.1)


def test_a_trained_convolution_in_a_skip_connection_is_refused_by_name(normal) -> None:
    depth = distnlc.effective_depth(resnet())
    said = "the layers 5.downsample.0, 5.conv1, 5.conv2 are on different ways"
    with pytest.raises(ValueError, match=said):
        depth.before_update(normal(5, 3, 8, 8, seed=0), cross_entropy(torch.arange(5)), 0.1)


def test_other_optimizers_and_other_calls_are_refused(normal) -> None:
    network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6)).double()
    depth, inputs, loss = distnlc.effective_depth(network), normal(5, 6, seed=0), cross_entropy(torch.arange(5))
    with pytest.raises(ValueError, match=r"defined for torch.optim.SGD, .* not for Adam"):
        depth.before_update(inputs, loss, torch.optim.Adam(network.parameters()))
    depth.before_update(inputs, loss, 0.1)
    network.append(network[0])
    with pytest.raises(ValueError, match="in the order 0, 2, 0, but in its first update 0, 2"):
        depth.before_update(inputs, loss, 0.1)


def test_a_block_in_place_is_the_block_out_of_place(normal) -> None:
    """Gradients are found where they were before a later operation changed the tensor."""

    class OutOfPlace(BasicBlock):
        def forward(self, signal: Tensor) -> Tensor:
            inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(signal)))))
            return torch.relu(inner + signal)

    torch.manual_seed(0)
    in_place = nn.Sequential(nn.Conv2d(3, 4, 3), BasicBlock(4, 4), nn.Flatten(), nn.Linear(4 * 16, 3)).double()
    plain = copy.deepcopy(in_place)
    plain[1].__class__ = OutOfPlace
    images, loss = normal(8, 3, 6, 6, seed=0), cross_entropy(torch.arange(8) % 3)
    one, other = (train(each, images, loss, updates=3, step=0.1).sums.sums for each in (in_place, plain))
    torch.testing.assert_close(one, other)
