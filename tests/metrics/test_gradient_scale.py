"""The gradient scale coefficient agrees with its definition by full Jacobians and with closed forms; the whole gradient
is known from a part of it; and what cannot be measured is refused by name."""

import copy
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian as jacobian_of

import distnlc
from distnlc.metrics.gradient_scale import GradientScale
from tests.helpers.residual_networks import resnet, transformer
from tests.helpers.sensitivities import Calling
from tests.metrics.conftest import BatchNorm

PAGE = Path(distnlc.__file__).parent / "metrics" / "gradient_scale.md"


def scales(network: Any, inputs: Tensor, error: Any, **more: Any) -> dict[str, float]:
    return {row.place: row.gsc for row in distnlc.gradient_scale(network, inputs, error, **more)}


def orthogonal(size: int, seed: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed)).double())[0]


def chain(weights: list[Tensor], *between: nn.Module) -> nn.Sequential:
    """Linear layers without bias, with modules between them."""
    layers = list[nn.Module]()
    for weight in weights:
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False).double()
        linear.weight = nn.Parameter(weight.clone())
        layers += [linear, *copy.deepcopy(between)]
    return nn.Sequential(*layers)


def test_an_orthogonal_linear_network_has_the_coefficient_1_everywhere(normal) -> None:
    """The inputs are the rows of an orthogonal matrix, so that the errors' quadratic mean is known."""
    network = chain([orthogonal(8, seed) for seed in range(4)])
    rows = distnlc.gradient_scale(network, 8**0.5 * orthogonal(8, 9), normal(8, seed=0))
    assert [row.gsc for row in rows] == pytest.approx([1] * 6, rel=1e-12)
    assert [row.norm for row in rows] == pytest.approx([8**0.5] * 6, rel=1e-12)
    assert distnlc.gradient_growth(rows)[:2] == pytest.approx((1, 1), rel=1e-12)


def test_the_coefficient_is_that_of_the_definition_by_full_jacobians(mlp, normal) -> None:
    network = nn.Sequential(*mlp([5, 7, 6, 4], seed=0, gain=2), nn.LayerNorm(4, elementwise_affine=False)).double()
    inputs, labels = normal(4, 5, seed=1), normal(4, 4, seed=2)
    signals = [inputs, *(network[: number + 1](inputs).detach() for number in range(len(network)))]
    error = (signals[-1] * labels).sum(1).square().mean().sqrt()
    expected, jacobians = list[float](), [label[None] for label in labels]
    for number in range(len(network), -1, -1):  # from the top
        if number < len(network):
            below = zip(jacobians, signals[number], strict=True)
            jacobians = [each @ jacobian_of(network[number], point) for each, point in below]
        qm = torch.stack([each.square().sum() / each.shape[1] for each in jacobians]).mean().sqrt()
        expected.append(float(qm * signals[number].square().sum(1).mean().sqrt() / error))
    found = distnlc.gradient_scale(network, inputs, labels)
    assert [row.place for row in found] == ["(input)", *map(str, range(len(network))), "(output)"]
    assert [row.gsc for row in found] == pytest.approx([*expected[::-1], expected[0]], rel=1e-12)


def test_batch_norm_is_differentiated_through_its_statistics_in_training_alone(normal) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2)).double()
    inputs, labels = normal(9, 5, seed=1), normal(9, 2, seed=2)
    by_hand = nn.Sequential(network[0], BatchNorm(), *network[2:])
    assert scales(network, inputs, labels) == pytest.approx(scales(by_hand, inputs, labels), rel=1e-9)
    network.eval()
    network[1].running_mean, network[1].running_var = torch.tensor([1.0] * 6).double(), torch.tensor([4.0] * 6).double()
    constant = nn.Linear(6, 6).double()
    with torch.no_grad():
        constant.weight.copy_(torch.eye(6).double() / (4 + network[1].eps) ** 0.5)
        constant.bias.fill_(-1 / (4 + network[1].eps) ** 0.5)
    running = nn.Sequential(network[0], constant, *network[2:])
    assert scales(network, inputs, labels) == pytest.approx(scales(running, inputs, labels), rel=1e-9)


