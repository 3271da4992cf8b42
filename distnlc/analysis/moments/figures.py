"""Figures 3, 4 and 5, each for the part that is nearest to the paper's, and all other parts of its kind of network as
small multiples (the complements).

In: the tables of a study. Figure 3 is of networks without normalization, 4 of batch norm, 5 of batch norm with
residual units and with the power law fitted to its sensitivity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from distnlc.analysis import report
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.format import bracketed
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.moments import curves, paper
from distnlc.analysis.moments.curves import Panel
from distnlc.analysis.moments.estimates import PowerFit, power_fit
from distnlc.analysis.moments.parts import BN_FF, BN_RES, NETS, PRESETS, VANILLA, Part, needed
from distnlc.analysis.moments.pathologies import FEWEST_LAYERS
from distnlc.analysis.statistics.means import mean_and_error
from distnlc.analysis.tables import Tables

HOW = "Lines: means over simulations; bands: their 16th to 84th percentile; dashed: 1; dotted: where z is Gaussian."
CHI_LAYERS = 20
"""layers that a part must have for its curves to be drawn: figure 2 needs but four"""


@dataclass(frozen=True)
class Family:
    """The parts of one kind of network and what is drawn of them."""

    number: int
    net: str
    first: Sequence[str]
    """the parts, best first, of which one is shown large"""
    panels: Sequence[Panel]
    about: str
    """what it shows"""

    def parts(self, tables: Tables) -> tuple[Part, list[Part]]:
        """The one that is shown large, and the others. Raises MissingRecordsError."""
        found = [
            part for part in needed(tables, self.net, "rank_signal") if part.layers.size >= min(CHI_LAYERS, part.depth)
        ]
        if not found:
            raise MissingRecordsError(f"no part of networks {NETS[self.net]} with {CHI_LAYERS} layers or more")
        large = min(found, key=lambda part: self.first.index(part.name) if part.name in self.first else len(found) + 9)
        return large, [part for part in found if part is not large]

    def draw(self, tables: Tables) -> Drawing:
        large, _ = self.parts(tables)
        figure, axes = curves.large(large, self.panels)
        table, remarks = curves.numbers(large, self.panels), _instead(large, f"Fig{self.number}")
        if self.net == BN_RES:
            fit = fit_of(large)
            draw_fit(axes[1], large, fit)
            remarks = [*of_fit(large, fit), *remarks]
        return Drawing(f"{large.name}: {large.description}. {HOW}", figure, table=table, remarks=remarks)

    def draw_others(self, tables: Tables) -> Drawing:
        large, others = self.parts(tables)
        if not others:
            raise MissingRecordsError(f"no part of networks {NETS[self.net]} but {large.name}")
        named = ", ".join(part.name for part in others)
        remarks = [line for part in others if self.net == BN_RES for line in of_fit(part, fit_of(part))]
        return Drawing(
            f"As figure {self.number}, of {named}. {HOW} Panels of one column share their axes.",
            curves.small(others, self.panels),
            table=curves.all_numbers(others, self.panels),
            remarks=remarks,
        )


FAMILIES = (
    Family(
        3, VANILLA, ("Fig3", "Fig3-thin", "FC2"), curves.VANILLA_PANELS, "sensitivity and rank without normalization"
    ),
    Family(
        4, BN_FF, ("Fig4", "Fig4-thin", "FC3-64"), curves.BN_FF_PANELS, "sensitivity, ranks and moments with batch norm"
    ),
    Family(
        5,
        BN_RES,
        ("Fig5", "Fig5-thin", "FC4"),
        curves.BN_RES_PANELS,
        "sensitivity, ranks and moments with residual units",
    ),
)


def figures() -> list[report.Figure]:
    """Figures 3 to 5, each followed by its complements."""
    found = []
    for family in FAMILIES:
        name, title = f"figure{family.number}", f"Figure {family.number}: {family.about}"
        found.append(report.Figure(name, title, family.draw, PRESETS))
        found.append(report.Figure(f"{name}_others", f"{title}, the other parts", family.draw_others, PRESETS))
    return found


def fit_of(part: Part) -> PowerFit:
    """The power law of a part's sensitivity."""
    return power_fit(part.values("chi"), part.values("delta_chi"), part.layers.astype(float))


def draw_fit(axes: Axes, part: Part, fit: PowerFit) -> None:
    """Both powers over the measured layers."""
    for exponent, constant, style, label in (
        (fit.exponent, fit.constant, "--", "τ of the increment"),
        (fit.free_exponent, fit.free_constant, ":", "τ fitted freely"),
    ):
        power = constant.value * part.layers.astype(float) ** exponent.value
        axes.plot(part.layers, power, color=curves.ORANGE, linewidth=1.3, linestyle=style, label=label)
    axes.legend(frameon=False, fontsize=9, loc="upper left")


def of_fit(part: Part, fit: PowerFit) -> list[str]:
    """The power law in sentences, beside the paper's."""
    if part.simulations < 2 or part.layers.size < FEWEST_LAYERS:
        return [f"{part.name}: a power law needs 2 simulations and {FEWEST_LAYERS} measured units to be judged."]
    said = (
        f"{part.name}: a unit's first layer multiplies χ by d = {bracketed(fit.increment)}, so that χ should grow as "
        f"l to the power τ = (d⁴ - 1) / 2 = {bracketed(fit.exponent)}, with the constant {bracketed(fit.constant)}; "
        f"fitted freely the exponent is {bracketed(fit.free_exponent)}"
    )
    if stated := paper.POWER_LAWS.get(part.name):
        values = [f"d = {stated.increment}"] * bool(stated.increment) + [f"τ = {stated.exponent}"]
        values += [f"constant {stated.constant}"] * bool(stated.constant)
        said += f" (paper: {', '.join(values)})"
    chi, _ = mean_and_error(part.values("chi"))
    off = fit.constant.value * part.layers**fit.exponent.value / chi - 1
    worst = int(abs(off).argmax())
    return [
        f"{said}. {_gap(fit)} The power of the increment is off by {100 * off[worst]:+.0f} % at most, at unit "
        f"{part.layers[worst]}. Intervals: 95 %, simulations resampled."
    ]


def _gap(fit: PowerFit) -> str:
    """How the two exponents differ, and how much of that theorem 4 itself explains."""
    own, gap = fit.exponent.value - fit.of_recursion, fit.gap
    rest = (
        "the rest is within the interval."
        if gap.low <= own <= gap.high
        else f"{gap.value - own:+.3f} stay unexplained."
    )
    return (
        f"The two exponents differ by {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]: the power is the theorem's "
        f"limit for many units; its own product over these units, 1 + (d⁴ - 1) / (l + 1) each, has the exponent "
        f"{fit.of_recursion:.3f}, which explains {own:+.3f}; {rest}"
    )


def _instead(part: Part, name: str) -> list[str]:
    """That the figure shows another part than the paper does."""
    if part.name == name:
        return []
    return [f"The paper's figure is of its part {name}, which this study does not have; this one is of {part.name}."]
