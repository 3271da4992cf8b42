"""chi and the ranks agree with propagation by hand and with closed forms; what cannot be measured is named with its
place; and nothing of the caller's changes."""

import copy
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import distnlc
from distnlc.metrics.normalized_sensitivity import Sensitivity, output_sensitivity, unit_noise
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import Parameters
from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.networks.mlp import EPSILON, MLP
from tests.helpers.sensitivities import Calling, chis

PAGE = Path(distnlc.__file__).parent / "metrics" / "normalized_sensitivity.md"


class Unit(nn.Module):
    """A residual unit before the activation: batch norm, ReLU, convolution, and the signal added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="circular")

    def forward(self, signal: Tensor) -> Tensor:
        return signal + self.conv(torch.relu_(self.norm(signal)))


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), Unit(6), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Flatten())
    with torch.no_grad():
        for norm in (network[1].norm, network[2]):
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_()
    return network.append(nn.Linear(6 * 16, 5)).double()


@pytest.fixture
def images(normal) -> Tensor:
    return normal(40, 3, 6, 6, seed=1) * torch.tensor([1.0, 2.0, 0.1])[:, None, None] + 0.5


def by_hand(network: nn.Sequential, images: Tensor, noise: Tensor) -> list[tuple[str, Tensor, Tensor]]:
    """Signal and noise at every place: the noise is convolved without bias, divided, and gated."""
    found = [("(input)", images, noise)]

    def seen(place: str, signal: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        found.append((place, signal, moved))
        return signal, moved

    def norm(module: nn.BatchNorm2d, signal: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        mean = signal.mean((0, 2, 3), keepdim=True)
        deviation = ((signal - mean).square().mean((0, 2, 3), keepdim=True) + module.eps).sqrt()
        weight, bias = (each[:, None, None] for each in (module.weight, module.bias))
        return weight * (signal - mean) / deviation + bias, weight * moved / deviation

    def relu(signal: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        return signal.clamp(min=0), (signal > 0) * moved

    stem, unit, last, _, _, linear = network
    signal, moved = seen("0", stem(images), functional.conv2d(noise, stem.weight))
    inner = seen("1.norm", *norm(unit.norm, signal, moved))
    gated, gated_noise = relu(*inner)
    wrapped = functional.pad(gated_noise, (1, 1, 1, 1), mode="circular")
    branch, branch_noise = seen("1.conv", unit.conv(gated), functional.conv2d(wrapped, unit.conv.weight))
    signal, moved = seen("1", signal + branch, moved + branch_noise)
    signal, moved = seen("2", *norm(last, signal, moved))
    signal, moved = seen("3", *relu(signal, moved))
    signal, moved = seen("4", signal.flatten(1), moved.flatten(1))
    found += [(place, linear(signal), moved @ linear.weight.T) for place in ("5", "(output)")]
    return found


@torch.no_grad()
def plainly(signal: Tensor, noise: Tensor) -> tuple[float, float, float, float]:
    """mu2(dx) / mu2(x), both ranks by singular values, and mu2 / nu2."""
    vectors, moved = (each.transpose(0, 1).flatten(1).T for each in (signal, noise))
    spread = vectors.var(0, correction=0).mean()
    ranks = [torch.linalg.svdvals(each - each.mean(0)).square() for each in (vectors, moved)]
    signal_rank, noise_rank = (float(each.sum() / each.max()) for each in ranks)
    share = spread / vectors.square().mean()
    return float(moved.square().mean() / spread), signal_rank, noise_rank, float(share)


def test_signal_and_noise_are_those_propagated_by_hand_with_batch_norm_and_a_skip(network, images) -> None:
    rows = distnlc.normalized_sensitivity(network, images, noise_seed=3)
    noise = unit_noise(images, 3)
    with torch.no_grad():
        expected = by_hand(network, images, noise)
    at_input = plainly(images, noise)[0]
    assert [row.place for row in rows] == [place for place, *_ in expected]
    for row, (place, signal, moved) in zip(rows, expected, strict=True):
        factor, *ranks, share = plainly(signal, moved)
        found = (row.chi, row.rank_signal, row.rank_noise, row.varying)
        assert found == pytest.approx((math.sqrt(factor / at_input), *ranks, share), rel=1e-5), place
        assert row.shape == tuple(signal.shape[1:])
    assert rows[0].chi == 1
    assert [row.module for row in rows][-4:] == ["ReLU", "Flatten", "Linear", "Sequential"]


def test_in_training_the_batch_s_statistics_and_in_evaluation_the_running_ones_are_held_fixed(network, images) -> None:
    running = copy.deepcopy(network)
    for norm in (running[1].norm, running[2]):
        norm.momentum = 1.0  # the last batch's statistics, whose variances are of (points - 1)
    with torch.no_grad():
        running(images)
    for norm in (running[1].norm, running[2]):
        norm.running_var *= 1 - 1 / (40 * 4 * 4)
    assert chis(running.eval(), images) == pytest.approx(chis(network, images), rel=1e-9)
    assert chis(network.eval(), images)["(output)"] != pytest.approx(chis(running, images)["(output)"], rel=1e-3)


def test_noise_is_what_forward_differentiation_gives_with_batch_norm_frozen(network, images) -> None:
    frozen = copy.deepcopy(network).eval()
    noise = unit_noise(images, 0)
    with torch.no_grad():
        outputs, moved = torch.func.jvp(frozen, (images,), (noise,))
    expected = math.sqrt(plainly(outputs, moved)[0] / plainly(images, noise)[0])
    assert chis(network.eval(), images)["(output)"] == pytest.approx(expected, rel=1e-12)


def test_batch_norm_of_layered_networks_is_held_fixed_as_torch_s_is(normal) -> None:
    relu = plain_activation("relu")
    layers = uniform_layers([20, 20, 20, 3], activation=relu, normalization="batch", bias=False)
    weights = [normal(d_out, d_in, seed=d_out + d_in) for d_in, d_out in ((8, 20), (20, 20), (20, 20), (20, 3))]
    layered = MLP(
        Layered(8, layers, (Skip(start=1, end=3, begins_after="normalization"),)), Parameters(weights, [None] * 4, [])
    )
    batch = normal(7, 8, seed=1)

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.BatchNorm1d(20, eps=EPSILON, affine=False) for _ in range(3))

        def forward(self, signal: Tensor) -> Tensor:
            carried = self.norms[0](signal @ weights[0].T)
            signal = carried.relu()
            signal = self.norms[1](signal @ weights[1].T).relu()
            return self.norms[2](signal @ weights[2].T + carried).relu() @ weights[3].T

    assert chis(layered, batch)["(output)"] == pytest.approx(chis(Plain(), batch)["(output)"], rel=1e-9)
    whole = math.sqrt(_with_moving_statistics(layered, batch))
    assert chis(layered, batch)["(output)"] != pytest.approx(whole, rel=0.02)


def _with_moving_statistics(network: nn.Module, batch: Tensor) -> float:
    noise = unit_noise(batch, 0)
    return plainly(*torch.func.jvp(network, (batch,), (noise,)))[0] / plainly(batch, noise)[0]


@pytest.mark.parametrize("training", [True, False])
def test_the_output_s_row_is_the_same_by_backpropagation(network, images, normal, training) -> None:
    encoder = nn.Sequential(nn.TransformerEncoderLayer(8, 2, batch_first=True), nn.Flatten())
    for measured, inputs in ((network.train(training), images), (encoder.train(training), normal(20, 4, 8, seed=0))):
        expected, found = distnlc.normalized_sensitivity(measured, inputs)[-1], output_sensitivity(measured, inputs)
        assert found[:4] == expected[:4]
        assert found[4:] == pytest.approx(expected[4:], rel=1e-9)


def everything(network: nn.Module, inputs: Tensor) -> dict[str, Any]:
    return {
        "inputs": (inputs.tolist(), inputs.requires_grad),
        "state": {name: each.tolist() for name, each in network.state_dict().items()},
        "type": [each.dtype for each in network.parameters()],
        "modes": [module.training for module in network.modules()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules()],
        "generators": (torch.get_rng_state().tolist(), str(np.random.get_state())),
        "globals": (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.backends.mha.get_fastpath_enabled(),
            torch.backends.cuda.flash_sdp_enabled(),
        ),
    }


@pytest.mark.parametrize("measure", [distnlc.normalized_sensitivity, output_sensitivity])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_nothing_of_the_callers_and_nothing_global_changes(network, images, measure, fails, requires_grad) -> None:
    def forward(net: Any, batch: Tensor) -> Tensor:
        torch.rand(1), np.random.rand()
        batch *= 2
        net.count += 1
        if fails:
            raise RuntimeError("the end")
        return net.inner(batch)

    hostile = Calling(forward, inner=network.float())
    hostile.register_buffer("count", torch.zeros(1))
    images.requires_grad_(requires_grad)
    before = copy.deepcopy(everything(hostile, images))
    if fails:
        with pytest.raises(ValueError, match="the end"):
            measure(hostile, images)
    else:
        measure(hostile, images)
    assert everything(hostile, images) == before


def test_the_row_is_plain_numbers(network, images) -> None:
    for row in distnlc.normalized_sensitivity(network, images.float()):
        assert isinstance(row, Sensitivity)
        assert [type(each) for each in row] == [str, str, int, tuple, float, float, float, float]


def test_the_page_s_examples_run_and_its_error_is_the_one_that_is_raised(capsys) -> None:
    page = PAGE.read_text("utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in (lines[0], lines[-2])] == [["(input)", "chi"], ["(output)", "Sequential"]]
    (quoted,) = re.findall(r"^> (.*) \.\.\.$", page, flags=re.MULTILINE)
    assert lines[-1].startswith(quoted)