def test_rescaling_a_layer_and_undoing_it_in_the_next_changes_no_coefficient(mlp, normal) -> None:
    """Proposition 1."""
    network, inputs, labels = mlp([5, 8, 8, 3], seed=0, activation=nn.ReLU), normal(9, 5, seed=1), normal(9, 3, seed=2)
    rescaled = copy.deepcopy(network)
    with torch.no_grad():
        for each in (rescaled[0].weight, rescaled[0].bias):
            each.mul_(1e3)
        rescaled[2].weight /= 1e3
    before, after = (distnlc.gradient_scale(each, inputs, labels) for each in (network, rescaled))
    assert [row.gsc for row in after] == pytest.approx([row.gsc for row in before], rel=1e-12)
    assert after[1].norm == pytest.approx(1e3 * before[1].norm)


def test_a_loss_and_the_direction_of_its_error_are_one_thing(mlp, normal) -> None:
    network, inputs, labels = mlp([5, 8, 3], seed=0), normal(9, 5, seed=1), normal(9, 3, seed=2)
    assert scales(network, inputs, lambda outputs: (outputs * labels).sum(1)) == scales(network, inputs, labels)
    assert scales(network, inputs, labels[0]) == scales(network, inputs, labels[:1].expand(9, 3))


def test_in_a_residual_network_the_whole_gradient_passes_between_its_blocks(normal) -> None:
    images, labels = normal(6, 3, 8, 8, seed=0), normal(6, 5, seed=1)
    rows = distnlc.gradient_scale(resnet(), images, labels)
    whole = [row.place for row in rows if row.whole]
    ends = ["4.0.relu", "4.0", "4.1.relu", "4.1", "4", "5.relu", "5"]
    assert whole == ["(input)", "0", "1", "2", "3", *ends, "6", "7", "8", "(output)"]
    inside = [row.place for row in rows if not row.whole and row.place.startswith("5.")]
    assert inside == [
        "5.downsample.0",
        "5.downsample.1",
        "5.downsample",
        "5.conv1",
        "5.bn1",
        "5.relu",
        "5.conv2",
        "5.bn2",
    ]
    assert {row.width for row in rows if row.place in ("4.0", "5")} == {4 * 4 * 4, 8 * 2 * 2}

    middle = resnet()[:5](images).detach().requires_grad_()
    errors = (resnet()[5:](middle) * labels).sum(1)
    (gradient,) = torch.autograd.grad(errors.sum(), middle)
    size, signal, error = (
        each.flatten(1).square().sum(1).mean().sqrt() for each in (gradient, middle, errors[:, None])
    )
    (found,) = (row.gsc for row in rows if row.place == "4")
    assert found == pytest.approx((size / 8 * signal / error).item(), rel=1e-9)


def test_a_growth_is_that_of_the_whole_gradient_and_counts_what_does_something(normal) -> None:
    images, labels = normal(6, 3, 8, 8, seed=0), normal(6, 5, seed=1)
    rows = distnlc.gradient_scale(resnet(), images, labels)
    layers = [row for row in rows if row.place in ("(input)", "0", "1", "2", "3", "4.0", "4.1", "5", "6", "8")]
    assert distnlc.gradient_growth(rows) == pytest.approx(distnlc.gradient_growth(layers), rel=1e-9)
    slope = distnlc.gradient_growth([row for row in rows if row.place in ("4.0", "4.1")])
    assert slope.rate == pytest.approx(layers[5].gsc / layers[6].gsc)


def line(*coefficients: float) -> list[GradientScale]:
    return [GradientScale(str(n), each, 1.0, n, "Linear", 1, True) for n, each in enumerate(coefficients)]


