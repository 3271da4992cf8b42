"""Measured scaling factors are those of the slow obvious route, and have the spec's numbers."""

import copy
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc import Multiplier, Residual, geometric_init_, scaling, scaling_imbalance
from distnlc.metrics.scaling_hessian import hessian_blocks, hessian_diagonal
from distnlc.networks.scaling import Rule


def small() -> nn.Sequential:
    """With operations in place, a scalar, and a layer that is called twice."""
    torch.manual_seed(0)
    again = nn.Linear(12, 12)
    network = nn.Sequential(
        *(nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(inplace=True), Multiplier(1.5, learnable=True), nn.Flatten()),
        *(nn.Linear(12, 12), nn.ReLU(inplace=True), again, nn.ReLU(), again),
    )
    return network.double()


def mlp(*widths: int) -> nn.Sequential:
    layers = list[nn.Module]()
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).double()


def test_the_numbers_are_those_of_the_slow_obvious_route(normal: Callable[..., Tensor]) -> None:
    """Every operation by hand, out of place, every signal kept, one gradient at a time."""
    network, inputs = small(), normal(5, 2, 5, 5, seed=1)

    def loss(outputs: Tensor, index: int) -> Tensor:
        return (index + 1) * (outputs * inputs[index].flatten()[:12]).square().sum()

    found = scaling(network, inputs, loss=loss, samples=5)
    sums = dict[str, Tensor]()

    def add(name: str, values: Tensor) -> None:
        sums[name] = sums.get(name, torch.zeros(())) + values.detach().square().mean() / 5

    for index, point in enumerate(inputs):
        x = point[None].clone().requires_grad_()
        y = network[0](x)
        a = y.relu() * 1
        b = a * network[2].value
        flat = b.flatten(1)
        c = network[4](flat)
        d = c.relu() * 1
        e = network[6](d)
        f = e.relu() * 1
        g = network[6](f)
        signals = {"x": x, "y": y, "a": a, "b": b, "flat": flat, "c": c, "d": d, "e": e, "f": f, "g": g}
        value = loss(g, index)
        for name, signal in signals.items():
            add(name, signal)
            (gradient,) = torch.autograd.grad(value, signal, retain_graph=True)
            add(f"d{name}", gradient)
        for name, parameter in network.named_parameters():
            add(name, torch.autograd.grad(value, parameter, retain_graph=True)[0])

    def s(name: str, size: int) -> float:
        return float(size * sums[name] * sums[f"d{name}"])

    rows = {row.name: row for row in found.rows}
    assert list(rows) == ["0", "2", "4", "6", "0.bias", "4.bias", "6.bias"]
    expected = {
        "0": (s("x", 50), s("y", 12)),
        "2": (s("a", 12), s("b", 12)),
        "4": (s("flat", 12), s("c", 12)),
        "6": (s("d", 12) + s("f", 12), s("e", 12) + s("g", 12)),
    }
    for name, (s_in, s_out) in expected.items():
        row = rows[name]
        weight = network[int(name)].value if name == "2" else network[int(name)].weight
        variance = float(weight.detach().square().mean())
        assert (row.s_in, row.s_out, row.kept) == pytest.approx((s_in, s_out, s_in / s_out))
        assert row.gamma == pytest.approx(s_in / (weight.numel() * variance**2))
        gradient = sums[f"{name}.value" if name == "2" else f"{name}.weight"]
        assert row.ratio == pytest.approx(float(gradient) / variance)
    assert rows["0"].gamma_bias == pytest.approx(float(4 * sums["dy"] / sums["y"]))
    assert (rows["0"].x_second, rows["0"].y_second) == pytest.approx((float(sums["x"]), float(sums["y"])))
    assert rows["6"].calls == 2
    assert rows["4.bias"].ratio == pytest.approx(float(sums["4.bias"] / network[4].bias.detach().square().mean()))
    gammas = [rows[name].gamma or 0 for name in expected]
    assert found.imbalance == pytest.approx(max(gammas) / min(gammas))


