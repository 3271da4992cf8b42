"""A fully-connected network as a list of layers: what the studies' networks have in common.

    layer l:  linear, then what a skip connection brings, then a normalization, then an activation function

Each layer has its own width, bias or none, normalization and activation function; the last one too, whose width is the
number of outputs. A skip connection begins in one layer, after its linear operation or after its normalization, and is
added after the linear operation of a later layer, multiplied by a constant or by a fixed matrix. Skip connections come
one after the other: where one ends the next may begin, and then carries what the earlier one brought. Networks of any
other form are plain torch modules. Describing a network needs no torch.

`mlp.MLP` is such a network as a torch module, `training/layered_population.py` many parameter sets of it, and
`training/native/` the same in C.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distnlc.networks.activations import Activation

NORMALIZATIONS = ("none", "batch", "layer", "length")
"""batch: each neuron to mean 0 and variance 1 over the batch; layer: each datapoint, over the layer's neurons; length:
each datapoint divided by the quadratic mean of its neurons. No normalization has trainable parameters."""
STARTS = ("linear", "normalization")
"""after which operation of its first layer a skip connection begins"""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One linear operation and what follows it."""

    width: int
    bias: bool = True
    normalization: str = "none"
    activation: "Activation | None" = None
    """None: the identity"""


@dataclass(frozen=True, kw_only=True)
class Skip:
    """One skip connection. Layers are counted from 1."""

    start: int
    end: int
    begins_after: str = "linear"
    strength: float = 1.0
    matrix: bool = False
    """whether a fixed matrix (width of `end`, width of `start`) multiplies what it carries; else the identity does"""


@dataclass(frozen=True)
class Layered:
    """The description of a network (batch, d_in) -> (batch, width of the last layer), without its numbers.

    Raises ValueError for a normalization or a start that does not exist, widths below 1, and skip connections that
    overlap, run backwards or carry one width to another without a matrix.
    """

    d_in: int
    layers: tuple[Layer, ...]
    skips: tuple[Skip, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers or min(self.widths) < 1:
            raise ValueError(f"expected at least one layer, and widths of at least 1, but got widths {self.widths}")
        for number, layer in enumerate(self.layers, start=1):
            if layer.normalization not in NORMALIZATIONS:
                raise ValueError(
                    f"layer {number}: unknown normalization {layer.normalization!r}; there are: "
                    f"{', '.join(NORMALIZATIONS)}"
                )
        for skip in self.skips:
            self._check(skip)
        for earlier, later in pairwise(self.skips):
            if later.start < earlier.end:
                raise ValueError(
                    f"skip connections must follow one another, but one ends in layer {earlier.end} and the next "
                    f"begins in layer {later.start}; a network with others is a torch module of its own"
                )

    def _check(self, skip: Skip) -> None:
        if not 1 <= skip.start < skip.end <= len(self.layers):
            raise ValueError(
                f"a skip connection must lead from a layer to a later one of {len(self.layers)}, but leads from "
                f"{skip.start} to {skip.end}"
            )
        if skip.begins_after not in STARTS:
            raise ValueError(f"a skip connection begins after {' or '.join(STARTS)}, not after {skip.begins_after!r}")
        before, after = self.widths[skip.start], self.widths[skip.end]
        if before != after and not skip.matrix:
            raise ValueError(f"a skip connection from width {before} to width {after} needs a matrix")

    @cached_property
    def widths(self) -> list[int]:
        """Layer widths, input first: `depth + 1` numbers."""
        return [self.d_in, *(layer.width for layer in self.layers)]

    @property
    def depth(self) -> int:
        """The number of linear operations."""
        return len(self.layers)

    @property
    def d_out(self) -> int:
        return self.layers[-1].width

    @cached_property
    def sizes(self) -> list[tuple[int, int, int]]:
        """(d_out, d_in, biases) of each layer, which says how its parameters lie in a row: the weight matrix (d_out,
        d_in) row by row, then the biases; layer after layer, as in `MLP.parameters()`."""
        pairs = zip(pairwise(self.widths), self.layers, strict=True)
        return [(d_out, d_in, d_out if layer.bias else 0) for (d_in, d_out), layer in pairs]

    @property
    def parameters(self) -> int:
        """Trainable weights and biases."""
        return sum(d_out * d_in + biases for d_out, d_in, biases in self.sizes)

    @property
    def matrix_shapes(self) -> list[tuple[int, int]]:
        """Shape (width where it ends, width where it begins) of each skip connection's fixed matrix, in their order."""
        return [(self.widths[skip.end], self.widths[skip.start]) for skip in self.skips if skip.matrix]

    @property
    def matrix_numbers(self) -> int:
        """Entries of all fixed matrices together."""
        return sum(rows * columns for rows, columns in self.matrix_shapes)

    def ending_in(self, layer: int) -> Skip | None:
        """The skip connection that ends in a layer, counted from 1."""
        return next((skip for skip in self.skips if skip.end == layer), None)

    def beginning_in(self, layer: int) -> Skip | None:
        """The skip connection that begins in a layer, counted from 1."""
        return next((skip for skip in self.skips if skip.start == layer), None)


def uniform_layers(
    widths: Sequence[int],
    *,
    activation: "Activation",
    bias: bool = True,
    normalization: str = "none",
    output_normalization: str = "none",
) -> tuple[Layer, ...]:
    """Layers of the given widths, the last one linear: all others share activation function and normalization."""
    *hidden, last = widths
    layers = [Layer(width=width, bias=bias, normalization=normalization, activation=activation) for width in hidden]
    return *layers, Layer(width=last, bias=bias, normalization=output_normalization)
