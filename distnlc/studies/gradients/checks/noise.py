"""Networks on noise and all that autograd tells of them: what several families of checks measure.

In: a part with the number of networks and points, and what its architecture differs in. Out: signals and gradients at
every place. This is the plain statement of the noise protocol (section 4), independent of the fast route that the noise
units take. Choice: GSC(l, 0) is taken relative to GSC(1, 0), whose expectation is 1 and which is the noise of the
labels alone, so that 200 points tell as much of a network without batch norm as 10,000.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.networks.initialization import Parameters
from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from distnlc.networks.operations import operations
from distnlc.spec import derive_seed
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.spec import Spec

FEW = 200
"""points of a network without batch norm, or as many as the part has, if these are fewer"""
PER_BATCH = 10
"""networks without batch norm for each network with it, whose points are all of the part's"""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measured:
    """One network on noise; index 0 of a list is the input, index i the output of operation i."""

    layered: Layered
    signals: list[Tensor]
    """each (points, width)"""
    gradients: list[Tensor]
    """of the sum of the datapoints' errors f_0 = f_1 . y"""

    @property
    def scales(self) -> Array:
        """GSC(l, 0) / GSC(1, 0) at each place, the input first."""
        found = [
            quadratic_mean_length(gradient) / math.sqrt(gradient.shape[1]) * quadratic_mean_length(signal)
            for signal, gradient in zip(self.signals, self.gradients, strict=True)
        ]
        return np.array(found) / found[-1]

    def places(self, kind: str) -> list[int]:
        """Where the operations of one kind have their outputs, the lowest first."""
        return [place for place, each in enumerate(operations(self.layered), start=1) if each.kind == kind]

    def blocks(self) -> list[tuple[int, int]]:
        """The places of the linear operations in which each skip connection begins and ends, the lowest first."""
        linear = self.places("linear")
        return [(linear[skip.start - 1], linear[skip.end - 1]) for skip in self.layered.skips]


def quadratic_mean_length(vectors: Tensor) -> float:
    """Q ||v|| over the rows."""
    return float(vectors.square().sum(1).mean().sqrt())


def architecture(nonlinearity: str, normalization: str = "none", **others: Any) -> dict[str, Any]:
    """What a part of that architecture differs in; Gaussian matrices, no skip connections and 50 linear layers unless
    `others` say so."""
    plain = {"matrices": "gaussian", "skip": "none", "linear_layers": 50, "width": "100", "block_layers": 2}
    return {**plain, "nonlinearity": nonlinearity, "normalization": normalization, **others}


def residual(nonlinearity: str, normalization: str, blocks: int = 25, **others: Any) -> dict[str, Any]:
    """The same of a residual network of blocks of two linear layers, with identity skip connections."""
    return architecture(nonlinearity, normalization, skip="identity", linear_layers=1 + 2 * blocks, **others)


def points_of(part: Spec, normalization: str) -> int:
    """Batch norm's number of points is a part of what it computes; that of others is not."""
    return part.points if normalization == "batch" else min(part.points, FEW)


def networks_of(part: Spec, normalization: str) -> int:
    return max(1, part.networks // PER_BATCH) if normalization == "batch" else part.networks


def networks(part: Spec, seed: int, different: dict[str, Any]) -> Iterator[tuple[Layered, Parameters, int]]:
    """Description and numbers of one network after another, with a seed for its points."""
    changed = part.model_copy(update=different)
    layered = layered_of(changed)
    for number in range(networks_of(part, layered.layers[0].normalization)):
        own = derive_seed("check", seed, number)
        yield layered, parameters_of(changed, own, layered), own


def measured(part: Spec, seed: int, different: dict[str, Any]) -> Iterator[Measured]:
    """Networks of an architecture, measured one after another."""
    for layered, parameters, own in networks(part, seed, different):
        yield measure(layered, parameters, points_of(part, layered.layers[0].normalization), own)


def measure(layered: Layered, parameters: Parameters, points: int, seed: int) -> Measured:
    """One network on noise of that seed."""
    generator = torch.Generator().manual_seed(derive_seed("points", seed))
    inputs = on_sphere(points, layered.d_in, generator).requires_grad_()
    labels = torch.randn(points, layered.d_out, generator=generator, dtype=torch.float64) / math.sqrt(layered.d_out)
    network = MLP(layered, parameters).requires_grad_(False)
    signals = [inputs, *network.signals(inputs)]
    gradients = torch.autograd.grad((signals[-1] * labels).sum(), signals)
    return Measured(layered, [signal.detach() for signal in signals], list(gradients))


def on_sphere(points: int, dimension: int, generator: torch.Generator) -> Tensor:
    """Uniform on the sphere of radius sqrt(dimension), float64."""
    normal = torch.randn(points, dimension, generator=generator, dtype=torch.float64)
    return normal / normal.norm(dim=1, keepdim=True) * math.sqrt(dimension)