def test_the_random_loss_and_the_points_are_fixed_by_the_seed(normal: Callable[..., Tensor]) -> None:
    network, inputs = small(), normal(9, 2, 5, 5, seed=1)
    first, same, other = (scaling(network, inputs, draws=2, samples=4, seed=seed) for seed in (3, 3, 4))
    assert first.rows == same.rows
    assert first.rows != other.rows
    assert scaling_imbalance(network, inputs, draws=2, samples=4, seed=3) == math.log(first.imbalance)


def test_the_network_is_left_as_it_was(normal: Callable[..., Tensor]) -> None:
    network, inputs = small().float(), normal(4, 2, 5, 5, seed=1).float()
    before, points = copy.deepcopy(network.state_dict()), inputs.clone()
    found = scaling(network, inputs, draws=1, samples=2)
    exact = scaling(copy.deepcopy(network).double(), inputs.double(), draws=1, samples=2)
    assert found.rows == exact.rows
    torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)
    assert torch.equal(inputs, points)
    assert all(module.training for module in network.modules())
    assert all(each.requires_grad and each.grad is None for each in network.parameters())


@pytest.mark.slow
def test_a_widely_spread_mlp_has_the_spec_s_numbers(normal: Callable[..., Tensor]) -> None:
    """Widths 300-80-400-120-60: gamma, exact ratio and Hessian are the same in all layers; with fan-in initialization
    they are as 549 : 28 : 466 : 325 (s n / (4 n')). Relative numbers, since s hangs on the loss."""
    found = {}
    for init in ("geometric", "fan-in"):
        means = torch.zeros(3, 4, dtype=torch.float64)
        for draw in range(6):
            network = mlp(300, 80, 400, 120, 60)
            torch.manual_seed(draw)
            for layer in network[::2]:
                n_out, n_in = layer.weight.shape
                variance = 2 / math.sqrt(n_in * n_out) if init == "geometric" else 2 / n_in
                nn.init.normal_(layer.weight, 0, math.sqrt(variance))
            rows = scaling(network, normal(5, 300, seed=draw + 1000), draws=2, samples=5).rows
            diagonal = hessian_diagonal(network, normal(1, 300, seed=draw + 2000), normal(60, 60, seed=draw + 3000))
            sizes = torch.tensor([row.gamma for row in rows]), torch.tensor([row.ratio for row in rows])
            means += torch.stack([*sizes, torch.tensor([*diagonal.values()])]) / 6
        found[init] = means / means.log().mean(1, keepdim=True).exp()
    assert found["geometric"].log().abs().max() < math.log(1.35)
    expected = torch.tensor([300 / 80, 80 / 400, 400 / 120, 120 / 60]).double()
    expected /= expected.log().mean().exp()
    assert (found["fan-in"] / expected).log().abs().max() < math.log(1.45)


LINEAR: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Linear(60, 40), (60,)),
    (nn.Conv2d(6, 8, 3, padding=1), (6, 6, 6)),
    (nn.Conv2d(6, 8, 3, stride=3), (6, 9, 9)),
    (nn.Conv2d(3, 8, 11, stride=4, padding=5), (3, 16, 16)),
    (nn.Conv2d(8, 8, 1, stride=2), (8, 8, 8)),
    (nn.Conv2d(8, 8, 3, groups=8), (8, 8, 8)),
    (nn.Conv2d(4, 8, (3, 5), dilation=2), (4, 10, 12)),
    (nn.Conv1d(8, 6, 5, stride=2), (8, 21)),
    (nn.ConvTranspose2d(6, 8, 4, stride=2, padding=1), (6, 5, 5)),
    (nn.ConvTranspose2d(6, 8, 2, stride=2), (6, 5, 5)),
]


