"""The networks that are trained (sections 7 and 11): MLPs on sets of LibSVM's page, AlexNet and ResNet on CIFAR10.

In: sizes, an initialization, a seed. Out: a module, float64, with biases 0, and its plan. All initializations of a seed
have the same standard normal weights times their standard deviation (A7). Chosen where the text is silent:
    AlexNet     that of 32 x 32 images, each pool folded into the stride of the convolution before it; the geometric one
                has c = numerator / 3 and fixed multipliers sqrt(3 / k) before layers of another kernel (section 4), the
                others none
    ResNet      three stages of pre-activation bottlenecks, shortcuts by subsampling, RescaleNet's alpha and beta
"""

import math
from collections import OrderedDict
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import nn

from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import Parameters
from distnlc.networks.layer_shapes import LayerShape
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.networks.residual import Multiplier
from distnlc.networks.scaling import Plan, scaling_plan
from distnlc.networks.scaling_rule import Init
from distnlc.studies.scaling.bottlenecks import Shape, bottlenecks
from distnlc.studies.scaling.lenet import draw_weights
from distnlc.studies.scaling.spec import Spec

IMAGE = (3, 32, 32)
CLASSES = 10
CHANNELS = (64, 192, 384, 256, 256)
CONVOLUTIONS = ((11, 8), (5, 2), (3, 1), (3, 1), (3, 2))
"""(kernel, stride) of each; the padding is half the kernel, so that maps have sides 4, 2, 2, 2, 1"""
TYPICAL = 3


class Initial(NamedTuple):
    """A network before training."""

    network: nn.Module
    """(points, d_in) -> (points, classes), float64"""
    plan: Plan
    prefix: str = ""
    """before the plan's names of layers in the network's"""


def mlp(part: Spec, d_in: int, classes: int, init: str, seed: int) -> Initial:
    """The network of the libsvm experiment: d_in - hidden - classes, ReLU."""
    biases, widths = part.libsvm.biases, [d_in, *part.libsvm.hidden, classes]
    layered = Layered(d_in, uniform_layers(widths[1:], activation=plain_activation("relu"), bias=biases))
    zeros = Parameters(
        [torch.zeros(after, before, dtype=torch.float64) for before, after in pairwise(widths)],
        [torch.zeros(after, dtype=torch.float64) if biases else None for after in widths[1:]],
        [],
    )
    network = MLP(layered, zeros)
    shapes = [
        LayerShape(f"linears.{number}", before, after, bias=biases)
        for number, (before, after) in enumerate(pairwise(widths))
    ]
    plan = scaling_plan(shapes, init=cast("Init", init), numerator=part.numerator, multipliers=False)
    draw_weights(network, {row.name: row.std for row in plan.rows}, seed)
    return Initial(network, plan)


def alexnet(divisor: int, numerator: float, init: str, seed: int) -> Initial:
    """AlexNet for flat images of CIFAR10. Raises ValueError for a divisor that leaves a layer without channels."""
    channels = [IMAGE[0], *(each // divisor for each in CHANNELS)]
    if min(channels) < 1:
        raise ValueError(f"alexnet.divisor = {divisor} leaves a layer without channels: expected at most {CHANNELS[0]}")
    modules = OrderedDict[str, nn.Module](image=nn.Unflatten(1, IMAGE))
    for number, ((before, after), (kernel, stride)) in enumerate(zip(pairwise(channels), CONVOLUTIONS, strict=True), 1):
        if init == "geometric" and kernel != TYPICAL:
            modules[f"multiplier{number}"] = Multiplier(math.sqrt(TYPICAL / kernel))
        modules[f"conv{number}"] = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2)
        modules[f"relu{number}"] = nn.ReLU()
    modules["flatten"] = nn.Flatten()
    if init == "geometric":
        modules["multiplier"] = Multiplier(math.sqrt(TYPICAL))
    modules["linear"] = nn.Linear(channels[-1], CLASSES)
    network = nn.Sequential(modules).double()
    plan = scaling_plan(
        network,
        (math.prod(IMAGE),),
        init=cast("Init", init),
        numerator=numerator,
        kernel=TYPICAL,
        multipliers=False,
    )
    draw_weights(network, {row.name: row.std for row in plan.rows}, seed)
    return Initial(network, plan)


def resnet(part: Spec, scaled: bool, seed: int) -> Initial:
    """Bottlenecks for flat images of CIFAR10."""
    group = part.resnet
    shape = Shape("widen-subsample", "rescale", IMAGE[1], group.width, group.inner, group.blocks)
    network, plan = bottlenecks(shape, scaled=scaled, numerator=part.numerator, seed=seed)
    modules = OrderedDict[str, nn.Module](image=nn.Unflatten(1, IMAGE), body=network)
    return Initial(nn.Sequential(modules), plan, "body.")