def test_a_growth_is_the_least_squares_line_of_the_logarithms() -> None:
    exact = distnlc.gradient_growth(line(*(0.5 * 1.1**layer for layer in range(9, 0, -1))))
    assert exact == pytest.approx((1.1, 0.5, 1), rel=1e-12)
    bent = distnlc.gradient_growth(line(math.e**3, math.e**0, math.e**0))
    assert bent == pytest.approx((math.e**1.5, math.e**-2, 0.75))
    assert math.isnan(distnlc.gradient_growth(line(1.0, 1.0)).r_squared)
    for no_number in (0.0, math.inf, math.nan):
        assert all(map(math.isnan, distnlc.gradient_growth(line(1.0, no_number, 2.0))))
    with pytest.raises(ValueError, match="at least 2 places that the whole gradient passes, found 1"):
        distnlc.gradient_growth(line(1.0))


@pytest.mark.parametrize(("activation", "normalization", "rate"), [(nn.SELU, None, 1.019), (nn.Tanh, 100, 1.0295)])
def test_the_growth_of_the_study_s_noise_networks_is_found(normal, activation, normalization, rate) -> None:
    """Section 9 of the specification: SELU without normalization, tanh with layer normalization; 50 layers of 100."""
    weights = [normal(100, 100, seed=seed) / 10 for seed in range(50)]
    norm = [nn.LayerNorm(normalization, elementwise_affine=False)] if normalization else []
    network = chain(weights, *norm, activation())[:-1]
    inputs = nn.functional.normalize(normal(300, 100, seed=50)) * 10
    found = distnlc.gradient_growth(distnlc.gradient_scale(network, inputs, normal(300, 100, seed=51) / 10))
    assert found.rate == pytest.approx(rate, rel=2e-3)
    assert found.r_squared > 0.99


def test_a_transformer_s_block_has_rows_the_same_in_training_and_in_evaluation(normal) -> None:
    inputs, labels = normal(5, 4, 8, seed=0), normal(5, 3, seed=1)
    training, evaluation = (
        distnlc.gradient_scale(transformer(dropout=0.5).train(mode), inputs, labels) for mode in (True, False)
    )
    for row, same in zip(training, evaluation, strict=True):
        assert row[1:4] == pytest.approx(same[1:4], rel=1e-9), row.place
    whole = {row.place for row in training if row.whole}
    assert whole == {"(input)", "0.norm1", "0.norm2", "0", "1", "2", "(output)"}
    assert "0.self_attn[0]" in {row.place for row in training}


def test_a_shared_module_has_a_row_for_each_call(normal) -> None:
    shared, inputs, labels = nn.Linear(6, 6).double(), normal(5, 6, seed=0), normal(5, 6, seed=1)
    twice = Calling(lambda net, batch: net.same(torch.tanh(net.same(batch))), same=shared)
    apart = nn.Sequential(shared, nn.Tanh(), copy.deepcopy(shared))
    rows = distnlc.gradient_scale(twice, inputs, labels)
    assert [(row.place, row.call) for row in rows[1:-1]] == [("same", 1), ("same", 2)]
    expected = scales(apart, inputs, labels)
    assert [row.gsc for row in rows] == pytest.approx([expected[place] for place in ("(input)", "0", "2", "(output)")])


def test_only_the_places_that_are_asked_for_are_returned(mlp, normal) -> None:
    network, inputs, labels = mlp([5, 8, 3], seed=0), normal(9, 5, seed=1), normal(9, 3, seed=2)
    some = distnlc.gradient_scale(network, inputs, labels, places=["2", "(input)"])
    assert [row.place for row in some] == ["(input)", "2"]
    with pytest.raises(ValueError, match=r"no place 'layer4' .*; it has \(input\), 0, 1, 2, \(output\)"):
        distnlc.gradient_scale(network, inputs, labels, places=["layer4"])