@pytest.mark.parametrize(("layer", "shape"), LINEAR, ids=str)
def test_whatever_is_linear_keeps_s_and_gamma_is_the_ratio(
    layer: nn.Module, shape: tuple[int, ...], normal: Callable[..., Tensor]
) -> None:
    """A1: s(x) = s(y) = s(W). The gradient of a random quadratic loss of the outputs hangs on them, that of a random
    projection does not."""
    s_in = s_out = s_weight = 0.0
    outputs = layer(torch.zeros(1, *shape)).shape[1:]
    for seed in range(12):
        geometric_init_(layer, seed=seed)
        directions = normal(4, *outputs, seed=seed + 200)
        (row,) = scaling(
            layer, normal(4, *shape, seed=seed + 100), samples=4,
            loss=lambda y, index, directions=directions: (y * directions[index]).sum(),
        ).weights  # fmt: skip
        assert row.ratio
        s_in, s_out = s_in + (row.s_in or 0), s_out + (row.s_out or 0)
        s_weight += row.N * row.variance**2 * row.ratio
    assert s_in / s_out == pytest.approx(1, abs=0.1)
    assert s_weight / s_out == pytest.approx(1, abs=0.1)


def drawn_network(number: int) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Groups, strides, paddings, transposed layers, leaky ReLU, residual blocks; at least 8 channels."""
    random = torch.Generator().manual_seed(number)

    def one_of(*values: Any) -> Any:
        return values[int(torch.randint(len(values), (), generator=random))]

    channels, size = one_of(8, 16), one_of(9, 12)
    slope, shape = one_of(0.0, 0.0, 0.2), (one_of(8, 16), size, size)
    layers, n_in = list[nn.Module](), shape[0]
    for _ in range(one_of(2, 3)):
        kind, groups = one_of("conv", "strided", "transposed", "residual"), one_of(1, 1, 2, 4)
        if kind == "conv":
            kernel = one_of(1, 3, (3, 1))
            layers.append(nn.Conv2d(n_in, channels, kernel, padding=one_of(0, 1), groups=groups))
        elif kind == "strided":
            layers.append(nn.Conv2d(n_in, channels, 3, stride=2, padding=1, groups=groups))
        elif kind == "transposed":
            layers.append(nn.ConvTranspose2d(n_in, channels, one_of(2, 3), stride=one_of(1, 2), groups=groups))
        else:
            main = nn.Sequential(nn.Conv2d(n_in, 16, 1), nn.LeakyReLU(slope), nn.Conv2d(16, n_in, 3, padding=1))
            layers.append(nn.Sequential(nn.Conv2d(n_in, n_in, 1), Residual(main, beta=0.7)))
            channels = n_in
        layers.append(nn.LeakyReLU(slope))
        n_in, channels = channels, one_of(8, 16, 32)
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(20)), shape


@pytest.mark.slow
def test_the_plan_of_thirty_random_networks_is_what_is_measured(normal: Callable[..., Tensor]) -> None:
    """log10 of gamma, relative to the network's layers, differs by less than 0.15 in the median over draws."""
    for number in range(30):
        network, shape = drawn_network(number)
        network(torch.zeros(1, *shape))
        measured = list[list[float]]()
        for seed in range(6):
            plan = geometric_init_(network, input_shape=shape, multipliers="parametrize", seed=seed)
            assert plan is not None
            assert plan.imbalance == pytest.approx(1, abs=1e-9)
            rows = scaling(network, normal(3, *shape, seed=seed + 1000), samples=3, draws=2, seed=seed).weights
            assert [row.name for row in rows] == [row.name for row in plan.rows]
            logs = torch.tensor([math.log10(row.gamma or 0) for row in rows])
            measured.append((logs - logs.mean()).tolist())
        off = torch.tensor(measured).median(0).values.abs()
        assert off.median() < 0.15, (number, network, off)
        assert off.max() < 0.45, (number, network, off)


