"""chi and the ranks agree with propagation by hand and with closed forms; what cannot be measured is named with its
place; and nothing of the caller's changes."""

import copy
import math
import re
from collections.abc import Callable
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

PAGE = Path(distnlc.__file__).parent / "metrics" / "normalized_sensitivity.md"


def chis(network: Any, inputs: Tensor, **more: int) -> dict[str, float]:
    return {row.place: row.chi for row in distnlc.normalized_sensitivity(network, inputs, **more)}


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


# closed forms


def test_an_isometry_has_chi_1_and_keeps_the_ranks(normal) -> None:
    rotation = torch.linalg.qr(normal(30, 30, seed=0)).Q
    inputs = normal(4000, 30, seed=1)
    first, last = distnlc.normalized_sensitivity(lambda batch: 7 * (batch @ rotation) + 3, inputs)
    assert last.chi == pytest.approx(1, rel=1e-12)
    assert (last.rank_signal, last.rank_noise) == pytest.approx((first.rank_signal, first.rank_noise), rel=1e-5)
    assert 25 < last.rank_signal < 30
    one = inputs[:, :1] * torch.ones(30)
    assert distnlc.normalized_sensitivity(torch.clone, one)[-1].rank_signal == pytest.approx(1, rel=1e-6)


def test_relu_behind_batch_norm_of_gaussian_signals_has_the_increment_of_theorem_3(normal) -> None:
    rows = distnlc.normalized_sensitivity(nn.Sequential(nn.BatchNorm1d(40), nn.ReLU()), normal(20_000, 40, seed=0))
    chi = {row.place: row.chi for row in rows}
    assert chi["0"] == pytest.approx(1, rel=1e-3)
    assert chi["1"] / chi["0"] == pytest.approx((1 - 1 / math.pi) ** -0.5, rel=2e-3)
    assert chi["1"] / chi["0"] == pytest.approx(1.2111, rel=2e-3)


