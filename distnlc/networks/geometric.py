"""Geometric initialization of the user's own network: every layer begins at one pace (spec section 4, additions (e)).

In: any module. Out: the same module, in place: weights of variance c sqrt(q / N), biases 0, learnable scalars (those of
`Multiplier`) sqrt(c) q^(1/4), where q is the share of the residual branches around a layer. With the shape of a
datapoint also what pools let through counts, and the plan is returned. Norm layers, and parameters that no layer of
torch's has, stay as they are. What is not covered is refused before anything changes. Choices where the text is silent:
    multipliers     a factor that an earlier call put on a weight is taken away first
    slope           without shapes, that of most activation modules; 0 where there are none
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from distnlc.networks.layer_shapes import LayerShape
from distnlc.networks.residual import Multiplier, Residual
from distnlc.networks.scaling import Plan, scaling_plan
from distnlc.networks.scaling_rule import LAST_SLOPE, Rule, check_settings
from distnlc.networks.shape_walk import LAYERS, RECTIFIERS, TRANSPOSED, slope_of, trained, why_uncovered

Distribution = Literal["normal", "uniform", "orthogonal"]
Multipliers = Literal["none", "parametrize", "return"]
UNCOVERED = (
    *(nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer),
    *(nn.RNNBase, nn.RNNCellBase, nn.Embedding, nn.EmbeddingBag, nn.Bilinear),
)


class Factor(nn.Module):
    """A parametrization: the weight that is used is this number times the one that is trained."""

    factor: Tensor

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64))

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.factor.to(weight.dtype)


def geometric_init_(
    network: nn.Module,
    *,
    input_shape: tuple[int, ...] | None = None,
    numerator: float = 2.0,
    kernel: float | None = None,
    distribution: Distribution = "normal",
    multipliers: Multipliers = "none",
    seed: int | None = None,
) -> Plan | None:
    """Initializes the network in place; returns its plan where `input_shape` is given, which needs a sequential one.

    numerator, kernel: as in `scaling_plan`. distribution: of the weights; `orthogonal` has the same mean square.
    multipliers: `parametrize` puts the plan's factors on the weights (torch cannot pickle such a module: save its
    state_dict), `return` leaves it to the caller to put a `Multiplier` with each row's factor before its layer, `none`
    goes without. seed: None takes torch's own generator. Raises ValueError, naming the module, for what is not covered.
    """
    check_settings(numerator=numerator, kernel=kernel)
    for name, value, known in (("distribution", distribution, Distribution), ("multipliers", multipliers, Multipliers)):
        if value not in get_args(known):
            raise ValueError(f"{name} must be one of {', '.join(get_args(known))}, found {value!r}")
    if multipliers != "none" and input_shape is None:
        raise ValueError(f"multipliers={multipliers!r} needs the input_shape, such as (3, 32, 32)")
    layers = dict(_layers(network, "", 1.0))
    _check(network, {name: module for name, (module, _) in layers.items()})
    plan = None
    if input_shape is not None:
        plan = scaling_plan(network, input_shape, numerator=numerator, kernel=kernel, multipliers=multipliers != "none")
        stds = {row.name: row.std for row in plan.rows}
    else:
        stds = _without_shapes(network, layers, numerator, kernel)
    factors = {row.name: row.multiplier for row in plan.rows} if plan and multipliers == "parametrize" else {}
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    for name, (module, _) in layers.items():
        _initialize(module, stds[name], factors.get(name), distribution, generator)
    return plan


def _layers(module: nn.Module, name: str, share: float) -> Iterator[tuple[str, tuple[nn.Module, float]]]:
    """Path -> weight layer or learnable scalar, and its share of s."""
    if isinstance(module, LAYERS) or (isinstance(module, Multiplier) and module.learnable):
        yield name, (module, share)
        return
    shares = dict.fromkeys(module._modules, share)
    if isinstance(module, Residual):
        shares |= zip(("shortcut", "main"), (share * each for each in module.shares), strict=True)
    for key, each in module._modules.items():
        if each is not None and key != "parametrizations":
            yield from _layers(each, f"{name}.{key}" if name else key, shares[key])


def _check(network: nn.Module, layers: dict[str, nn.Module]) -> None:
    """Raises ValueError for what cannot be initialized."""
    for name, module in network.named_modules():
        title = f"{name or 'the network'} ({type(module).__name__})"
        if isinstance(module, UNCOVERED):
            raise ValueError(f"{title} is not covered by the scaling calculus: {why_uncovered(module)}")
        if ".quantized." in f"{type(module).__module__}.":
            raise ValueError(f"{title} has quantized weights, which cannot be drawn: initialize, then quantize")
    if not any(isinstance(module, LAYERS) for module in layers.values()):
        raise ValueError("the network has no weight layers (Linear, Conv1d to Conv3d, ConvTranspose1d to 3d)")
    seen = dict[int, str]()
    for name, module in layers.items():
        kind = "value" if isinstance(module, Multiplier) else "weight"
        title, weight = f"{name or 'the network'} ({type(module).__name__})", trained(module, kind)
        if nn.parameter.is_lazy(weight):
            raise ValueError(f"{title} is lazy, it has no shape before its first call; call the network once")
        if not isinstance(weight, nn.Parameter) or (parametrize.is_parametrized(module) and not _is_ours(module)):
            raise ValueError(f"{title}: its weight is computed from others (weight norm?); initialize it without that")
        if weight.is_meta:
            raise ValueError(f"{title} has no numbers (it is on meta): scaling_plan reads shapes alone")
        if weight.is_complex() or weight.layout != torch.strided:
            raise ValueError(f"{title}: expected dense real weights, found {weight.dtype} {weight.layout}")
        if id(weight) in seen:
            raise ValueError(f"{seen[id(weight)]} and {name} are one weight, whose layers the calculus tells apart")
        seen[id(weight)] = name


def _is_ours(module: nn.Module) -> bool:
    """Whether nothing but a Factor is on its weight or value."""
    lists: Any = module.parametrizations
    each = [step for steps in lists.values() for step in steps]
    return len(each) == 1 and isinstance(each[0], Factor)


def _without_shapes(
    network: nn.Module, layers: dict[str, tuple[nn.Module, float]], numerator: float, kernel: float | None
) -> dict[str, float]:
    """Path -> standard deviation of a layer, or value of a scalar."""
    slopes = [slope_of(each) for each in network.modules() if isinstance(each, RECTIFIERS)] or [LAST_SLOPE]
    slope = min(slopes, key=lambda each: (-slopes.count(each), each))
    shapes = {
        name: _shape(name, module, share, slope)
        for name, (module, share) in layers.items()
        if isinstance(module, LAYERS)
    }
    rule = Rule.of(list(shapes.values()), init="geometric", numerator=numerator, kernel=kernel)
    return {
        name: math.sqrt(rule.variance(shapes[name])) if name in shapes else rule.scalar(share)
        for name, (_, share) in layers.items()
    }


def _shape(name: str, module: Any, share: float, slope: float) -> LayerShape:
    """The layer on an input that its kernel fits: N and k, which are all that is read, do not depend on it."""
    if isinstance(module, nn.Linear):
        return LayerShape(name, module.in_features, module.out_features, slope=slope, share=share)
    sizes: tuple[int, ...] = tuple(module.kernel_size)
    return LayerShape(
        name,
        module.in_channels,
        module.out_channels,
        sizes,
        groups=module.groups,
        transposed=isinstance(module, TRANSPOSED),
        size_in=tuple(size + 1 for size in sizes),
        slope=slope,
        share=share,
    )


@torch.no_grad()
def _initialize(
    module: Any,
    std: float,
    factor: float | None,
    distribution: Distribution,
    generator: torch.Generator | None,
) -> None:
    """Draws the weights of a layer of that standard deviation, or sets a scalar to it, and the factor on them."""
    name = "value" if isinstance(module, Multiplier) else "weight"
    if parametrize.is_parametrized(module, name):
        parametrize.remove_parametrizations(module, name, leave_parametrized=False)
    tensor = getattr(module, name)
    if isinstance(module, Multiplier):
        tensor.fill_(std)
    else:
        drawn = torch.empty(tensor.shape, dtype=torch.float64)
        if distribution == "normal":
            drawn.normal_(0, std, generator=generator)
        elif distribution == "uniform":
            drawn.uniform_(-math.sqrt(3) * std, math.sqrt(3) * std, generator=generator)
        else:
            rank = min(len(drawn), drawn[0].numel())
            nn.init.orthogonal_(drawn, std * math.sqrt(drawn.numel() / rank), generator=generator)
        tensor.copy_(drawn)
        if isinstance(module.bias, Tensor):
            module.bias.zero_()
    if factor is not None:
        parametrize.register_parametrization(module, name, Factor(factor))
