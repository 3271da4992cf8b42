"""A plan from shapes has the spec's numbers and the paper's formulas; what it does not cover is refused by name."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

import distnlc
from distnlc import LayerShape, Multiplier, Residual, scaling_plan

INITS = ("geometric", "fan-in", "fan-out", "arithmetic")


def lenet() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, stride=2), nn.ReLU(), nn.Conv2d(6, 16, 5, stride=2), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def alexnet(divisor: int) -> nn.Sequential:
    a, b, c, d, e = (width // divisor for width in (64, 192, 384, 256, 256))
    return nn.Sequential(
        *(nn.Conv2d(3, a, 11, stride=8, padding=5), nn.ReLU(), nn.Conv2d(a, b, 5, stride=2, padding=2), nn.ReLU()),
        *(nn.Conv2d(b, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, d, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(d, e, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(e, 10)),
    )


def mlp(*widths: int) -> nn.Sequential:
    layers = list[nn.Module]()
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize(
    ("network", "shape", "expected"),
    [
        (lenet(), (1, 32, 32), (1.0, 6.56, 1260, 49.5)),
        (alexnet(8), (3, 32, 32), (1.0, 14, 1032, 111)),
        (alexnet(1), (3, 32, 32), (1.0, 5.7, 66_000, 102)),
    ],
)
def test_the_imbalances_are_those_of_the_spec(
    network: nn.Module, shape: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    found = [scaling_plan(network, shape, init=init).imbalance for init in INITS]
    assert found == pytest.approx(expected, rel=0.02)
    assert found[0] == pytest.approx(1, abs=1e-9)


def test_second_moments_follow_law_6() -> None:
    plan = scaling_plan(mlp(300, 80, 400, 120, 60), (300,))
    assert [row.y_second for row in plan.rows] == pytest.approx([3.87, 1.73, 3.16, 4.47], abs=0.005)
    assert [row.multiplier for row in plan.rows] == pytest.approx([1] * 4)
    assert [row.gamma for row in plan.rows] == pytest.approx([1 / 4] * 4)  # s / c^2
    assert plan.bias_imbalance == pytest.approx(1)
    assert plan.output_multiplier == pytest.approx(0.05 / math.sqrt(plan.output_second_moment))


def test_a_3x3_kernel_among_1x1_kernels_gets_the_factor_of_the_paper() -> None:
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1))
    assert [row.multiplier**2 for row in scaling_plan(network, (8, 9, 9)).rows] == pytest.approx([1, 1 / 3, 1])


def test_variances_are_those_of_the_formulas() -> None:
    network = nn.Conv2d(8, 32, 3, groups=2)
    plans = {init: scaling_plan(network, (8, 9, 9), init=init).rows[0].variance for init in (*INITS, "default")}
    expected = {
        "geometric": 2 / 3 / (3 * math.sqrt(8 * 32 / 2)),
        "fan-in": 2 / 36,
        "fan-out": 2 / 144,
        "arithmetic": 4 / 180,
        "default": 1 / (3 * 36),
    }
    assert plans == pytest.approx(expected)


def test_the_input_factor_balances_weights_and_biases_of_the_first_layer() -> None:
    """0.439 for three colours and 3x3, as the spec has it; and with any other kernel and padding."""
    for network, factor in ((nn.Conv2d(3, 8, 3), 0.439), (nn.Conv2d(1, 8, 5), 0.447)):
        plan = scaling_plan(network, (network.in_channels, 16, 16))
        assert plan.input_factor == pytest.approx(factor, abs=0.0005)
    network = nn.Sequential(nn.Conv2d(3, 8, 7, padding=2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    plan = scaling_plan(network, (3, 16, 16))
    scaled = scaling_plan(network, (3, 16, 16), input_second_moment=plan.input_factor**2)
    assert scaled.weights_to_biases == pytest.approx(1)


def test_biases_of_lenet_without_multipliers_have_the_paces_of_the_spec() -> None:
    rows = scaling_plan(lenet(), (1, 32, 32), multipliers=False).rows
    found = [row.gamma / row.gamma_bias for row in rows if row.gamma_bias]
    assert found == pytest.approx([25, 25, 25, 1, 0.04])


def test_leaky_relu_has_its_own_numerator_and_factor() -> None:
    network = nn.Sequential(nn.Linear(40, 30), nn.LeakyReLU(0.2), nn.Linear(30, 20))
    first, last = scaling_plan(network, (40,)).rows
    assert first.variance == pytest.approx(2 / 1.04 / math.sqrt(40 * 30))
    assert last.x_second == pytest.approx(0.52 * first.y_second)
    assert first.multiplier == pytest.approx(1)


def test_an_average_pool_behind_relu_lets_less_through() -> None:
    pooled = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 8, 3))
    first, last = scaling_plan(pooled, (3, 16, 16), init="fan-in").rows
    assert last.share == 1
    assert 1 / first.share == pytest.approx(1 + 3 / math.pi)  # 1.95
    subsampled = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(1, stride=2), nn.Conv2d(8, 8, 3))
    assert [row.share for row in scaling_plan(subsampled, (3, 16, 16)).rows] == [1, 1]
    centred = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 8, 3))
    (row,) = scaling_plan(centred, (3, 16, 16)).rows
    assert row.x_second == pytest.approx(1 / 4)


def test_branches_have_their_share_and_scalars_keep_pace() -> None:
    main = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), Multiplier(1, True))
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), Residual(main, nn.Conv2d(8, 8, 1), beta=0.5), nn.ReLU(), nn.Conv2d(8, 8, 1)
    )
    plan = scaling_plan(network, (3, 9, 9))
    rows = {row.name: row for row in plan.rows}
    assert {name: row.share for name, row in rows.items()} == pytest.approx(
        {"0": 1, "1.main.1": 0.25, "1.main.3": 0.25, "1.main.4": 0.25, "1.shortcut": 0.75, "3": 1}
    )
    assert plan.imbalance == pytest.approx(1, abs=1e-9)
    assert rows["3"].x_second == pytest.approx(rows["0"].y_second / 2)  # branches and block keep the second moment
    assert rows["1.main.4"].std == pytest.approx(math.sqrt(2) * 0.25**0.25)


def test_layer_shapes_and_meta_give_the_same_plan() -> None:
    expected = scaling_plan(lenet(), (1, 32, 32)).table()
    assert scaling_plan(lenet().to("meta"), (1, 32, 32)).table() == expected
    shapes = [
        LayerShape("0", 1, 6, (5, 5), 2, size_in=32),
        LayerShape("2", 6, 16, (5, 5), 2, size_in=14),
        *(LayerShape(name, *sizes) for name, sizes in (("5", (400, 120)), ("7", (120, 84)), ("9", (84, 10)))),
    ]
    assert scaling_plan(shapes).table() == expected


def test_names_do_not_matter() -> None:
    named = nn.Sequential()
    for name, module in zip("zyxwvutsrq", lenet(), strict=True):
        named.add_module(name, module)
    found, expected = (scaling_plan(each, (1, 32, 32)).table() for each in (named, lenet()))
    assert [row | {"name": ""} for row in found] == [row | {"name": ""} for row in expected]


def test_text_names_layers_and_advice() -> None:
    text = str(scaling_plan(lenet(), (1, 32, 32)))
    assert "max/min of gamma 1, " in text
    assert "note: a fixed factor of 0.447 on the inputs" in text


class Own(nn.Module):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return signal


SHARED = nn.Linear(8, 8)
REFUSED: list[tuple[nn.Module, tuple[int, ...] | None, dict[str, Any], str]] = [
    (nn.Sequential(nn.ReLU()), (8,), {}, "the network has no weight layers"),
    (nn.Sequential(nn.Linear(8, 8), Own()), (8,), {}, r"1 \(Own\): its forward is unknown: give LayerShapes"),
    (nn.Sequential(nn.Linear(8, 8), nn.Tanh()), (8,), {}, r"1 \(Tanh\) is not covered"),
    (nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)), (3, 8, 8), {}, "max pooling does not keep s; a stride does"),
    (nn.Sequential(nn.MultiheadAttention(8, 2)), (4, 8), {}, "attention is a product of activations"),
    (nn.Sequential(nn.LSTM(8, 8)), (4, 8), {}, "a recurrent network"),
    (nn.Sequential(nn.Embedding(8, 8), nn.Linear(8, 8)), (4,), {}, "an embedding is no product"),
    (nn.Sequential(nn.LazyLinear(8)), (4,), {}, "is lazy, it has no shape before its first call"),
    (nn.Sequential(SHARED, nn.ReLU(), SHARED), (8,), {}, "0 and 2 are one weight: give LayerShapes"),
    (nn.Sequential(nn.Conv2d(3, 8, 7)), (3, 5, 5), {}, "a kernel of 7 does not fit an input of 5 with padding 0"),
    (nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 8), {}, r"input of 3 channels and 2 sizes, found the shape \(3, 8\)"),
    (nn.Sequential(nn.Linear(8, 8)), (9,), {}, r"layer 0 takes 8 numbers, found an input of shape \(9,\)"),
    (nn.Sequential(nn.Linear(8, 8)), None, {}, "input_shape must be the shape of one datapoint"),
    (nn.Linear(8, 8), (8,), {"init": "xavier"}, "init must be one of geometric, fan-in, "),
    (nn.Linear(8, 8), (8,), {"numerator": 0.0}, "numerator must be a positive number"),
    (nn.Linear(8, 8), (8,), {"kernel": -1.0}, "kernel must be a positive number"),
    (nn.Linear(8, 8), (8,), {"output_std": 0.0}, "output_std must be a positive number"),
    (nn.Linear(8, 8), (8,), {"uncovered": "maybe"}, "uncovered must be one of"),
    (Residual(nn.Linear(8, 4), beta=0.5), (8,), {}, r"main gives the shape \(4,\), shortcut \(8,\)"),
    (nn.Sequential(nn.Conv2d(3, 8, 3), nn.AvgPool2d(2, padding=1)), (3, 8, 8), {}, "padding and ceil_mode"),
    (nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(4)), (3, 8, 8), {}, "must divide its input"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "shape", "settings", "said"), REFUSED, ids=[each[-1] for each in REFUSED])
def test_what_is_not_covered_is_refused_by_name(
    network: nn.Module, shape: tuple[int, ...] | None, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        scaling_plan(network, shape, **settings)


def test_uncovered_modules_pass_with_a_note_if_they_may() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 4))
    plan = scaling_plan(network, (3, 8, 8), uncovered="kept")
    assert plan.rows[1].n_in == 72
    assert any("1 (MaxPool2d) is not covered: taken as if it kept s" in note for note in plan.notes)


def test_notes_say_what_differs() -> None:
    twice = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.ReLU(), nn.Linear(8, 8))
    assert any("2 (ReLU) follows an activation function" in note for note in scaling_plan(twice, (8,)).notes)
    grouped = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2))
    notes = scaling_plan(grouped, (4, 9, 9), init="default").notes
    assert any("those of one group" in note for note in notes)
    assert any("random, not 0" in note for note in notes)
    shrinking = mlp(*[64] * 40)
    assert any("use them" in note for note in scaling_plan(shrinking, (64,), init="default", multipliers=False).notes)


def test_public_names() -> None:
    assert distnlc.rescale_weights(1) == [(0.0, 1.0)]
