"""Networks on noise and all that autograd tells of them: what several families of checks measure.

In: a part with the number of networks and points, and what its architecture differs in. Out: signals and gradients at
every place. This is the plain statement of the noise protocol (section 4), independent of the fast route that the noise
units take. Choice: GSC(l, 0) is taken relative to GSC(1, 0), whose expectation is 1 and which is the noise of the
labels alone, so that 200 points tell as much of a network without batch norm as 10,000.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.metrics.gradient_scale import quadratic_mean
from distnlc.networks.initialization import Parameters
from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from distnlc.networks.operations import operations
from distnlc.spec import derive_seed
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.spec import Spec

FEW = 200
"""points of a network without batch norm, or as many as the part has, if these are fewer"""
PER_BATCH, LEAST_BATCH = 10, 2
"""networks without batch norm for each network with it, whose points are all of the part's; how many at least"""
RESIDUAL_POINTS, PER_RESIDUAL, LEAST_RESIDUAL = 2000, 4, 4
"""the same of residual networks with batch norm, which have fewer points: six batch-ReLU networks of 25 blocks grow by
3.407 on 2,000 points and by 3.410 on 10,000, six of batch-tanh by 1.549 and 1.545, while networks differ by 1.5 %; only
in deep vanilla networks does the number of points matter"""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Lengths:
    """One network on noise, as quadratic means over the points; index 0 is the input, index i the output of operation
    i."""

    layered: Layered
    signals: Array
    gradients: Array

    @property
    def scales(self) -> Array:
        """GSC(l, 0) / GSC(1, 0) at each place."""
        widths = [self.layered.d_in, *(each.width for each in operations(self.layered))]
        found = self.gradients / np.sqrt(widths) * self.signals
        return np.array(found / found[-1])

    def places(self, kind: str) -> list[int]:
        """Where the operations of one kind have their outputs, the lowest first."""
        return [place for place, each in enumerate(operations(self.layered), start=1) if each.kind == kind]


@dataclass(frozen=True)
class Measured:
    """The same with every point, which is what takes memory."""

    layered: Layered
    signals: list[Tensor]
    """each (points, width)"""
    gradients: list[Tensor]
    """of the sum of the datapoints' errors f_0 = f_1 . y"""

    @cached_property
    def lengths(self) -> Lengths:
        signals, gradients = ([quadratic_mean(each) for each in all_] for all_ in (self.signals, self.gradients))
        return Lengths(self.layered, np.array(signals), np.array(gradients))

    @property
    def scales(self) -> Array:
        return self.lengths.scales

    def blocks(self) -> list[tuple[int, int]]:
        """The places of the linear operations in which each skip connection begins and ends, the lowest first."""
        linear = self.lengths.places("linear")
        return [(linear[skip.start - 1], linear[skip.end - 1]) for skip in self.layered.skips]


def architecture(nonlinearity: str, normalization: str = "none", **others: Any) -> dict[str, Any]:
    """What a part of that architecture differs in; Gaussian matrices, no skip connections and 50 linear layers unless
    `others` say so."""
    plain = {"matrices": "gaussian", "skip": "none", "linear_layers": 50, "width": "100", "block_layers": 2}
    return {**plain, "nonlinearity": nonlinearity, "normalization": normalization, **others}


def residual(nonlinearity: str, normalization: str, blocks: int = 25, **others: Any) -> dict[str, Any]:
    """The same of a residual network of blocks of two linear layers, with identity skip connections."""
    return architecture(nonlinearity, normalization, skip="identity", linear_layers=1 + 2 * blocks, **others)


def points_of(part: Spec, layered: Layered) -> int:
    """Batch norm's number of points is a part of what it computes; that of others is not."""
    if layered.layers[0].normalization != "batch":
        return min(part.points, FEW)
    return min(part.points, RESIDUAL_POINTS) if layered.skips else part.points


def networks_of(part: Spec, layered: Layered) -> int:
    if layered.layers[0].normalization != "batch":
        return part.networks
    if layered.skips:
        return max(LEAST_RESIDUAL, part.networks // PER_RESIDUAL)
    return max(LEAST_BATCH, part.networks // PER_BATCH)


def networks(part: Spec, seed: int, different: dict[str, Any]) -> Iterator[tuple[Layered, Parameters, int]]:
    """Description and numbers of one network after another, with a seed for its points."""
    changed = part.model_copy(update=different)
    layered = layered_of(changed)
    for number in range(networks_of(part, layered)):
        own = derive_seed("check", seed, number)
        yield layered, parameters_of(changed, own, layered), own


def measured(part: Spec, seed: int, different: dict[str, Any]) -> Iterator[Measured]:
    """Networks of an architecture, measured one after another."""
    for layered, parameters, own in networks(part, seed, different):
        yield measure(layered, parameters, points_of(part, layered), own)


def measure(layered: Layered, parameters: Parameters, points: int, seed: int) -> Measured:
    """One network on noise of that seed."""
    inputs, labels = noise(layered, points, seed)
    inputs.requires_grad_()
    network = MLP(layered, parameters).requires_grad_(False)
    signals = [inputs, *network.signals(inputs)]
    gradients = torch.autograd.grad((signals[-1] * labels).sum(), signals)
    return Measured(layered, [signal.detach() for signal in signals], list(gradients))


def noise(layered: Layered, points: int, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of that seed."""
    generator = torch.Generator().manual_seed(derive_seed("points", seed))
    inputs = on_sphere(points, layered.d_in, generator)
    labels = torch.randn(points, layered.d_out, generator=generator, dtype=torch.float64) / math.sqrt(layered.d_out)
    return inputs, labels


def on_sphere(points: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Uniform on the sphere of radius sqrt(dimension), float64."""
    normal = torch.randn(points, dimension, generator=generator, dtype=torch.float64)
    return normal / normal.norm(dim=1, keepdim=True) * math.sqrt(dimension)
