"""Counts of weights and products are exact for every shape of layer; shapes that are none are refused by name."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from distnlc.networks.layer_shapes import LayerShape, typical_kernel

SHAPES: list[tuple[type[nn.Module], dict[str, Any], tuple[int, ...]]] = [
    (nn.Conv2d, {"kernel_size": 3}, (7, 7)),
    (nn.Conv2d, {"kernel_size": 3, "padding": 1}, (8, 8)),
    (nn.Conv2d, {"kernel_size": 11, "stride": 4, "padding": 5}, (9, 12)),
    (nn.Conv2d, {"kernel_size": (3, 5), "padding": (0, 2), "dilation": 2}, (9, 11)),
    (nn.Conv2d, {"kernel_size": 4, "dilation": 2, "padding": "same", "groups": 2}, (7, 8)),
    (nn.Conv1d, {"kernel_size": 5, "stride": 2, "padding": 3}, (10,)),
    (nn.Conv3d, {"kernel_size": 2, "padding": 1}, (3, 4, 2)),
    (nn.ConvTranspose2d, {"kernel_size": 4, "stride": 2, "padding": 1}, (5, 4)),
    (nn.ConvTranspose2d, {"kernel_size": 3, "stride": 3, "output_padding": 1, "groups": 2}, (4, 4)),
    (nn.ConvTranspose1d, {"kernel_size": 5, "dilation": 2, "padding": 3}, (6,)),
]


@pytest.mark.parametrize(("kind", "settings", "sizes"), SHAPES)
def test_products_are_counted_as_the_layer_does_them(
    kind: Any, settings: dict[str, Any], sizes: tuple[int, ...]
) -> None:
    """On ones, with weights of one, an output is the number of its products."""
    layer = kind(4, 6, bias=False, **settings)
    nn.init.ones_(layer.weight)
    counts = layer(torch.ones(1, 4, *sizes))[0].detach()
    shape = LayerShape(
        "layer", 4, 6, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups,
        kind.__name__.startswith("ConvTranspose"), sizes, output_padding=layer.output_padding,
    )  # fmt: skip
    assert shape.size_out == tuple(counts.shape[1:])
    assert shape.terms == pytest.approx(float(counts.mean()))
    assert layer.weight.numel() == shape.N
    assert shape.torch_fans == nn.init._calculate_fan_in_and_fan_out(layer.weight)


def test_padding_leaves_out_the_share_of_the_spec() -> None:
    for size in (16, 8, 2):
        shape = LayerShape("layer", 3, 5, (3, 3), padding=1, size_in=size)
        assert shape.terms / 27 == pytest.approx((1 - 2 / (3 * size)) ** 2)


def test_the_kernel_is_the_root_of_its_area() -> None:
    assert LayerShape("layer", 2, 2, (3, 12), size_in=20).k == 6
    assert LayerShape("layer", 2, 2, (5,), size_in=20).k == math.sqrt(5)


def test_the_typical_kernel_is_the_most_frequent_and_of_two_the_smaller() -> None:
    one, three, five = (LayerShape("layer", 2, 2, (k, k), size_in=9) for k in (1, 3, 5))
    linear = LayerShape("layer", 40, 2)
    assert typical_kernel([three, five, five, linear, linear, linear]) == 5
    assert typical_kernel([three, five, one]) == 1
    assert typical_kernel([linear]) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kernel": (7, 7), "size_in": 5}, "layer a: a kernel of 7 does not fit an input of 5 with padding 0"),
        ({"groups": 3}, "layer a: 3 groups do not divide 4 inputs and 6 outputs"),
        ({"stride": 0}, r"layer a: stride\[0\] must be at least 1, found 0"),
        ({"stride": (1, 1, 1)}, "layer a: stride must have as many axes as the kernel, 2, found 3"),
        ({"padding": "full"}, "layer a: padding must be numbers, same or valid, found 'full'"),
        ({"share": 0.0}, "layer a: its share of the signal must be positive"),
    ],
)
def test_a_shape_that_is_none_is_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LayerShape("a", 4, 6, **settings)
