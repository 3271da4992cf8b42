"""`scaling_plan`: how fast each layer of a ReLU network will learn, from its shapes alone (A. Defazio and L. Bottou,
"Beyond Folklore: A Scaling Calculus for the Design and Initialization of ReLU Networks").

In: a sequential network or a list of LayerShapes, and an initialization; no data, no weights, no forward pass. Out: for
each layer the variance of its weights, the fixed multiplier before it, the second moments of its input and output, and
gamma, which is the mean square of the weights' gradient over that of the weights: layers learn at one pace where it is
the same in all. The one law is that of additions A1,

    gamma = q / (N v^2),   geometric initialization v = c sqrt(q / N),   second moments E[y^2] = m^2 F v E[x^2]

with s = 1 at the output, N weights of variance v, F products in an output, and q the share of s at the layer (A9; A5 at
pools). Multipliers keep E[x^2] = sqrt(n / n') E[x^2 before] in every layer (A8). Where the text is silent:
    scalars         learnable ones get the fixed companion 1 / u, so that they change no second moment
    unequal branches   shares take E[R^2] = E[S^2] for granted; a note says where that is off by more than 1.5
    input_factor    balances weights and biases of the first layer whatever the kernels and multipliers; it is the
                    paper's (n k^2)^(-1/4) where all kernels have one size
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import nn

from distnlc.networks.branch_shares import read_network
from distnlc.networks.layer_shapes import LayerShape
from distnlc.networks.scaling_rule import Init, Rule, check_settings
from distnlc.networks.shape_walk import Branches, Node, Operation, Scalar, Weights
from distnlc.networks.text_table import aligned

UNEQUAL = 1.5
"""factor from which on second moments count as different"""
UNEVEN_BIASES = 3.0
"""likewise, of gammas of biases"""
LEAST_OUTPUT, MOST_OUTPUT = 1e-3, 1e3
"""second moments of the outputs outside of which a network without multipliers needs one"""


@dataclass(frozen=True)
class PlanRow:
    """One weight layer or learnable scalar."""

    name: str
    kind: str
    """linear, conv, transposed, scalar"""
    n_in: int
    n_out: int
    k: float
    N: int
    terms: float
    """F, products per output"""
    variance: float
    std: float
    multiplier: float
    """m, the fixed factor before the layer"""
    x_second: float
    """E[x^2] before the multiplier"""
    y_second: float
    share: float
    gamma: float
    gamma_bias: float | None
    """None for a layer without biases"""


@dataclass(frozen=True)
class Plan:
    """What a network's shapes say of its training; gammas are relative to s = 1 at the output."""

    rows: list[PlanRow]
    output_second_moment: float
    output_multiplier: float
    """fixed factor behind the network that makes the outputs' quadratic mean `output_std`"""
    weights_to_biases: float
    """gamma of the first layer's weights over that of its biases, which it would have if it has none"""
    input_factor: float
    """fixed factor before the network that makes that ratio 1"""
    notes: list[str] = field(default_factory=list)

    @property
    def imbalance(self) -> float:
        """Largest gamma over the smallest; 1 is balance."""
        return max(row.gamma for row in self.rows) / min(row.gamma for row in self.rows)

    @property
    def bias_imbalance(self) -> float | None:
        """The same of biases; None for a network without."""
        gammas = [row.gamma_bias for row in self.rows if row.gamma_bias is not None]
        return max(gammas) / min(gammas) if gammas else None

    def table(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        return [dataclasses.asdict(row) for row in self.rows]

    def __str__(self) -> str:
        names = ("name", "kind", "n_in", "n_out", "k", "N", "std", "multiplier", "x_second", "y_second", "gamma")
        table = aligned(names, [[getattr(row, name) for name in names] for row in self.rows])
        biases = "" if self.bias_imbalance is None else f", of biases {self.bias_imbalance:.3g}"
        lines = [f"max/min of gamma {self.imbalance:.3g}{biases}; E[output^2] {self.output_second_moment:.3g}"]
        return "\n".join([table, *lines, *(f"note: {note}" for note in self.notes)])


def scaling_plan(
    network: nn.Module | Sequence[LayerShape],
    input_shape: Sequence[int] | None = None,
    *,
    init: Init = "geometric",
    numerator: float = 2.0,
    kernel: float | None = None,
    input_second_moment: float = 1.0,
    output_std: float = 0.05,
    multipliers: bool = True,
    uncovered: Literal["refused", "kept"] = "refused",
) -> Plan:
    """Return the plan of a network under an initialization (additions (e), 1).

    network: `nn.Sequential` (nested), `Residual` or one layer, on any device; or LayerShapes in order of execution, for
    networks of another form. input_shape: of one datapoint, such as (3, 32, 32); not for LayerShapes. numerator: c is
    numerator / ((1 + a^2) k_typ). kernel: k_typ; by default the most frequent. multipliers: whether each layer has its
    fixed factor. uncovered: `kept` lets modules that the calculus does not cover pass, with a note.
    Raises ValueError, naming the layer, for what is not covered and for shapes that do not fit.
    """
    check_settings(init=init, numerator=numerator, kernel=kernel)
    for name, value in (("input_second_moment", input_second_moment), ("output_std", output_std)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive number, found {value}")
    notes = list[str]()
    nodes = read_network(network, input_shape, uncovered, notes)
    shapes = list(_shapes(nodes))
    planner = _Planner(Rule.of(shapes, init=init, numerator=numerator, kernel=kernel), multipliers, notes)
    output = planner.follow(nodes, input_second_moment)
    first = next(row for row in planner.rows if row.kind != "scalar")
    ratio = first.gamma / _bias_gamma(first)
    factor = ratio ** (-1 / 4)
    behind = output_std / math.sqrt(output)
    _advise(notes, shapes, init, planner.rows, output, multipliers)
    notes.append(f"a fixed factor of {behind:.3g} behind the network makes the outputs' deviation {output_std:g}")
    notes.append(f"a fixed factor of {factor:.3g} on the inputs gives the first layer's biases the pace of its weights")
    return Plan(planner.rows, output, behind, ratio, factor, notes)


@dataclass
class _Planner:
    """Follows the second moment through the nodes, and writes a row for each layer."""

    rule: Rule
    multipliers: bool
    notes: list[str]
    rows: list[PlanRow] = field(default_factory=list)

    def follow(self, nodes: Sequence[Node], second: float) -> float:
        """The second moment behind the nodes, of that before them."""
        for node in nodes:
            if isinstance(node, Weights):
                second = self._layer(node.shape, second)
            elif isinstance(node, Scalar):
                second = self._scalar(node, second)
            elif isinstance(node, Operation):
                second = node.factor * second or 1.0
            else:
                second = self._branches(node, second)
        return second

    def _layer(self, shape: LayerShape, second: float) -> float:
        variance = self.rule.variance(shape)
        grown = shape.terms * variance
        halved = 1.0 if shape.slope is None else (1 + shape.slope**2) / 2
        m = math.sqrt(math.sqrt(shape.n_in / shape.n_out) / (halved * grown)) if self.multipliers else 1.0
        behind = m**2 * grown * second
        row = PlanRow(
            **{name: getattr(shape, name) for name in ("name", "kind", "n_in", "n_out", "k", "N", "terms", "share")},
            variance=variance,
            std=math.sqrt(variance),
            multiplier=m,
            x_second=second,
            y_second=behind,
            gamma=shape.share / (shape.N * variance**2),
            gamma_bias=None,
        )
        self.rows.append(replace(row, gamma_bias=_bias_gamma(row)) if shape.bias else row)
        return behind

    def _scalar(self, node: Scalar, second: float) -> float:
        if not node.learnable:
            return node.value**2 * second
        value = self.rule.scalar(node.share) if self.rule.init == "geometric" else abs(node.value)
        m = 1 / value if self.multipliers else 1.0
        behind = (m * value) ** 2 * second
        row = PlanRow(
            node.name,
            "scalar",
            n_in=node.channels,
            n_out=node.channels,
            k=1.0,
            N=1,
            terms=1.0,
            variance=value**2,
            std=value,
            multiplier=m,
            x_second=second,
            y_second=behind,
            share=node.share,
            gamma=node.share / value**4,
            gamma_bias=None,
        )
        self.rows.append(row)
        return behind

    def _branches(self, node: Branches, second: float) -> float:
        main, shortcut = (self.follow(each, second) for each in (node.main, node.shortcut))
        if node.alpha and not 1 / UNEQUAL < main / shortcut < UNEQUAL:
            self.notes.append(
                f"{node.name or 'Residual'}: the second moments of its branches differ, main {main:.3g} and shortcut "
                f"{shortcut:.3g}; gammas inside are those of equal ones"
            )
        return node.beta**2 * main + node.alpha**2 * shortcut


def _bias_gamma(row: PlanRow) -> float:
    """q / (n' E[y^2]^2), equation (8)."""
    return row.share / (row.n_out * row.y_second**2)


def _shapes(nodes: Sequence[Node]) -> Sequence[LayerShape]:
    found = list[LayerShape]()
    for node in nodes:
        if isinstance(node, Weights):
            found.append(node.shape)
        elif isinstance(node, Branches):
            found += [*_shapes(node.main), *_shapes(node.shortcut)]
    return found


def _advise(
    notes: list[str], shapes: Sequence[LayerShape], init: Init, rows: Sequence[PlanRow], output: float, multiplied: bool
) -> None:
    """Adds what follows from the numbers."""
    if init == "default":
        notes.append("torch's first biases are random, not 0: the calculus does not hold for them")
    torch_rule = init in ("fan-in", "fan-out", "arithmetic", "default")
    if torch_rule and (odd := [each.name for each in shapes if each.torch_fans != (each.fan_in, each.fan_out)]):
        notes.append(
            f"{', '.join(odd)}: the fans here are those of one group, in the direction of the signal; torch.nn.init "
            "counts all groups on the way out, and swaps the fans of transposed layers"
        )
    if multiplied:
        if any(not math.isclose(row.multiplier, 1, rel_tol=1e-9) for row in rows):
            notes.append("the fixed multipliers before the layers make up for kernel sizes, padding and groups")
        biases = [row.gamma_bias for row in rows if row.gamma_bias is not None]
        if biases and max(biases) > UNEVEN_BIASES * min(biases):
            notes.append(
                f"gammas of biases differ by a factor of {max(biases) / min(biases):.3g}: a Linear behind a Flatten of "
                "positions, or a norm; a convolution whose kernel covers all positions keeps biases in balance"
            )
    elif not LEAST_OUTPUT <= output <= MOST_OUTPUT:
        notes.append(f"without multipliers the outputs' second moment is {output:.3g}: use them, or one at the output")
    if any(row.kind == "scalar" for row in rows):
        notes.append("scalars are balanced as one number for all channels; a factor per channel would need another")
