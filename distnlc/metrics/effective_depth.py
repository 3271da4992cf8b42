"""Effective depth: how many layers deep a network trains (Philipp, Song & Carbonell 2017, appendix D.2).

Every linear layer is its initial matrix plus a residual R, so that a gradient is a sum of terms, each of which passes
some linear layers through R and the others through the initial matrix. Into every update of a linear layer go terms
with few and with many residual factors; `EffectiveDepth` adds up a bound on the length of all those with at least
lambda of them, over the whole training. The effective depth is the largest lambda whose sum reaches a threshold.

In: for each update and each query point the lengths of gradients and signals at the linear layers, the operator norms
of the residuals before the update (`operator_norms.py` follows them), and the step size. Out: the effective depth. One
sweep from the outputs to the inputs serves all layers and all query points. Numbers are float64: they reach from 1e-40
to 1e6.

Chosen where the text is silent: a gradient of length 0 stays 0 on its way down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

THRESHOLD = 1e-6
"""as printed; 1e-4 and 1e-8 move the depth by about 2"""


@dataclass(frozen=True, kw_only=True)
class LinearCrossing:
    """One linear layer as the gradient of each query point passes it, downwards; tensors are (points,)."""

    layer: int
    """its number among the linear layers, from 0, in any order"""
    above: Tensor
    """length of the error's gradient with respect to its output; inside a block, of the part that comes through the
    block. Gradients are those of the summed, not of the mean, error of the batch"""
    below: Tensor
    """the same with respect to its input"""
    signal: Tensor
    """length of its input"""
    residual: Tensor | float
    """operator norm of what training has added to its matrix, before this update"""
    rate: float
    """what the summed error's gradient is multiplied by in the update: the step size over the batch size, where the
    loss is the batch's mean"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Layers that a skip connection bypasses, as the gradient passes them; tensors are (points,)."""

    crossings: Sequence[LinearCrossing]
    """from the top"""
    above: Tensor
    """length of the whole gradient where the skip connection ends"""
    below: Tensor
    """length of the whole gradient where it begins"""
    inside: Tensor
    """length of the part of `below` that came through the block"""


@dataclass
class EffectiveDepth:
    """The sums over one training, and the depth that follows from them."""

    linear_layers: int
    device: torch.device | str = "cpu"
    sums: Tensor = field(init=False)
    """(linear layers, 1 + linear layers) float64: the bound on all updates of a layer by terms with at least so many
    residual factors. May be saved and set again"""

    def __post_init__(self) -> None:
        shape = (self.linear_layers, self.linear_layers + 1)
        self.sums = torch.zeros(shape, dtype=torch.float64, device=self.device)

    def add(self, way: Sequence[LinearCrossing | Block], top: Tensor) -> None:
        """Takes one update: the way of the gradient from the outputs down, `top` (points,) the length of the gradient
        with respect to the outputs. Layers without parameters need not be named."""
        sweep = _Sweep(top, self.sums)
        for step in way:
            sweep.through_block(step) if isinstance(step, Block) else sweep.cross(step)

    def depth(self, threshold: float = THRESHOLD) -> int:
        """The largest number of residual factors whose sum reaches the threshold in any layer: 0 to the number of
        linear layers less one, since a layer's own residual is not on the way to it."""
        reached = (self.sums >= threshold).any(0).nonzero()
        return int(reached.max()) if len(reached) else 0


class _Sweep:
    """Bounds on the lengths of the gradient's terms of each query point by their number of residual factors."""

    def __init__(self, top: Tensor, sums: Tensor) -> None:
        self.sums = sums
        self.bounds = top.new_zeros(len(top), sums.shape[1], dtype=torch.float64)
        """(points, residual factors)"""
        self.bounds[:, 0] = top
        self.length = top.double()
        """of the gradient where the sweep stands"""

    def move(self, length: Tensor) -> None:
        """To a lower place, past layers without parameters."""
        self.bounds = self.bounds * _ratio(length, self.length)[:, None]
        self.length = length.double()

    def cross(self, crossing: LinearCrossing) -> None:
        """Adds to the layer's sums, then passes it: by the initial matrix as the gradient does, or by the residual."""
        self.move(crossing.above)
        tails = self.bounds.flip(1).cumsum(1).flip(1)  # with at least so many
        self.sums[crossing.layer] += crossing.rate * (crossing.signal.double() @ tails)
        before = self.bounds
        self.move(crossing.below)
        self.bounds[:, 1:] += before[:, :-1] * crossing.residual

    def through_block(self, block: Block) -> None:
        """The part through the block crosses its layers; the part that bypasses it has no residual factors to gain."""
        self.move(block.above)
        bypassing = self.bounds * _ratio(block.below.double() - block.inside.double(), self.length)[:, None]
        for crossing in block.crossings:
            self.cross(crossing)
        self.move(block.inside)
        self.bounds = self.bounds + bypassing
        self.length = block.below.double()


def _ratio(length: Tensor, before: Tensor) -> Tensor:
    return torch.where(before > 0, length / before, 0)
