"""Gradient norm, SNIP, GraSP and Fisher against closed forms and slow obvious ways."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.metrics import weight_gradients
from distnlc.metrics.fisher import fisher
from distnlc.metrics.gradient_norm import gradient_norm
from distnlc.metrics.grasp import grasp
from distnlc.metrics.measurable import UnmeasurableError
from distnlc.metrics.snip import snip
from distnlc.networks.activations import make_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP

SCALE = 1.7
PROXIES = (gradient_norm, snip, grasp, fisher)


@pytest.fixture
def inputs(normal) -> Tensor:
    return normal(20, 6, seed=3)


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(20) % 4


@pytest.fixture
def images(normal) -> Tensor:
    return normal(20, 2, 6, 6, seed=4)


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.Tanh(), nn.Conv2d(5, 4, 3), nn.Flatten(), nn.Linear(16, 4)
    return nn.Sequential(*layers).double()


def layered(normalization: str) -> MLP:
    function = make_activation("tanh", dilation=1.2, shift=0.5)
    description = Layered(6, uniform_layers([9, 9, 4], activation=function, normalization=normalization))
    return MLP(description, gaussian(description, [1 / 6, 1 / 9, 1 / 9], seed=1))


def loss_of(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(network(inputs) / SCALE, labels)


def gradients(network: nn.Module, inputs: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(weight, its gradient) of all the points as one batch."""
    network = copy.deepcopy(network)
    loss_of(network, inputs, labels).backward()
    return [(each.detach(), each.grad) for each in network.parameters() if each.ndim > 1 and each.grad is not None]


def test_of_one_layer_they_are_those_of_softmax_regression(inputs: Tensor, labels: Tensor) -> None:
    network = nn.Linear(6, 4).double()
    wrong = (torch.softmax(network(inputs), 1) - functional.one_hot(labels, 4)).detach()
    by_hand = wrong.T @ inputs / 20
    assert gradient_norm(network, inputs, labels) == pytest.approx(float(by_hand.norm()))
    weight = network.weight.detach()
    assert snip(network, inputs, labels) == pytest.approx(float((weight * by_hand).abs().sum()))
    outputs = network(inputs).detach()
    assert fisher(network, inputs, labels) == pytest.approx(float((outputs * wrong).square().sum()) / 40)


@pytest.mark.parametrize("make", [convolutional, lambda: convolutional().eval()], ids=["training", "evaluation"])
def test_they_are_the_sums_over_layers_of_one_ordinary_backward_pass(
    make: Callable[[], nn.Module], images: Tensor, labels: Tensor
) -> None:
    network = make()
    pairs = gradients(network, images, labels)
    assert len(pairs) == 3
    norm, sensitivity = sum(float(g.norm()) for _, g in pairs), sum(float((w * g).abs().sum()) for w, g in pairs)
    assert gradient_norm(network, images, labels, loss_scale=SCALE) == pytest.approx(norm)
    assert snip(network, images, labels, loss_scale=SCALE) == pytest.approx(sensitivity)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_grasp_is_minus_half_the_growth_of_the_squared_gradient_with_the_weights(
    normalization: str, inputs: Tensor, labels: Tensor
) -> None:
    network, step = layered(normalization), 1e-5

    def squared(factor: float) -> float:
        scaled = copy.deepcopy(network)
        for each in scaled.parameters():
            each.data *= factor if each.ndim > 1 else 1
        return sum(float(g.square().sum()) for _, g in gradients(scaled, inputs, labels))

    slope = (squared(1 + step) - squared(1 - step)) / (2 * step)
    assert grasp(network, inputs, labels, loss_scale=SCALE) == pytest.approx(-slope / 2, rel=1e-6)


def test_grasp_of_weights_whose_size_batch_norm_takes_away_is_the_squared_gradient(
    inputs: Tensor, labels: Tensor
) -> None:
    torch.manual_seed(0)
    layers = nn.Linear(6, 9), nn.BatchNorm1d(9, eps=1e-12), nn.ReLU(), nn.Linear(9, 4), nn.BatchNorm1d(4, eps=1e-12)
    network = nn.Sequential(*layers).double()
    square = sum(float(g.square().sum()) for _, g in gradients(network, inputs, labels))
    assert grasp(network, inputs, labels, loss_scale=SCALE) == pytest.approx(square)


