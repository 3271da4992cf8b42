"""The architecture: what fixes a network's function at initialization, and the distribution it is drawn from.

`sample_architecture` follows section C step by step, post-processing included; `Architecture.build` gives the
network as an ordinary torch module.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from distnlc.networks.activations import Activation, make_activation
from distnlc.networks.initialization import Parameters, initialize
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed, short_id

ACTIVATION_WEIGHTS = {  # of eleven
    "relu": 2,
    "selu": 2,
    "gaussian": 2,
    "tanh": 1,
    "even-tanh": 1,
    "sigmoid": 1,
    "square": 1,
    "odd-square": 1,
}
BIAS_VARIANCE = 0.05


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
    def activation_function(self) -> Activation:
        return make_activation(self.activation, dilation=self.dilation, shift=self.shift, debiased=self.debiased)

    def initial_parameters(self) -> Parameters:
        """The parameters at initialization, float64 on the CPU."""
        return initialize(
            self.widths,
            seed=self.seed,
            bias_variance=self.bias_variance,
            initial_scale=self.initial_scale,
            projected=self.skip_strength > 0,
        )

    def build(self) -> MLP:
        """One network at initialization: a torch module (batch, d_in) -> (batch, d_out), float64."""
        return MLP(
            self.initial_parameters(),
            activation=self.activation_function,
            normalization=self.normalization,
            skip_strength=self.skip_strength,
            skip_start=self.skip_start,
        )

    def label(self) -> str:
        """What it is, in a few words for people."""
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


def sample_architecture(
    index: int,
    *,
    seed: int,
    d_in: int,
    d_out: int,
    parameters: int = 1_000_000,
    depth_min: int = 3,
    depth_max: int = 49,
    initialization: int = 0,
) -> Architecture:
    """Architecture number `index` of the sequence that `seed` fixes (section C).

    `initialization`: which of its initial weights; their number changes no other property.

    Everything but the width is drawn before it depends on the data, so that the same (seed, index) gives the
    same properties for every dataset and budget.
    """
    own_seed = derive_seed("architecture", seed, index)
    draw = np.random.default_rng(derive_seed("properties", own_seed))
    depth = int(draw.choice(np.arange(depth_min, depth_max + 1, 2)))
    bias_variance = float(draw.choice([0.0, BIAS_VARIANCE]))
    initial_scale = float(draw.choice([0.9, 1.1, 1.0], p=[0.25, 0.25, 0.5]))
    normalization = str(draw.choice(["none", "batch", "layer"], p=[0.5, 0.25, 0.25]))
    shares = np.array(list(ACTIVATION_WEIGHTS.values())) / sum(ACTIVATION_WEIGHTS.values())
    activation = str(draw.choice(list(ACTIVATION_WEIGHTS), p=shares))
    dilation = float(draw.choice([1.0, 1.2, 0.8], p=[0.5, 0.25, 0.25]))
    shift = float(draw.choice([0.0, 0.2, -0.2], p=[0.5, 0.25, 0.25]))
    debiased = bool(draw.choice([False, True]))
    skips = str(draw.choice(["none", "full", "drawn"], p=[0.5, 0.25, 0.25]))
    drawn_strength = float(draw.uniform())
    skip_start = str(draw.choice(["linear", "normalization"]))
    added_normalization = str(draw.choice(["batch", "layer"]))

    skip_strength = {"none": 0.0, "full": 1.0, "drawn": drawn_strength}[skips]
    if normalization == "none" and (activation in {"square", "odd-square"} or skips != "none"):
        normalization = added_normalization
    return Architecture(
        index=index,
        seed=derive_seed("initialization", own_seed, initialization) if initialization else own_seed,
        d_in=d_in,
        d_out=d_out,
        depth=depth,
        width=width_for(parameters, depth, d_in, d_out),
        activation=activation,
        dilation=dilation,
        shift=shift,
        debiased=debiased,
        bias_variance=bias_variance,
        initial_scale=initial_scale,
        normalization=normalization,
        skip_strength=skip_strength,
        skip_start=skip_start if skip_strength > 0 else "none",
    )
