"""What a measurement of scaling says beside its numbers, and what it refuses."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distnlc import scaling
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layer, Layered
from distnlc.networks.mlp import MLP
from tests.helpers.sensitivities import Calling


def test_batch_norm_is_measured_with_the_points_statistics_and_noted(normal: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 3)).double()
    found = scaling(network, normal(40, 6, seed=0), samples=40, draws=1)
    assert any("batch norm has the statistics of the measured points" in each for each in found.advice)
    layers = [Layer(width=20, normalization="batch"), Layer(width=3)]
    layered = Layered(6, layers)
    by_hand = scaling(MLP(layered, gaussian(layered, [1 / 6, 1 / 20], 0)), normal(40, 6, seed=0), samples=40, draws=1)
    assert by_hand.imbalance > 0
    assert by_hand.notes == found.notes


def test_the_advice_names_what_is_wrong(normal: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 32, 3), nn.Sigmoid(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.AvgPool2d(5)),
        *(nn.Flatten(), nn.Linear(128, 10)),
    )
    with torch.no_grad():
        network[2].bias.zero_()
    text = str(scaling(network, normal(8, 3, 14, 14, seed=0) + 1, samples=8, draws=1))
    for said in (
        "between 2 and 6 s is not kept",
        "0, 6: random biases",
        "the inputs are not centred: their mean is 0.7",
    ):
        assert said in text
    network[6].weight.data.zero_()
    zeros = scaling(network, normal(8, 3, 14, 14, seed=0), samples=2, draws=1)
    assert math.isnan(zeros.imbalance)
    assert {"6: no gamma, its weights are all 0", "0: no gamma, it gets no gradient"} <= set(zeros.advice)
    empty = scaling(network, torch.zeros(4, 3, 14, 14), samples=2, draws=1)
    assert "0: no gamma, its inputs are all 0" in empty.advice


NETWORK, INPUTS = nn.Linear(6, 3), torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
BAD: list[tuple[Any, Any, dict[str, Any], str]] = [
    (nn.Sequential(nn.ReLU()), INPUTS, {}, "must be a module with weight layers"),
    (torch.relu, INPUTS, {}, "must be a module with weight layers"),
    (NETWORK, INPUTS[:, :5], {}, r"Linear.*mat1 and mat2 shapes cannot be multiplied \(1x5 and 6x3\)"),
    (nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), INPUTS[:, :5], {}, r"the network's module 1 \(Linear\)"),
    (NETWORK, INPUTS[:1], {}, "at least 2 datapoints"),
    (NETWORK, INPUTS / 0, {}, "inputs must be finite"),
    (NETWORK, INPUTS.long(), {}, "float32 or float64 tensor"),
    (NETWORK, [[1.0]], {}, "float32 or float64 tensor"),
    (nn.Sequential(NETWORK, nn.Unflatten(1, (3, 1))), INPUTS, {}, r"must return \(1, d\)"),
    (nn.Linear(6, 10_001), INPUTS, {}, "may have 10,000 outputs, found 10,001: give a loss"),
    (NETWORK, INPUTS, {"loss": lambda y, _: y}, "the loss must return one number"),
    (NETWORK, INPUTS, {"loss": lambda y, _: y.detach().sum()}, "the loss has no derivative"),
    (NETWORK, INPUTS, {"loss": lambda y, _: y.sum() / 0}, "the loss must be finite, but of point"),
    (NETWORK, INPUTS, {"loss": lambda *_: 1.0}, "the loss must return one number"),
    (nn.Linear(6, 3, device="meta"), INPUTS, {}, "on meta: scaling_plan reads shapes alone"),
    (nn.Sequential(nn.LazyLinear(3)), INPUTS, {}, "the network is lazy"),
    (NETWORK, INPUTS, {"samples": 0}, "samples must be at least 1, found 0"),
    (NETWORK, INPUTS, {"draws": 0}, "draws must be at least 1, found 0"),
    (Calling(lambda self, x: self.a(x).detach(), a=nn.Linear(6, 3)), INPUTS, {}, "outputs have no derivative"),
]


@pytest.mark.parametrize(("network", "inputs", "settings", "said"), BAD, ids=[each[-1] for each in BAD])
def test_what_cannot_be_measured_is_refused(network: Any, inputs: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        scaling(network, inputs, **settings)
