"""The variances of weights under an initialization (`Rule`), by which networks are planned and initialized.

In: the shapes of all layers, and the initialization's name. Out: the variance of each layer's weights, and the value of
a learnable scalar. Geometric: v = c sqrt(q / N), q the share of s at a layer of N weights (additions A1, A9). Where the
text is silent: its numerator is that of ReLU; c = numerator / ((1 + a^2) k_typ), a being the slope of most layers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from distnlc.networks.layer_shapes import LayerShape, typical_kernel

Init = Literal["geometric", "fan-in", "fan-out", "arithmetic", "default"]
LAST_SLOPE = 0.0
"""no activation follows the last layer, which makes up for a ReLU all the same: E[y^2] = 2 sqrt(n_0 / n_L) E[x^2]"""


@dataclass(frozen=True)
class Rule:
    """Variances of weights under an initialization."""

    init: Init
    c: float
    slope: float

    @classmethod
    def of(cls, shapes: Sequence[LayerShape], *, init: Init, numerator: float, kernel: float | None) -> "Rule":
        """The rule for these layers. Raises ValueError for no layers."""
        k = typical_kernel(shapes) if kernel is None else kernel
        typical_kernel(shapes)
        slopes = [shape.slope for shape in shapes if shape.slope is not None] or [LAST_SLOPE]
        slope = min(slopes, key=lambda each: (-slopes.count(each), each))
        return cls(init, numerator / (1 + slope**2) / k, slope)

    def variance(self, shape: LayerShape) -> float:
        """E[W^2] of a layer."""
        if self.init == "geometric":
            return self.c * math.sqrt(shape.share / shape.N)
        if self.init == "default":
            return 1 / (3 * shape.torch_fans[0])
        fan = {
            "fan-in": shape.fan_in,
            "fan-out": shape.fan_out,
            "arithmetic": (shape.fan_in + shape.fan_out) / 2,
        }[self.init]
        return 2 / (1 + self.slope**2) / fan

    def scalar(self, share: float) -> float:
        """The value at which a learnable scalar keeps pace with geometric layers (A9)."""
        return math.sqrt(self.c) * share**0.25


def check_settings(*, init: str = "geometric", numerator: float, kernel: float | None) -> None:
    """Raises ValueError for settings that no initialization has."""
    if init not in get_args(Init):
        raise ValueError(f"init must be one of {', '.join(get_args(Init))}, found {init!r}")
    for name, value in (("numerator", numerator), ("kernel", 1.0 if kernel is None else kernel)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive number, found {value}")
