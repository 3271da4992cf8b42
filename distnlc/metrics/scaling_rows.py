"""What `scaling` returns: rows of a measured network, how far out of balance they are, and what to do about it.

In: the numbers of each layer. Out: tables, and sentences of advice. Needs no torch.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from distnlc.networks.text_table import aligned

OFF = 3.0
"""factor from the geometric mean from which on a layer is named"""
UNLIKE = 1.5
"""factor between two numbers that should be one, from which on they are named"""
CENTRED = 0.3
"""|mean| of the inputs over their quadratic mean, up to which they count as centred"""


@dataclass(frozen=True, kw_only=True)
class ScalingRow:
    """A weight layer, a learnable scalar, or another parameter, which has nothing but its ratio."""

    name: str
    """the layer's path, or the parameter's"""
    kind: str
    """linear, conv, transposed, scalar; bias, parameter"""
    N: int
    """number of weights"""
    variance: float
    """mean square of the weights"""
    x_second: float | None = None
    """E[x^2] at the layer's input"""
    y_second: float | None = None
    s_in: float | None = None
    s_out: float | None = None
    kept: float | None = None
    """s_in / s_out"""
    gamma: float | None = None
    """s_in / (N variance^2); None where the weights are 0, or get no gradient"""
    ratio: float | None = None
    """E[DW^2] / E[W^2]; None where the weights are 0"""
    gamma_bias: float | None = None
    calls: int = 0
    whole: bool = False
    """whether the whole gradient passes here: False inside a residual block"""
    random_bias: bool = False
    """whether its biases are not 0"""
    note: str = ""


@dataclass(frozen=True)
class Scaling:
    """Scaling factors of a network; those of the loss of single datapoints, means over datapoints and draws."""

    rows: list[ScalingRow]
    samples: int
    draws: int
    offset: float
    """|mean| of the inputs over their quadratic mean"""
    notes: list[str] = field(default_factory=list)

    @property
    def weights(self) -> list[ScalingRow]:
        """The rows of layers and scalars."""
        return [row for row in self.rows if row.kind not in ("bias", "parameter")]

    @property
    def imbalance(self) -> float:
        """Largest gamma over the smallest; 1 is balance, nan if a layer has none."""
        return _spread(row.gamma for row in self.weights)

    @property
    def log_imbalance(self) -> float:
        """Its natural logarithm."""
        return math.log(self.imbalance)

    @property
    def ratio_imbalance(self) -> float:
        """The same of the exact ratios."""
        return _spread(row.ratio for row in self.weights)

    def table(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        return [dataclasses.asdict(row) for row in self.rows]

    @property
    def advice(self) -> list[str]:
        """Sentences on what is out of balance, and what was measured otherwise."""
        return [*self.notes, *_layers(self), *_operations(self), *_assumptions(self), *_first(self)]

    def __str__(self) -> str:
        names = ("name", "kind", "N", "variance", "x_second", "y_second", "kept", "gamma", "ratio", "gamma_bias")
        table = aligned(names, [[getattr(row, name) for name in names] for row in self.rows])
        line = f"max/min of gamma {self.imbalance:.3g}, of the exact ratio {self.ratio_imbalance:.3g}"
        effort = f"{self.samples} datapoints, {self.draws} losses each"
        return "\n".join([table, f"{line}; {effort}", *(f"note: {each}" for each in self.advice)])


def _spread(values: Iterable[float | None]) -> float:
    found = [value or math.nan for value in values]
    return math.nan if any(map(math.isnan, found)) else max(found) / min(found)


def _layers(found: Scaling) -> list[str]:
    """Layers whose gamma is far from the others'."""
    logs = {row.name: math.log(row.gamma) for row in found.weights if row.gamma}
    lines = [f"{row.name}: no gamma, {row.note}" for row in found.weights if not row.gamma]
    if not logs:
        return lines
    middle = sum(logs.values()) / len(logs)
    for name, each in logs.items():
        factor = math.exp(abs(each - middle))
        if factor > OFF:
            place, rate = ("above", "high") if each > middle else ("below", "low")
            lines.append(
                f"{name}: gamma is {factor:.3g} times {place} the layers' geometric mean: a rate that suits the others "
                f"is too {rate} for it by {math.sqrt(factor):.3g}"
            )
    return lines


def _operations(found: Scaling) -> list[str]:
    """Operations between two layers that do not keep s, where nothing runs beside them."""
    whole = [row for row in found.weights if row.whole]
    lines = []
    for above, below in pairwise(whole):
        if above.s_out and below.s_in and not 1 / UNLIKE < above.s_out / below.s_in < UNLIKE:
            lines.append(
                f"between {above.name} and {below.name} s is not kept: {above.s_out / below.s_in:.3g} times as large "
                "before as behind (max pooling, average pooling of alike positions, sigmoid?)"
            )
    return lines


def _assumptions(found: Scaling) -> list[str]:
    """Layers of which the calculus takes for granted what is not so."""
    lines = []
    if biased := [row.name for row in found.weights if row.random_bias]:
        lines.append(f"{', '.join(biased)}: random biases, for which the calculus does not hold; begin with 0")
    unlike = [
        row.name for row in found.weights if row.gamma and row.ratio and not 1 / UNLIKE < row.gamma / row.ratio < UNLIKE
    ]
    if unlike:
        lines.append(
            f"{', '.join(unlike)}: gamma and the exact ratio differ by more than {UNLIKE}, so the assumptions do not "
            "hold here (batch norm in training, attention, correlated positions); trust the ratio"
        )
    return lines


def _first(found: Scaling) -> list[str]:
    """Inputs that are not centred, and biases that do not keep pace with the weights."""
    lines = []
    if found.offset > CENTRED:
        lines.append(f"the inputs are not centred: their mean is {found.offset:.2f} of their quadratic mean")
    first = next((row for row in found.weights if row.gamma and row.gamma_bias), None)
    if first and first.gamma and first.gamma_bias:
        ratio = first.gamma / first.gamma_bias
        if not 1 / OFF < ratio < OFF:
            lines.append(
                f"{first.name}: gamma of its weights is {ratio:.3g} times that of its biases; a fixed factor of "
                f"{ratio**-0.25:.3g} on the inputs would make them alike"
            )
    return lines
