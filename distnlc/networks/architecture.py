"""The architecture of a fully-connected network of section C: everything that fixes its function at initialization.

`Architecture.build` gives the network as an ordinary torch module. Describing a network needs no torch; it is imported
when a network is built, so that a study can list its units without.

Depth, by example (it counts linear operations):
    depth 3:  linear, norm, act | linear, norm, act | linear          two hidden layers, one skip connection
    depth 5:  four hidden layers, two skip connections; depth 2m+1: m skip connections
"""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.spec import short_id

if TYPE_CHECKING:
    from distnlc.networks.activations import Activation
    from distnlc.networks.initialization import Parameters
    from distnlc.networks.mlp import MLP


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A fully-connected network of `depth` linear operations with bias, seed included."""

    index: int
    seed: int
    d_in: int
    d_out: int
    depth: int
    width: int
    """of every hidden layer"""
    activation: str
    dilation: float = 1.0
    shift: float = 0.0
    debiased: bool = False
    bias_variance: float = 0.0
    initial_scale: float = 1.0
    normalization: str = "none"
    """none | batch | layer"""
    skip_strength: float = 0.0
    """0: no skip connections"""
    skip_start: str = "none"
    """none | linear | normalization: after which operation the skip connections begin"""

    @property
    def architecture_id(self) -> str:
        return short_id(asdict(self))

    @property
    def widths(self) -> list[int]:
        """Layer widths, input first: `depth + 1` numbers."""
        return [self.d_in, *[self.width] * (self.depth - 1), self.d_out]

    @property
    def parameters(self) -> int:
        """Trainable weights and biases."""
        return count_parameters(self.depth, self.width, self.d_in, self.d_out)

    @property
    def activation_function(self) -> "Activation":
        from distnlc.networks.activations import make_activation

        return make_activation(self.activation, dilation=self.dilation, shift=self.shift, debiased=self.debiased)

    @property
    def layered(self) -> Layered:
        """The network as a list of layers: skip connection i leads from layer 2i - 1 to layer 2i + 1, and the last one
        through a fixed matrix into the outputs."""
        layers = uniform_layers(self.widths[1:], activation=self.activation_function, normalization=self.normalization)
        starts = range(1, self.depth - 1, 2) if self.skip_strength > 0 else ()
        skips = [
            Skip(
                start=start,
                end=start + 2,
                begins_after=self.skip_start,
                strength=self.skip_strength,
                matrix=start + 2 == self.depth,
            )
            for start in starts
        ]
        return Layered(self.d_in, layers, tuple(skips))

    def initial_parameters(self) -> "Parameters":
        """The parameters at initialization, float64 on the CPU."""
        from distnlc.networks.initialization import initialize

        return initialize(
            self.widths,
            seed=self.seed,
            bias_variance=self.bias_variance,
            initial_scale=self.initial_scale,
            projected=self.skip_strength > 0,
        )

    def build(self) -> "MLP":
        """One network at initialization: a torch module (batch, d_in) -> (batch, d_out), float64."""
        from distnlc.networks.mlp import MLP

        return MLP(self.layered, self.initial_parameters())

    def label(self) -> str:
        """A short description for people."""
        skips = f", skips x{self.skip_strength:.2g} from {self.skip_start}" if self.skip_strength > 0 else ""
        size = f"{self.depth} x {self.width} ({self.parameters:,} parameters)"
        return f"{self.activation} {size}, {self.normalization} norm{skips}"


def count_parameters(depth: int, width: int, d_in: int, d_out: int) -> int:
    """Weights and biases of `depth` linear operations with hidden layers of one width."""
    return (d_in + 1) * width + (depth - 2) * (width + 1) * width + (width + 1) * d_out


def width_for(parameters: int, depth: int, d_in: int, d_out: int) -> int:
    """The width whose parameter count comes nearest to `parameters` (at least 1)."""
    # (depth - 2) w^2 + (d_in + depth - 1 + d_out) w + d_out = parameters
    a, b, c = depth - 2, d_in + depth - 1 + d_out, d_out - parameters
    root = 2 * -c / (b + math.sqrt(max(0, b * b - 4 * a * c)))  # this form of the formula also holds for a = 0
    candidates = [max(1, math.floor(root)), max(1, math.ceil(root))]
    return min(candidates, key=lambda width: abs(count_parameters(depth, width, d_in, d_out) - parameters))
