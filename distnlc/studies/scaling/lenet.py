"""LeNet with strides in place of pooling, and the random loss that figures 1 and 2 measure (section 7, X1 and X2).

    conv 5x5 stride 2 (1 -> 6), conv 5x5 stride 2 (6 -> 16), linear -> 120 -> 84 -> classes, ReLU between, no padding
    inputs of independent N(0, 1), loss y^T R y of a datapoint's outputs with R of independent N(0, 1)

In: a seed and an initialization. Out: a module, inputs and R, float64. All initializations of a seed have the same
standard normal weights times their standard deviation, and the same inputs and R (A7). Chosen where the text is silent:
c = numerator / 5 as the convolutions have it, no fixed multipliers, biases 0.
"""

from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from distnlc.networks.scaling import Plan, scaling_plan
from distnlc.networks.scaling_rule import Init
from distnlc.networks.shape_walk import LAYERS
from distnlc.spec import derive_seed

CHANNELS, HIDDEN, KERNEL = (1, 6, 16), (120, 84), 5


class Setup(NamedTuple):
    """A network with inputs and a loss."""

    network: nn.Sequential
    inputs: Tensor
    """(samples, 1, image, image)"""
    matrix: Tensor
    """R"""
    plan: Plan


def lenet_setup(
    seed: int,
    init: str,
    *,
    samples: int,
    image: int = 32,
    classes: int = 10,
    biases: bool = True,
    numerator: float = 2.0,
) -> Setup:
    """The set-up of a seed under an initialization."""
    network = _lenet(image, classes, biases)
    plan = scaling_plan(
        network, (CHANNELS[0], image, image), init=cast("Init", init), numerator=numerator, multipliers=False
    )
    draw_weights(network, {row.name: row.std for row in plan.rows}, derive_seed("weights", seed))
    random = torch.Generator().manual_seed(derive_seed("inputs and loss", seed))
    inputs = _normal(random, samples, CHANNELS[0], image, image)
    return Setup(network, inputs, _normal(random, classes, classes), plan)


def draw_weights(network: nn.Module, stds: dict[str, float], seed: int) -> None:
    """Weights of all layers N(0, std^2): standard normal numbers in float64, which the seed fixes, times a layer's std.
    Biases are 0."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, LAYERS):
                weight: Any = module.weight
                weight.copy_(_normal(random, *weight.shape) * stds[name])
                if module.bias is not None:
                    module.bias.zero_()


def _normal(random: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=random, dtype=torch.float64)


def _lenet(image: int, classes: int, biases: bool) -> nn.Sequential:
    side = image
    for _ in CHANNELS[1:]:
        side = (side - KERNEL) // 2 + 1
    widths = (CHANNELS[-1] * side**2, *HIDDEN, classes)
    modules: list[nn.Module] = []
    for before, after in pairwise(CHANNELS):
        modules += [nn.Conv2d(before, after, KERNEL, stride=2, bias=biases), nn.ReLU()]
    modules.append(nn.Flatten())
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after, bias=biases), nn.ReLU()]
    return nn.Sequential(*modules[:-1]).double()