@pytest.mark.parametrize("training", [True, False])
def test_fisher_is_of_a_layer_s_own_outputs_also_where_they_are_changed_in_place(
    training: bool, images: Tensor, labels: Tensor
) -> None:
    def network(inplace: bool) -> nn.Sequential:
        torch.manual_seed(0)
        first = nn.Conv2d(2, 5, 3), nn.ELU(inplace=inplace), nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4)
        return nn.Sequential(*first, nn.Flatten(), nn.Linear(16, 4), nn.Hardtanh(inplace=inplace)).double()

    plain, changed = (network(inplace).train(training) for inplace in (False, True))
    assert fisher(changed, images, labels) == fisher(plain, images, labels)


def test_fisher_is_the_squared_gradient_by_a_mask_of_each_channel(images: Tensor, labels: Tensor) -> None:
    network = convolutional().eval()
    total = 0.0
    for point, label in zip(images, labels, strict=True):
        signal, masks = point[None], []
        for each in network:
            signal = each(signal)
            if isinstance(each, nn.Conv2d | nn.Linear):
                masks.append(torch.ones(signal.shape[1], dtype=torch.float64, requires_grad=True))
                signal = signal * masks[-1].view(1, -1, *[1] * (signal.ndim - 2))
        loss = functional.cross_entropy(signal / SCALE, label[None])
        total += sum(float(each.square().sum()) for each in torch.autograd.grad(loss, masks))
    assert fisher(network, images, labels, loss_scale=SCALE) == pytest.approx(total / 40)


@pytest.mark.parametrize("proxy", PROXIES)
def test_parts_of_a_batch_add_up_to_the_whole(
    proxy: Callable[..., float], images: Tensor, labels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = convolutional().eval()
    found = proxy(network, images, labels)
    monkeypatch.setattr(weight_gradients, "PART", 20)
    assert found == pytest.approx(proxy(network, images, labels), rel=1e-12)


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_network_is_left_as_it_was_and_its_dropout_is_switched_off(
    proxy: Callable[..., float], images: Tensor, labels: Tensor
) -> None:
    network = convolutional()
    dropped = copy.deepcopy(network).insert(3, nn.Dropout(0.5))
    before = copy.deepcopy(network.state_dict())
    assert proxy(dropped, images, labels) == pytest.approx(proxy(network, images, labels))
    torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)
    assert all(each.grad is None and each.requires_grad for each in network.parameters())


@pytest.mark.parametrize("proxy", PROXIES)
def test_what_has_no_value_is_refused_with_the_reason(
    proxy: Callable[..., float], inputs: Tensor, labels: Tensor
) -> None:
    with pytest.raises(UnmeasurableError, match=r"must (have weights|be a module|be a torch module)"):
        proxy(lambda batch: batch, inputs, labels)
    with pytest.raises(ValueError, match=r"labels must be whole numbers in 0 \.\.\. 2"):
        proxy(nn.Linear(6, 3).double(), inputs, labels)
    with pytest.raises(UnmeasurableError, match="at least two outputs, the network has 1"):
        proxy(nn.Linear(6, 1).double(), inputs, labels)
    broken = nn.Linear(6, 4).double()
    nn.init.constant_(broken.weight, 1e308)
    with pytest.raises(UnmeasurableError, match="beyond the largest number"):
        proxy(broken, inputs, labels)


class OnceOnly(torch.autograd.Function):
    @staticmethod
    def forward(_, signal: Tensor) -> Tensor:
        return signal.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(_, gradient: Tensor) -> Tensor:
        return gradient


def test_grasp_of_attention_is_exact_too(normal, labels: Tensor) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.last = nn.MultiheadAttention(6, 2, batch_first=True), nn.Linear(6, 4)

        def forward(self, signal: Tensor) -> Tensor:
            return self.last(self.attention(signal, signal, signal, need_weights=False)[0].mean(1))

    torch.manual_seed(0)
    network, sequences = Network().double(), normal(20, 5, 6, seed=1)

    def squared(factor: float) -> float:
        scaled = copy.deepcopy(network)
        for each in scaled.parameters():
            each.data *= factor if each.ndim > 1 else 1
        return sum(float(g.square().sum()) for _, g in gradients(scaled, sequences, labels))

    slope = (squared(1 + 1e-5) - squared(1 - 1e-5)) / 2e-5
    assert grasp(network, sequences, labels, loss_scale=SCALE) == pytest.approx(-slope / 2, rel=1e-6)


def test_grasp_needs_two_derivatives(inputs: Tensor, labels: Tensor) -> None:
    class Network(nn.Linear):
        def forward(self, signal: Tensor) -> Tensor:
            return OnceOnly.apply(super().forward(signal))

    network = Network(6, 4).double()
    assert snip(network, inputs, labels) > 0
    with pytest.raises(UnmeasurableError, match="cannot be differentiated twice"):
        grasp(network, inputs, labels)