def he_layers(depth: int, width: int, *, norm: bool, scale: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.normal_(0, scale * (2 / width) ** 0.5)
        layers += [linear, *([nn.BatchNorm1d(width, eps=0)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize("norm", [False, True])
def test_chi_does_not_depend_on_the_scale_of_weights_or_of_the_noise(normal, norm) -> None:
    inputs = normal(50, 16, seed=0)
    expected = chis(he_layers(4, 16, norm=norm), inputs)
    assert chis(he_layers(4, 16, norm=norm, scale=1e3), inputs) == pytest.approx(expected, rel=1e-9)
    smaller_noise = chis(he_layers(4, 16, norm=norm), 1e6 * inputs)  # the noise stays of variance 1
    assert smaller_noise == pytest.approx(expected, rel=1e-9)
    assert chis(he_layers(4, 16, norm=norm), inputs, noise_seed=1) != expected


def test_without_batch_norm_chi_at_the_output_is_the_nlc(normal, mlp) -> None:
    inputs = normal(2000, 20, seed=0) * torch.linspace(0.3, 3, 20)
    network = mlp([20, 40, 40, 10], seed=0, gain=3.0)
    nlc = distnlc.nlc(network, inputs, batch_size=2000, batches=5)
    assert nlc > 2
    assert chis(network, inputs)["(output)"] == pytest.approx(nlc, rel=0.02)


# range


def test_chi_beyond_1e30_is_in_float32_what_it_is_in_float64(normal) -> None:
    """But for chance: a rounded signal is soon another one where noise explodes, as another draw of the inputs is."""
    inputs, network = normal(32, 16, seed=0), he_layers(400, 16, norm=True)
    exact = distnlc.normalized_sensitivity(lambda batch: 1 * network(batch), inputs)[-1]
    network.float()
    single = distnlc.normalized_sensitivity(lambda batch: 1 * network(batch), inputs.float())[-1]
    assert exact.chi > 1e30
    assert math.log(single.chi) == pytest.approx(math.log(exact.chi), rel=0.03)


def test_squares_of_large_and_of_small_numbers_neither_overflow_nor_vanish(normal) -> None:
    inputs = normal(32, 16, seed=0)
    for single, power in ((True, 30), (True, -30), (False, 250), (False, -250)):
        given = inputs.float() if single else inputs
        row = distnlc.normalized_sensitivity(lambda batch, scale=10.0**power: scale * batch, given)[-1]
        assert row.chi == pytest.approx(1, rel=1e-6)
        assert row.rank_signal > 5


def test_noise_beyond_the_largest_number_is_infinite_and_no_error(normal) -> None:
    row = distnlc.normalized_sensitivity(lambda batch: torch.sin(1e30 * (1e30 * batch)), 1e-30 * normal(9, 3, seed=0))[
        -1
    ]
    assert row.chi < math.inf
    single = distnlc.normalized_sensitivity(
        lambda batch: torch.sin(1e30 * (1e30 * batch)), 1e-30 * normal(9, 3, seed=0).float()
    )
    assert not math.isfinite(single[-1].chi)
    assert math.isnan(single[-1].rank_noise)


def test_a_signal_that_varies_by_rounding_alone_has_no_chi(normal) -> None:
    inputs = normal(50, 6, seed=0)
    row = distnlc.normalized_sensitivity(lambda batch: batch + 1e15, inputs)[-1]
    assert [math.isnan(each) for each in (row.chi, row.rank_signal, row.rank_noise)] == [True, True, False]
    assert row.varying == 0
    assert chis(lambda batch: batch + 1e9, inputs)["(output)"] == pytest.approx(1, rel=1e-4)


# what is tapped


def entries(network: Any, inputs: Tensor) -> list[tuple[str, str, int]]:
    return [row[:3] for row in distnlc.normalized_sensitivity(network, inputs)][1:-1]


class Calling(nn.Module):
    """A network whose forward pass is a function of itself."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.function = forward

    def forward(self, batch: Tensor) -> Any:
        return self.function(self, batch)


def test_a_module_that_is_called_twice_has_two_rows_and_the_order_is_that_of_execution(normal) -> None:
    shared = nn.Linear(6, 6)
    network = Calling(
        lambda net, batch: net.last(net.block(torch.tanh(net.block(batch)))),
        last=nn.Identity(),
        block=nn.Sequential(shared, nn.Tanh()),
        same=shared,
    )
    once, twice = ([(f"block{end}", kind, call) for end, kind in PARTS] for call in (1, 2))
    assert entries(network, normal(5, 6, seed=0)) == [*once, *twice, ("last", "Identity", 1)]


PARTS = [(".0", "Linear"), (".1", "Tanh"), ("", "Sequential")]


@pytest.mark.parametrize(
    ("returned", "places"),
    [
        (lambda batch: (batch, None, 2 * batch), ["inner[0]", "inner[2]"]),
        (lambda batch: {"hidden": batch, "count": 3, "rows": torch.arange(5)}, ["inner[hidden]"]),
        (lambda batch: [batch.sum(), batch.T, [batch]], []),
        (lambda batch: batch.detach(), []),
        (lambda batch: batch > 0, []),
        (lambda _: None, []),
    ],
)
def test_of_what_is_no_tensor_the_tensors_of_datapoints_directly_inside_have_rows(normal, returned, places) -> None:
    inner = Calling(lambda _, batch: returned(batch))
    network = Calling(lambda net, batch: (net.inner(batch), batch)[1], inner=inner)
    assert [place for place, *_ in entries(network, normal(5, 6, seed=0))] == places


def test_modules_that_compute_parameters_have_no_row(normal) -> None:
    """The weight has as many rows as there are datapoints, but the noise does not reach it."""
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5, dtype=torch.float64))
    assert entries(nn.Sequential(linear), normal(5, 6, seed=0)) == [("0", "ParametrizedLinear", 1)]


def test_an_error_that_the_network_catches_does_not_disturb_the_places(normal) -> None:
    def forward(net: Any, batch: Tensor) -> Tensor:
        try:
            net.fails(batch)
        except RuntimeError:
            return net.works(batch)

    network = Calling(forward, fails=nn.Sequential(nn.Linear(7, 7)), works=nn.Identity())
    assert entries(nn.Sequential(network), normal(5, 6, seed=0)) == [("0.works", "Identity", 1), ("0", "Calling", 1)]


def test_channels_are_axis_1_of_images_and_the_last_of_sequences(normal) -> None:
    """The rank counts channels: one of two that are alike adds nothing."""
    channel = normal(500, 4, seed=0)
    images = torch.stack([channel, channel, 0 * channel], 1)[..., None]
    sequences = torch.stack([channel, channel, 0 * channel], 2)
    ranks = [distnlc.normalized_sensitivity(torch.clone, each)[0].rank_signal for each in (images, sequences)]
    assert ranks == pytest.approx([1, 1], rel=1e-6)
    assert distnlc.normalized_sensitivity(lambda batch: batch.sum((1, 2, 3)), images)[-1].shape == ()


def test_a_callable_that_is_no_module_has_input_and_output_and_a_method_its_owner_s_modules(normal) -> None:
    network, inputs = nn.Sequential(nn.Linear(6, 3), nn.Tanh()).double(), normal(9, 6, seed=0)
    alone = distnlc.normalized_sensitivity(lambda batch: 1 * network(batch), inputs)
    assert [row.place for row in alone] == ["(input)", "(output)"]
    assert [row.module for row in alone] == ["", "a callable"]
    assert chis(network.forward, inputs) == chis(network, inputs)
    assert alone[-1].chi == chis(network, inputs)["(output)"]


def test_dropout_is_off_attention_and_recurrent_networks_are_measured(normal) -> None:
    inputs = normal(20, 4, 8, seed=0)
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(8, 2, batch_first=True, dropout=0.5)
    training = chis(encoder.train(), inputs)
    assert training == chis(encoder.eval(), inputs)
    assert {"self_attn[0]", "linear1", "norm2", "(output)"} <= training.keys()
    assert entries(nn.Sequential(nn.LSTM(8, 3, batch_first=True), Calling(lambda _, both: both[0])), inputs)[0] == (
        "0[0]",
        "LSTM",
        1,
    )


# by backpropagation


@pytest.mark.parametrize("training", [True, False])
def test_the_output_s_row_is_the_same_by_backpropagation(network, images, normal, training) -> None:
    encoder = nn.Sequential(nn.TransformerEncoderLayer(8, 2, batch_first=True), nn.Flatten())
    for measured, inputs in ((network.train(training), images), (encoder.train(training), normal(20, 4, 8, seed=0))):
        expected, found = distnlc.normalized_sensitivity(measured, inputs)[-1], output_sensitivity(measured, inputs)
        assert found[:4] == expected[:4]
        assert found[4:] == pytest.approx(expected[4:], rel=1e-9)


# errors


class Doubled(torch.autograd.Function):
    """Without a `jvp`, and with a derivative that has none."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return 2 * values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(_: Any, change: Tensor) -> Tensor:
        return 2 * change


class Doubling(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        return Doubled.apply(batch)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (
            lambda: nn.Sequential(nn.Identity(), nn.Sequential(Doubling())),
            r"module 1\.0 \(Doubling\), where the inputs are float32 \(5, 6\), cannot be differentiated forward .*jvp",
        ),
        (Doubling, r"^the network \(Doubling\), .* cannot be differentiated forward"),
        (
            lambda: nn.Sequential(Calling(lambda _, batch: torch.cdist(batch, batch))),
            r"module 0 \(Calling\), .*\(give inputs.double\(\): .*with _cdist_forward that does not support it",
        ),
        (
            lambda: nn.Sequential(nn.Linear(7, 3)),
            r"module 0 \(Linear\), .* raised an error: RuntimeError: mat1 and mat2",
        ),
        (lambda: Calling(lambda _, batch: {}[batch]), r"the network \(Calling\), .* raised an error: KeyError"),
        (lambda: Tensor.detach, "outputs have no derivative by its inputs"),
        (lambda: torch.sum, r"must map float32 \(5, 6\) to \(5, ...\), but it returned float32 \(\)"),
        (
            lambda: nn.Sequential(Calling(lambda _, batch: batch / 0)),
            r"finite, but at 0 \(Calling\) it is nan or infinity",
        ),
        (lambda: nn.LazyLinear(3), "is lazy"),
    ],
)
def test_what_cannot_be_measured_is_named_with_its_place_and_type(normal, network, said) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        distnlc.normalized_sensitivity(network(), normal(5, 6, seed=0).float())
    assert "\n" not in str(caught.value)


def test_what_cannot_be_differentiated_twice_has_no_row_by_backpropagation(normal) -> None:
    with pytest.raises(ValueError, match="cannot be differentiated twice: RuntimeError"):
        output_sensitivity(Doubling(), normal(5, 6, seed=0))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (torch.ones(5, 6, dtype=torch.uint8), r"float32 or float64 .* found uint8 \(5, 6\); convert them, such as by"),
        (torch.ones(5, 6).half(), r"found float16 \(5, 6\)"),
        (np.ones((5, 6)), "found ndarray"),
        (torch.ones(6), r"the shape \(batch, ...\) with at least 2 datapoints, found float32 \(6,\)"),
        (torch.ones(1, 6), r"at least 2 datapoints, found float32 \(1, 6\)"),
        (torch.ones(5, 0), r"found float32 \(5, 0\)"),
        (torch.full((5, 6), torch.inf), "finite, found nan or infinity"),
        (torch.ones(5, 6), "differ from one another, found the same datapoint 5 times"),
    ],
)
def test_inputs_that_are_no_data_are_refused(inputs, said) -> None:
    for measure in (distnlc.normalized_sensitivity, output_sensitivity):
        with pytest.raises(ValueError, match=said):
            measure(torch.clone, inputs)


def test_memory_that_has_run_out_is_the_device_s_error(normal) -> None:
    def full(*_: Any) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    for measure in (distnlc.normalized_sensitivity, output_sensitivity):
        with pytest.raises(torch.OutOfMemoryError):
            measure(full, normal(5, 6, seed=0))


# nothing changes


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