def test_what_the_gradient_does_not_reach_has_no_row(normal) -> None:
    network = Calling(
        lambda net, batch: (net.aside(batch), net.cut(batch).detach(), net.inner(batch))[2],
        aside=nn.Tanh(),
        cut=nn.Tanh(),
        inner=nn.Tanh(),
    )
    assert list(scales(network, normal(5, 6, seed=0), normal(6, seed=1))) == ["(input)", "inner", "(output)"]
    assert list(scales(torch.tanh, normal(5, 6, seed=0), normal(6, seed=1))) == ["(input)", "(output)"]


def test_errors_of_zero_have_no_coefficient(mlp, normal) -> None:
    assert all(map(math.isnan, scales(mlp([5, 3], seed=0), normal(9, 5, seed=1), torch.zeros(3)).values()))


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_the_callers_changes(normal, fails) -> None:
    network, images = resnet(), normal(6, 3, 8, 8, seed=0).requires_grad_()
    state, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    if fails:
        with pytest.raises(ValueError, match="module 0"):
            distnlc.gradient_scale(network, images[:, :2].detach(), torch.ones(5))
    else:
        with torch.no_grad():
            distnlc.gradient_scale(network, images, torch.ones(5))
    torch.testing.assert_close(dict(network.state_dict()), dict(state), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random)
    assert images.grad is None
    assert all(each.grad is None and each.requires_grad for each in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("network", "error", "said"),
    [
        (
            nn.Linear(6, 3),
            torch.ones(4),
            r"shape of the outputs, \(5, 3\), or of one datapoint's, \(3,\); found \(4,\)",
        ),
        (nn.Linear(6, 3), lambda o: o.sum(), r"one number per datapoint, shape \(5,\), but it returned float32 \(\)"),
        (nn.Linear(6, 3), lambda o: float(o.detach().sum()), r"per datapoint, .* but it returned float "),
        (nn.Linear(6, 3), lambda o: o.detach().sum(1), "the loss has no derivative by the outputs"),
        (nn.Linear(6, 3), lambda o: o.sum(1) / 0, "the errors must be finite"),
        (
            nn.Linear(7, 3),
            torch.ones(3),
            r"the network \(Linear\), where the inputs are float32 \(5, 6\), raised an error",
        ),
        (Tensor.detach, torch.ones(6), "outputs have no derivative by its inputs"),
        (Calling(lambda net, batch: net.bias(batch[:, :1] * 0), bias=nn.Linear(1, 3)), lambda o: o[:, 0] / 0, "finite"),
        (nn.Sequential(Calling(lambda _, batch: batch / 0)), torch.ones(6), r"at 0 \(Calling\) it is nan or infinity"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(normal, network, error, said) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        distnlc.gradient_scale(network, normal(5, 6, seed=0).float(), error)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "inputs", [torch.ones(5, 6).half(), torch.ones(6), torch.ones(0, 6), torch.full((5, 6), torch.nan)]
)
def test_inputs_that_are_no_data_are_refused(inputs) -> None:
    with pytest.raises(ValueError, match="inputs must"):
        distnlc.gradient_scale(torch.tanh, inputs, torch.ones(6))


def test_the_page_s_examples_run_and_print_what_it_says(capsys) -> None:
    page = PAGE.read_text("utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    promised = [
        line for block in re.findall(r"```text\n(.*?)```", page, flags=re.DOTALL) for line in block.splitlines()
    ]
    assert len(printed) == len(promised)
    number = re.compile(r"\d+\.\d+|(?<=[\w] )\d\b")
    for line, expected in zip(printed, promised, strict=True):
        assert number.sub("", line) == number.sub("", expected)
        found, stated = ([float(each) for each in number.findall(text)] for text in (line, expected))
        assert found == pytest.approx(stated, rel=0.1, abs=1 if "depth" in line else 0.02)
    assert names["depths"][0] == 0 < names["depths"][-1]
