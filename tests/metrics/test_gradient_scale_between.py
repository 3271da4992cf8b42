"""Gradient scale coefficients between places, against full Jacobians (spec 2, section 2.3)."""

import math

import pytest
import torch
from torch import Tensor

from distnlc.metrics.gradient_scale_between import gradient_scale_between
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layer, Layered, Skip
from distnlc.networks.mlp import MLP

TANH = plain_activation("tanh")


def network(normalization: str = "layer", skips: tuple[Skip, ...] = (), width: int = 5) -> MLP:
    layers = tuple(Layer(width=width, bias=False, normalization=normalization, activation=TANH) for _ in range(4))
    layered = Layered(4, layers, skips)
    return MLP(layered, gaussian(layered, [0.3] * 4, seed=3))


def inputs(points: int = 3) -> Tensor:
    return torch.randn(points, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def from_linear(net: MLP, signal: Tensor, first: int) -> Tensor:
    """The network above the linear operation of layer `first`, whose skip connections end and begin below."""
    for linear, layer in zip(list(net.linears)[first:], net.layered.layers[first:], strict=True):
        signal = linear(torch.tanh(net.normalize(signal, layer.normalization)))
    return torch.tanh(net.normalize(signal, net.layered.layers[-1].normalization))


@pytest.mark.parametrize("normalization", ["none", "layer", "length"])
def test_all_pairs_agree_with_the_full_jacobians(normalization: str) -> None:
    net, points = network(normalization), inputs()
    signals, step = [points, *(each.detach() for each in net.signals(points))], 2 if normalization == "none" else 3
    found = gradient_scale_between(net, points)
    for layer in (1, 2, 4):
        place = 1 + step * (layer - 1)
        jacobians = [
            torch.autograd.functional.jacobian(lambda row, layer=layer: from_linear(net, row[None], layer)[0], point)
            for point in signals[place]
        ]
        norm = math.sqrt(sum(float(j.square().sum()) for j in jacobians) / len(points) / 5)
        lengths = [float(signals[k].norm(dim=1).square().mean().sqrt()) for k in (place, -1)]
        assert float(found[place, -1]) == pytest.approx(norm * lengths[0] / lengths[1], rel=1e-12)
    alone = gradient_scale_between(net, points, above=-1)
    assert alone[:, -1].equal(found[:, -1])
    assert alone[:, :-1].isnan().all()
    assert found.diagonal().tolist() == pytest.approx([1] * len(signals))
    assert found.tril(-1).isnan().sum() == len(signals) * (len(signals) - 1) / 2


def test_random_signs_estimate_the_exact_value() -> None:
    net, points = network(), inputs(400)
    exact, estimated = gradient_scale_between(net, points), gradient_scale_between(net, points, probes=20)
    ratio = (estimated / exact)[~exact.isnan()]
    assert float((ratio - 1).abs().max()) < 0.05


def test_batch_norm_needs_probes_whose_gradient_runs_through_its_statistics() -> None:
    net, points = network("batch"), inputs(8)
    with pytest.raises(ValueError, match="give a number of probes"):
        gradient_scale_between(net, points)
    jacobian = torch.autograd.functional.jacobian(net, points)
    qm = float(jacobian.square().sum()) / 8 / 4
    top = net(points).detach()
    expected = math.sqrt(qm * float(points.square().sum() / top.square().sum()))
    assert float(gradient_scale_between(net, points, probes=400, above=-1)[0, -1]) == pytest.approx(expected, rel=0.05)


def test_places_that_a_skip_connection_leads_around_have_no_value() -> None:
    net, points = network("layer", (Skip(start=2, end=3), Skip(start=3, end=4, begins_after="normalization"))), inputs()
    found = gradient_scale_between(net, points)
    top = found[:, -1]  # places: the input, then linear, normalization and activation of each layer
    assert [place for place in range(13) if top[place].isnan()] == [5, 6, 9]
    assert not found[5, 6].isnan()  # both inside one block
    assert not found[4, 5].isnan()
    jacobian = torch.autograd.functional.jacobian(net, points[:1])
    lengths = float(points[0].norm() / net(points[:1]).detach().norm())
    alone = gradient_scale_between(net, points[:1])[0, -1]
    assert float(alone) == pytest.approx(float(jacobian.norm()) / 2 * lengths, rel=1e-12)
