"""What a study of gradients computes: every part is one sort of network on noise, one training, or one check."""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from distnlc.data.spec import DataSpec
from distnlc.spec import PositiveInt, StudySpec, identity
from distnlc.studies.gradients.training_spec import Training

SQUARE = {"orthogonal", "skew-symmetric", "negative-definite", "autoregressive"}
"""sorts of matrices that have as many rows as columns"""
SYSTEMS = {"skew-symmetric", "negative-definite", "autoregressive"}
"""sorts of matrices of dynamical systems (table 3)"""


Family = Literal[
    "rescaling",
    "sensitivity",
    "growth",
    "bounds",
    "sphere",
    "collapse",
    "dilution-law",
    "dilution-depth",
    "composition",
    "scaled-residuals",
    "variants",
]
"""items 1 to 11 of section 7"""


class Spec(StudySpec):
    """Exploding gradients, effective depth and residual networks (Philipp, Song, Carbonell 2018).

    A unit is one network on noise, one training with all its step sizes, or one check.
    """

    kind: Literal["gradients"]
    experiment: Literal["noise", "training", "checks"] = "noise"
    nonlinearity: Literal["relu", "tanh", "selu"] = "relu"
    normalization: Literal["none", "batch", "layer", "length"] = "none"
    """after every linear layer; length: each datapoint divided by the quadratic mean of its neurons"""
    matrices: Literal[
        "gaussian", "orthogonal", "looks-linear", "skew-symmetric", "negative-definite", "autoregressive"
    ] = "gaussian"
    skip: Literal["none", "identity", "gaussian"] = "none"
    width: Annotated[str, Field(pattern=r"^[1-9]\d{0,5}(/[1-9]\d{0,5})?$")] = "100"
    """of every linear layer but the last; 100/200: of one and the next in turn, the larger ones first"""
    linear_layers: Annotated[int, Field(ge=2, le=10_000)] = 50
    block_layers: Literal[1, 2] = 2
    """linear layers that a skip connection bypasses; 1: the networks of table 3, whose matrices are scaled exactly"""
    dimension: PositiveInt = 100
    """of inputs, labels and predictions of a network on noise"""
    networks: PositiveInt = 100
    """units of a part on noise, each of other weights and other points"""
    points: PositiveInt = 10_000
    """of each network on noise"""
    check: Family | None = None
    """the family of a part of checks"""
    protocol: Literal["single", "custom"] = "single"
    """of a training: one step size for all layers, or one for each"""
    data: DataSpec = DataSpec(name="cifar10", train=50_000)
    """of a training, which uses the training part alone. Unless a preparation is named, features are normalized and
    constant ones left out"""
    training: Training = Training()

    @model_validator(mode="after")
    def _networks_can_be_built(self) -> Self:
        if self.skip != "none" and (self.linear_layers - 1) % self.block_layers:
            raise ValueError(
                f"linear_layers = {self.linear_layers}: a network with skip connections has one linear layer and "
                f"blocks of block_layers = {self.block_layers}"
            )
        if self.matrices == "looks-linear" and self.nonlinearity != "relu":
            raise ValueError(f"looks-linear matrices are made for relu, but nonlinearity = {self.nonlinearity}")
        if self.experiment == "checks" and self.check is None:
            raise ValueError(f"experiment = checks needs check, one of {', '.join(get_args(Family))}")
        if self.experiment == "noise":
            if self.normalization == "batch" and self.points < 2:
                raise ValueError("points = 1: batch norm needs at least two datapoints")
            check_widths(self, self.dimension, self.dimension)
        if self.experiment == "training" and self.normalization == "batch" and self.training.batch == 1:
            raise ValueError("training.batch = 1: batch norm needs at least two datapoints")
        return self

    def unit_identity(self) -> dict[str, Any]:
        """More networks rename no unit, and how others are trained none without a training."""
        elsewhere = ["networks"] if self.experiment == "training" else ["networks", "data", "training", "protocol"]
        return identity(self.model_copy(update={name: type(self).model_fields[name].default for name in elsewhere}))


def widths(part: Spec, d_in: int, d_out: int) -> list[int]:
    """Widths of the input and of every linear layer's output: `linear_layers + 1` numbers (section 3)."""
    turns = sorted(map(int, part.width.split("/")), reverse=True)
    return [d_in, *(turns[index % len(turns)] for index in range(part.linear_layers - 1)), d_out]


def skip_ends(part: Spec) -> list[tuple[int, int]]:
    """The linear layers, from 1, in which each skip connection begins and ends, the lowest first."""
    if part.skip == "none":
        return []
    starts = range(1, part.linear_layers, part.block_layers)
    return [(start, start + part.block_layers) for start in starts]


def check_widths(part: Spec, d_in: int, d_out: int) -> None:
    """Raises ValueError where matrices or skip connections do not fit the widths."""
    sizes = widths(part, d_in, d_out)
    if part.matrices in SQUARE:
        for layer, (before, after) in enumerate(pairwise(sizes), start=1):
            if before != after:
                raise ValueError(
                    f"{part.matrices} matrices are square, but linear layer {layer} has {before} inputs and {after} "
                    "outputs; give width and dimension one number"
                )
    if part.matrices == "looks-linear" and (odd := [size for size in sizes[1:-1] if size % 2]):
        raise ValueError(f"looks-linear matrices need ReLU layers of even width, but width = {part.width} has {odd[0]}")
    for start, end in skip_ends(part):
        before, after = sizes[start], sizes[end]
        if before != after and part.skip == "gaussian":
            raise ValueError(
                f"a Gaussian skip connection needs one width, but leads from {before} to {after} (linear layers "
                f"{start} and {end})"
            )
        if before < after:
            raise ValueError(f"a skip connection cannot lead from width {before} to the larger width {after}")
