"""The plain network against its layers written out one by one (section C)."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from distnlc.networks.architecture import Architecture
from distnlc.networks.mlp import MLP

STRENGTH = 0.6
Signal = Callable[[Tensor], Tensor]


def architecture(depth: int, normalization: str, skip_start: str = "none") -> Architecture:
    size = {"index": 0, "seed": 5, "d_in": 4, "d_out": 3, "depth": depth, "width": 6}
    drawn = {"dilation": 1.2, "shift": -0.2, "debiased": True, "bias_variance": 0.05, "initial_scale": 1.1}
    kinds = {"activation": "selu", "normalization": normalization, "skip_start": skip_start}
    return Architecture(**size, **drawn, **kinds, skip_strength=0.0 if skip_start == "none" else STRENGTH)


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


def depth_3(net: MLP, x: Tensor, norm: Signal, carried: Signal, project: Signal) -> Tensor:
    (w1, b1, w2, b2, w3, b3), act = net.parameters(), net.layered.layers[0].activation
    a1 = x @ w1.T + b1
    h2 = act(norm(act(norm(a1)) @ w2.T + b2))
    return h2 @ w3.T + b3 + project(carried(a1))


def depth_5(net: MLP, x: Tensor, norm: Signal, carried: Signal, project: Signal) -> Tensor:
    (w1, b1, w2, b2, w3, b3, w4, b4, w5, b5), act = net.parameters(), net.layered.layers[0].activation
    a1 = x @ w1.T + b1
    h2 = act(norm(act(norm(a1)) @ w2.T + b2))
    a3 = h2 @ w3.T + b3 + carried(a1)
    h4 = act(norm(act(norm(a3)) @ w4.T + b4))
    return h4 @ w5.T + b5 + project(carried(a3))


@pytest.mark.parametrize("written_out", [depth_3, depth_5])
@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("skip_start", ["none", "linear", "normalization"])
def test_the_network_computes_its_layers(
    written_out: Callable[..., Tensor], normalization: str, skip_start: str, inputs: Tensor
) -> None:
    network = architecture(int(written_out.__name__[-1]), normalization, skip_start).build()

    def norm(signal: Tensor) -> Tensor:
        return normed(signal, normalization)

    def carried(signal: Tensor) -> Tensor:
        """What a skip connection adds that begins with this layer's linear operation."""
        return {"none": 0 * signal, "linear": STRENGTH * signal, "normalization": STRENGTH * norm(signal)}[skip_start]

    def project(signal: Tensor) -> Tensor | float:
        return signal @ network.matrices[0].T if network.matrices else 0.0

    expected = written_out(network, inputs, norm, carried, project)
    assert (not network.matrices) == (skip_start == "none")
    torch.testing.assert_close(network(inputs), expected, rtol=1e-12, atol=1e-12)


def test_the_network_starts_from_the_architectures_parameters_and_its_projection_is_not_trained() -> None:
    drawn = architecture(5, "batch", "linear")
    network, initial = drawn.build(), drawn.initial_parameters()
    expected = [tensor for layer in zip(initial.weights, initial.biases, strict=True) for tensor in layer]
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), expected, strict=True))
    assert torch.equal(network.state_dict()["matrix0"], initial.matrices[0])
    assert not network.matrices[0].requires_grad


def test_batch_norm_uses_the_current_batch_in_evaluation_too(inputs: Tensor) -> None:
    network = architecture(5, "batch").build()
    training = network.train()(inputs)
    network.eval()
    network(100 * inputs)  # no statistics are kept
    assert torch.equal(network(inputs), training)


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
