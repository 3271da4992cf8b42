"""The plain network against its layers written out one by one (section C)."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from distnlc.networks.architecture import Architecture
from distnlc.networks.mlp import MLP

STRENGTH = 0.6
NORMALIZATIONS = ["none", "batch", "layer"]


def architecture(depth: int, normalization: str, skip_start: str = "none", width: int = 6) -> Architecture:
    return Architecture(
        index=0,
        seed=5,
        d_in=4,
        d_out=3,
        depth=depth,
        width=width,
        activation="selu",
        dilation=1.2,
        shift=-0.2,
        debiased=True,
        bias_variance=0.05,
        initial_scale=1.1,
        normalization=normalization,
        skip_strength=0.0 if skip_start == "none" else STRENGTH,
        skip_start=skip_start,
    )


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(10, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def normed(signal: Tensor, kind: str) -> Tensor:
    if kind == "batch":
        return (signal - signal.mean(0)) / torch.sqrt(signal.var(0, correction=0) + 1e-12)
    if kind == "layer":
        mean, variance = signal.mean(1)[:, None], signal.var(1, correction=0)[:, None]
        return (signal - mean) / torch.sqrt(variance + 1e-12)
    return signal


def depth_3(net: MLP, x: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    (w1, b1, w2, b2, w3, b3), act = net.parameters(), net.activation
    a1 = x @ w1.T + b1
    h1 = act(norm(a1))
    a2 = h1 @ w2.T + b2
    h2 = act(norm(a2))
    return h2 @ w3.T + b3


def depth_3_from_linear(net: MLP, x: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    (w1, b1, w2, b2, w3, b3), act, p = net.parameters(), net.activation, net.projection
    assert p is not None
    a1 = x @ w1.T + b1
    h1 = act(norm(a1))
    a2 = h1 @ w2.T + b2
    h2 = act(norm(a2))
    return h2 @ w3.T + b3 + STRENGTH * a1 @ p.T


def depth_3_from_normalization(net: MLP, x: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    (w1, b1, w2, b2, w3, b3), act, p = net.parameters(), net.activation, net.projection
    assert p is not None
    n1 = norm(x @ w1.T + b1)
    h1 = act(n1)
    a2 = h1 @ w2.T + b2
    h2 = act(norm(a2))
    return h2 @ w3.T + b3 + STRENGTH * n1 @ p.T


def depth_5(net: MLP, x: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    (w1, b1, w2, b2, w3, b3, w4, b4, w5, b5), act = net.parameters(), net.activation
    h1 = act(norm(x @ w1.T + b1))
    h2 = act(norm(h1 @ w2.T + b2))
    h3 = act(norm(h2 @ w3.T + b3))
    h4 = act(norm(h3 @ w4.T + b4))
    return h4 @ w5.T + b5


def depth_5_from_linear(net: MLP, x: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    (w1, b1, w2, b2, w3, b3, w4, b4, w5, b5), act, p = net.parameters(), net.activation, net.projection
    assert p is not None
    a1 = x @ w1.T + b1
    h1 = act(norm(a1))
    h2 = act(norm(h1 @ w2.T + b2))
    a3 = h2 @ w3.T + b3 + STRENGTH * a1
    h3 = act(norm(a3))
    h4 = act(norm(h3 @ w4.T + b4))
    return h4 @ w5.T + b5 + STRENGTH * a3 @ p.T


def depth_5_from_normalization(net: MLP, x: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    (w1, b1, w2, b2, w3, b3, w4, b4, w5, b5), act, p = net.parameters(), net.activation, net.projection
    assert p is not None
    n1 = norm(x @ w1.T + b1)
    h1 = act(n1)
    h2 = act(norm(h1 @ w2.T + b2))
    n3 = norm(h2 @ w3.T + b3 + STRENGTH * n1)
    h3 = act(n3)
    h4 = act(norm(h3 @ w4.T + b4))
    return h4 @ w5.T + b5 + STRENGTH * n3 @ p.T


WRITTEN_OUT = {
    (3, "none"): depth_3,
    (3, "linear"): depth_3_from_linear,
    (3, "normalization"): depth_3_from_normalization,
    (5, "none"): depth_5,
    (5, "linear"): depth_5_from_linear,
    (5, "normalization"): depth_5_from_normalization,
}


@pytest.mark.parametrize(("kind", "normalization"), list(itertools.product(WRITTEN_OUT, NORMALIZATIONS)))
def test_the_network_computes_its_layers(kind: tuple[int, str], normalization: str, inputs: Tensor) -> None:
    depth, skip_start = kind
    network = architecture(depth, normalization, skip_start).build()
    expected = WRITTEN_OUT[kind](network, inputs, lambda signal: normed(signal, normalization))
    outputs = network(inputs)
    assert outputs.shape == (10, 3)
    assert outputs.dtype == torch.float64
    torch.testing.assert_close(outputs, expected, rtol=1e-12, atol=1e-12)


def test_the_network_starts_from_the_architectures_parameters() -> None:
    drawn = architecture(5, "batch", "linear")
    network, initial = drawn.build(), drawn.initial_parameters()
    expected = [tensor for layer in zip(initial.weights, initial.biases, strict=True) for tensor in layer]
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), expected, strict=True))
    assert network.projection is not None
    assert initial.projection is not None
    assert torch.equal(network.projection, initial.projection)


def test_the_projection_is_kept_with_the_network_but_not_trained() -> None:
    network = architecture(5, "batch", "linear").build()
    assert network.projection is not None
    assert not network.projection.requires_grad
    assert "projection" in network.state_dict()
    assert [name for name, _ in network.named_parameters()] == [
        f"linears.{layer}.{part}" for layer in range(5) for part in ("weight", "bias")
    ]
    assert architecture(5, "batch").build().projection is None


def test_batch_norm_uses_the_current_batch_in_evaluation_too(inputs: Tensor) -> None:
    network = architecture(5, "batch").build()
    training = network.train()(inputs)
    network.eval()
    assert torch.equal(network(inputs), training)
    network(100 * inputs)  # no statistics are kept
    assert torch.equal(network(inputs), training)
    assert not torch.allclose(network(inputs[:5]), training[:5])


@pytest.mark.parametrize(
    ("normalization", "skip_start"), list(itertools.product(["none", "layer"], ["none", "linear", "normalization"]))
)
def test_layer_norm_and_no_norm_treat_each_datapoint_alone(normalization: str, skip_start: str, inputs: Tensor) -> None:
    network = architecture(5, normalization, skip_start).build()
    alone = torch.cat([network(inputs[row : row + 1]) for row in range(len(inputs))])
    torch.testing.assert_close(network(inputs), alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_a_constant_signal_is_normalized_to_zero_and_not_to_nan(normalization: str) -> None:
    network = architecture(3, normalization).build()
    weight, bias, *_ = network.parameters()
    with torch.no_grad():
        weight.zero_()
        bias.fill_(0.25)
    inputs = torch.ones(10, 4, dtype=torch.float64)
    outputs = network(inputs)
    outputs.sum().backward()
    assert outputs.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
