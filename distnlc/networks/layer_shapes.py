"""A weight layer as the scaling calculus sees it: counts of weights and of products, exact for any shape.

In: numbers of channels, kernel, stride, padding, dilation, groups and the size of the input. Out: what additions A1 and
A4 need: N, the number of weights, and F, the mean number of products that make up one output (padding leaves some out).
The kernel's typical size is k = sqrt(product of its axes), in any number of dimensions. Needs no torch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Axes = int | tuple[int, ...]
"""one number for all axes, or one for each"""


@dataclass(frozen=True)
class LayerShape:
    """One linear or convolutional layer; with the defaults a linear one. Raises ValueError that names the layer.

    Numbers of channels count all groups. A layer's `slope` is that of the activation function which it makes up for,
    the one behind it or, in pre-activation networks, the one before it: 0 for ReLU, a for leaky ReLU, None for none.
    """

    name: str
    n_in: int
    n_out: int
    kernel: tuple[int, ...] = (1, 1)
    stride: Axes = 1
    padding: Axes | str = 0
    """as torch's layers take it, `same` and `valid` too"""
    dilation: Axes = 1
    groups: int = 1
    transposed: bool = False
    size_in: Axes = 1
    """positions along each axis"""
    slope: float | None = 0.0
    share: float = 1.0
    """q, the scaling factor at the layer's output over that at the network's (additions A9)"""
    bias: bool = True
    output_padding: Axes = 0
    """of transposed layers"""

    def __post_init__(self) -> None:
        counts = {"n_in": self.n_in, "n_out": self.n_out, "groups": self.groups}
        counts |= {
            f"{what}[{axis}]": each
            for what in ("kernel", "stride", "dilation", "size_in")
            for axis, each in enumerate(self._axes(getattr(self, what), what))
        }
        for what, count in counts.items():
            if count < 1:
                raise ValueError(f"layer {self.name}: {what} must be at least 1, found {count}")
        if self.n_in % self.groups or self.n_out % self.groups:
            raise ValueError(
                f"layer {self.name}: {self.groups} groups do not divide {self.n_in} inputs and {self.n_out} outputs"
            )
        if not 0 < self.share < math.inf:
            raise ValueError(f"layer {self.name}: its share of the signal must be positive, found {self.share}")
        for size_in, size_out, kernel, pads in zip(
            self._axes(self.size_in), self.size_out, self.kernel, self.pads, strict=True
        ):
            if size_out < 1:
                padded = f"padding {pads[0]}" if pads[0] == pads[1] else f"paddings {pads[0]} and {pads[1]}"
                raise ValueError(
                    f"layer {self.name}: a kernel of {kernel} does not fit an input of {size_in} with {padded}"
                )

    def _axes(self, value: Axes, what: str = "") -> tuple[int, ...]:
        axes = (value,) * len(self.kernel) if isinstance(value, int) else tuple(value)
        if len(axes) != len(self.kernel):
            raise ValueError(
                f"layer {self.name}: {what or 'shape'} must have as many axes as the kernel, {len(self.kernel)}, "
                f"found {len(axes)}"
            )
        return axes

    @property
    def pads(self) -> list[tuple[int, int]]:
        """Zeros before and behind, along each axis."""
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"layer {self.name}: padding must be numbers, same or valid, found {self.padding!r}")
            spans = [d * (k - 1) for d, k in zip(self._axes(self.dilation), self.kernel, strict=True)]
            return [(span // 2, span - span // 2) if self.padding == "same" else (0, 0) for span in spans]
        return [(each, each) for each in self._axes(self.padding, "padding")]

    @property
    def size_out(self) -> tuple[int, ...]:
        """Positions of the output along each axis; below 1 where the kernel does not fit."""
        spans = [d * (k - 1) for d, k in zip(self._axes(self.dilation), self.kernel, strict=True)]
        numbers = (self._axes(self.size_in), self.pads, spans, self._axes(self.stride))
        if self.transposed:
            more = self._axes(self.output_padding, "output_padding")
            return tuple(
                (size - 1) * stride - sum(pads) + span + extra + 1
                for size, pads, span, stride, extra in zip(*numbers, more, strict=True)
            )
        return tuple(
            (size + sum(pads) - span - 1) // stride + 1 for size, pads, span, stride in zip(*numbers, strict=True)
        )

    @property
    def kind(self) -> str:
        """linear (a kernel of 1 on one position is that too), conv or transposed."""
        one = math.prod(self.kernel) == math.prod(self._axes(self.size_in)) == 1
        return "linear" if one else "transposed" if self.transposed else "conv"

    @property
    def N(self) -> int:
        """Number of weights."""
        return self.n_out * self.n_in // self.groups * math.prod(self.kernel)

    @property
    def k(self) -> float:
        """Size of the kernel: 3 for 3 x 3."""
        return math.sqrt(math.prod(self.kernel))

    @property
    def terms(self) -> float:
        """F, the mean over outputs of the number of their products of a weight with an input that is no padding."""
        axes = zip(
            self._axes(self.size_in),
            self.size_out,
            self.kernel,
            self._axes(self.stride),
            self.pads,
            self._axes(self.dilation),
            strict=True,
        )
        return (
            self.n_in
            // self.groups
            * math.prod(
                _taps(*((size_out, size_in) if self.transposed else (size_in, size_out)), *rest) / size_out
                for size_in, size_out, *rest in axes
            )
        )

    @property
    def fan_in(self) -> int:
        """Weights of one output, those of its group."""
        return self.n_in // self.groups * math.prod(self.kernel)

    @property
    def fan_out(self) -> int:
        """Weights of one input, those of its group."""
        return self.n_out // self.groups * math.prod(self.kernel)

    @property
    def torch_fans(self) -> tuple[int, int]:
        """Fan-in and fan-out as `torch.nn.init` counts them: without groups on the way out, swapped if transposed."""
        fans = (self.fan_in, self.n_out * math.prod(self.kernel))
        return (self.fan_out, self.n_in * math.prod(self.kernel)) if self.transposed else fans


def _taps(long: int, short: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int) -> int:
    """Pairs of a position p < short and a tap t < kernel with 0 <= stride p - pad + dilation t < long."""
    found = 0
    for tap in range(kernel):
        shift = pads[0] - dilation * tap
        first, last = max(0, -(-shift // stride)), min(short - 1, (long - 1 + shift) // stride)
        found += max(0, last - first + 1)
    return found


def typical_kernel(layers: Sequence[LayerShape]) -> float:
    """The k that most layers have, the smaller of two as frequent; linear layers count only where there are no others.

    Raises ValueError for no layers.
    """
    if not layers:
        raise ValueError("the network has no weight layers (Linear, Conv1d to Conv3d, ConvTranspose1d to 3d)")
    sizes = [layer.k for layer in layers if layer.kind != "linear"] or [1.0]
    return min(sizes, key=lambda size: (-sizes.count(size), size))