def test_the_hessian_is_the_one_of_autograd(normal: Callable[..., Tensor]) -> None:
    network, inputs, matrix = mlp(4, 5, 3), normal(2, 4, seed=0), normal(3, 3, seed=1)
    sizes = [20, 15]

    def value(flat: Tensor) -> Tensor:
        first, second = flat.split(sizes)
        outputs = (inputs @ first.view(5, 4).T).relu() @ second.view(3, 5).T
        return torch.einsum("pi,ij,pj->p", outputs, matrix, outputs)

    flat = torch.cat([each.detach().flatten() for each in network.parameters()])
    exact = torch.zeros(2, 2)
    for point in range(2):
        full = torch.autograd.functional.hessian(lambda each, point=point: value(each)[point], flat)
        parts = [row.split(sizes, 1) for row in full.split(sizes)]
        for row in range(2):
            for column in range(2):
                block = float(parts[row][column].square().sum()) / math.sqrt(sizes[row] * sizes[column])
                exact[row, column] += block / 2
    diagonal = hessian_diagonal(network, inputs, matrix)
    assert list(diagonal.values()) == pytest.approx(exact.diagonal().tolist(), rel=1e-6)
    blocks = [hessian_blocks(network, inputs, matrix, seed=seed) for seed in range(120)]
    for row, first in enumerate(diagonal):
        for column, second in enumerate(diagonal):
            mean = sum(each[first, second] for each in blocks) / len(blocks)
            assert mean == pytest.approx(float(exact[row, column]), rel=0.4)


def test_initializations_of_the_same_random_numbers_differ_by_factors_alone(normal: Callable[..., Tensor]) -> None:
    """A7: gamma by Hessian is the same, blocks are exact rescalings, the functions are one function."""
    shapes = [(30, 12), (12, 25), (25, 10)]
    inputs, matrix = normal(3, 30, seed=0), normal(10, 10, seed=1)
    scales, quotients, squares, outputs = [], [], [], []
    for init in ("geometric", "fan-in", "fan-out", "arithmetic"):
        layers = [distnlc.LayerShape("", *shape) for shape in shapes]
        rule = Rule.of(layers, init=init, numerator=2, kernel=None)
        scales.append([math.sqrt(rule.variance(each)) for each in layers])
        network = mlp(30, 12, 25, 10)
        with torch.no_grad():
            for number, (layer, scale) in enumerate(zip(network[::2], scales[-1], strict=True)):
                layer.weight.copy_(scale * normal(*layer.weight.shape, seed=number))
            outputs.append(network(inputs) / network(inputs).std())
        rows = scaling(network, inputs, samples=3, loss=lambda y, _: ((y @ matrix) * y).sum()).rows
        diagonal = hessian_diagonal(network, inputs, matrix)
        quotients.append([(row.gamma or 0) / each for row, each in zip(rows, diagonal.values(), strict=True)])
        squares.append(list(hessian_blocks(network, inputs, matrix, seed=0).values()))
    for scale, quotient, square, output in zip(scales, quotients, squares, outputs, strict=True):
        assert quotient == pytest.approx(quotients[0], rel=1e-6)
        torch.testing.assert_close(output, outputs[0], rtol=1e-6, atol=1e-9)
        whole, first = math.prod(scale) ** 2, math.prod(scales[0]) ** 2
        factors = [
            (whole / (scale[i] * scale[j]) / (first / (scales[0][i] * scales[0][j]))) ** 2
            for i in range(3)
            for j in range(3)
        ]
        assert square == pytest.approx([a * b for a, b in zip(squares[0], factors, strict=True)], rel=1e-6)


def test_block_scaling_brings_the_branch_s_pace_to_that_outside(normal: Callable[..., Tensor]) -> None:
    """A9: 1 with it; beta^2 without, where the branch's weights are those of a layer outside."""
    inside = {True: 0.0, False: 0.0}
    for scaled in inside:
        for seed in range(8):
            main = nn.Sequential(nn.ReLU(), nn.Linear(64, 64), Multiplier(1.0))
            network = nn.Sequential(nn.Linear(64, 64), Residual(main, beta=0.5), nn.ReLU(), nn.Linear(64, 64))
            geometric_init_(network, seed=seed)
            if not scaled:
                main[1].weight.data *= 2**0.5
            else:
                main[2].value.fill_(2**0.5)  # restores the second moment
            rows = {
                row.name: row.ratio or 0 for row in scaling(network, normal(4, 64, seed=seed + 1000), samples=4).weights
            }
            inside[scaled] += math.log(rows["1.main.1"] / math.sqrt(rows["0"] * rows["3"])) / 8
    assert math.exp(inside[True]) == pytest.approx(1, abs=0.25)
    assert math.exp(inside[False]) == pytest.approx(0.25, abs=0.07)
