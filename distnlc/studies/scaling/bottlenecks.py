"""Pre-activation bottleneck networks, as the paper's section 11 scales them (section 6; additions A8 and A9).

    stem        conv 3x3 (3 -> width)
    block       alpha S(x) + beta R(x); R: ReLU, conv 1x1, ReLU, conv 3x3, ReLU, conv 1x1, learnable scalar
    last layer  ReLU, flatten, linear

In: a shape of network, a weighting of its branches, and whether blocks are scaled. Out: an initialized module without
biases. Geometric with c = numerator / 1, as most convolutions are 1x1; fixed multipliers before every layer keep second
moments. Choices where the text is silent:
    stages      three where channels widen, of blocks / 3 each, the longer ones first; inner channels widen likewise
    shortcuts   widening ones: average pool 2x2 times 2, or subsampling, then conv 1x1
    unscaled    as the paper would have it without section 11: no share q in the weights, no coverage f of padding in
                the multipliers (A4); a layer inside a branch then has q f of the ratio outside
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils import parametrize, skip_init

from distnlc.networks.geometric import Factor
from distnlc.networks.residual import Multiplier, Residual, rescale_weights
from distnlc.networks.scaling import Plan, PlanRow, scaling_plan
from distnlc.studies.scaling.lenet import draw_weights

COLOURS, CLASSES, STAGES = 3, 10, 3
HALF = math.sqrt(1 / 2)


class Shape(NamedTuple):
    """A network but for its weights."""

    variant: str
    """`equal`, `widen-pool` or `widen-subsample`"""
    weighting: str
    """alpha^2 and beta^2: `half` each, or `rescale`"""
    size: int
    width: int
    inner: int
    blocks: int


def bottlenecks(shape: Shape, *, scaled: bool, numerator: float, seed: int) -> tuple[nn.Sequential, Plan]:
    """The network (COLOURS, size, size) -> (CLASSES), float64, with the weights that the seed fixes and multipliers on
    them, and the plan of scaled blocks."""
    network, plan = _network(shape), _plan(shape, numerator)
    rows = {row.name: (row.std, row.multiplier) if scaled else _unscaled(row) for row in plan.rows}
    draw_weights(network, {name: std for name, (std, _) in rows.items()}, seed)
    for name, (std, multiplier) in rows.items():
        module: Any = network.get_submodule(name)
        if isinstance(module, Multiplier):
            with torch.no_grad():
                module.value.fill_(std)
        kind = "value" if isinstance(module, Multiplier) else "weight"
        parametrize.register_parametrization(module, kind, Factor(multiplier))
    return network, plan


@lru_cache
def _plan(shape: Shape, numerator: float) -> Plan:
    return scaling_plan(_network(shape), (COLOURS, shape.size, shape.size), numerator=numerator, kernel=1.0)


def _network(shape: Shape) -> nn.Sequential:
    """The network with weights that are not initialized."""
    variant, weighting, side, channels, inner, blocks = shape
    pairs = rescale_weights(blocks) if weighting == "rescale" else [(HALF, HALF)] * blocks
    modules: list[nn.Module] = [_conv(COLOURS, channels, 3, padding=1)]
    stage = 0
    for number, (alpha, beta) in enumerate(pairs):
        widens = variant != "equal" and _stage(number, blocks) > stage
        stage += widens
        outputs = shape.width * 2**stage
        main = _main(channels, inner * 2**stage, outputs, stride=1 + widens)
        shortcut = _shortcut(variant, channels, outputs) if widens else None
        modules.append(Residual(main, shortcut, alpha=alpha, beta=beta))
        channels, side = outputs, side // (1 + widens)
    last = skip_init(nn.Linear, channels * side**2, CLASSES, bias=False, dtype=torch.float64)
    return nn.Sequential(*modules, nn.ReLU(), nn.Flatten(), last)


def _conv(before: int, after: int, kernel: int, **options: Any) -> nn.Module:
    return skip_init(nn.Conv2d, before, after, kernel, bias=False, dtype=torch.float64, **options)


def _stage(number: int, blocks: int) -> int:
    """The stage of a block, from 0."""
    length, longer = divmod(blocks, STAGES)
    ends = [sum(length + (stage < longer) for stage in range(last + 1)) for last in range(STAGES)]
    return next(stage for stage, end in enumerate(ends) if number < end)


def _main(before: int, inner: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        _conv(before, inner, 1),
        nn.ReLU(),
        _conv(inner, inner, 3, stride=stride, padding=1),
        nn.ReLU(),
        _conv(inner, after, 1),
        Multiplier(1.0, learnable=True).double(),
    )


def _shortcut(variant: str, before: int, after: int) -> nn.Sequential:
    if variant == "widen-subsample":
        return nn.Sequential(_conv(before, after, 1, stride=2))
    return nn.Sequential(nn.AvgPool2d(2), Multiplier(2.0).double(), _conv(before, after, 1))


def _unscaled(row: PlanRow) -> tuple[float, float]:
    """Standard deviation (of a scalar its value) and multiplier of a layer without share and coverage."""
    root = row.share**0.25
    coverage = row.terms / (row.n_in * row.k**2) if row.kind != "scalar" else 1.0
    return row.std / root, row.multiplier * root * math.sqrt(coverage)


def place_of(name: str) -> str:
    """The place of a layer, from its path: outside, main or shortcut."""
    return next((word for word in ("main", "shortcut") if word in name.split(".")), "outside")
