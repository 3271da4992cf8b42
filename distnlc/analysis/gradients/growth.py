"""How fast the gradient scale grows, and its values along the curves, beside the independent measurement.

In: the finished networks on noise. The rate is that of the mean curve, as the paper draws it; intervals resample
networks. What the paper shows in figures 1 and 3 it prints no numbers of; beside stands what was measured
independently (targets.py).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.gradients import paper, targets
from distnlc.analysis.gradients.comparison import Compared, compared, counted, frame
from distnlc.analysis.gradients.correction import blocks_of, by_formula, exactly
from distnlc.analysis.gradients.networks import Curve, Group, groups_of
from distnlc.analysis.gradients.table3 import bracketed
from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables

TITLE = "Growth rates of the gradient scale at initialization"
CURVES_TITLE = "Values along the curves of figures 1 and 3"
KINDS = {"linear": "linear", "normalization": "normalization", "activation": "nonlinearity"}
WITHOUT_SKIPS = (*targets.GROWTH, *targets.GROWTH_IN_RANGE)


@dataclass(frozen=True)
class Fit:
    """Least squares of the logarithm of a curve over layers."""

    rates: Floats
    """(1 + b,) per nominal layer, the first of the mean curve, the others of resamples; none for a single network"""
    intercept: float
    r2: float

    def rate(self, layers: int) -> Estimate:
        """Over so many layers."""
        low, high = resampling.interval(self.rates[1:] ** layers) if self.rates.size > 1 else (math.nan, math.nan)
        return Estimate(float(self.rates[0] ** layers), low, high)


@dataclass(frozen=True)
class Rate:
    """The growth of one group of networks without skip connections."""

    group: Group

    @property
    def layers(self) -> int:
        """Nominal layers to a linear one."""
        return 3 if self.group.normalized else 2

    @cached_property
    def fit(self) -> Fit:
        """The fit to the mean curve over all nominal layers."""
        curve = self.group.curve("gsc")
        weights = np.ones((1, self.group.size))
        if self.group.size > 1:
            weights = np.concatenate([weights, resampling.resamples(self.group.size)])
        means = np.log(weights @ curve.values / self.group.size)
        layers = curve.layers - curve.layers.mean()
        slopes = means @ layers / (layers @ layers)
        left = means[0] - means[0].mean() - slopes[0] * layers
        r2 = 1 - float(left @ left) / float(((means[0] - means[0].mean()) ** 2).sum())
        return Fit(np.exp(slopes), float(np.exp(means[0].mean() - slopes[0] * curve.layers.mean())), r2)

    @property
    def per_layer(self) -> Estimate:
        return self.fit.rate(1)

    @property
    def per_linear_layer(self) -> Estimate:
        return self.fit.rate(self.layers)

    @property
    def target(self) -> tuple[float, float]:
        """What was measured independently, as a range per linear layer."""
        if stated := targets.GROWTH.get(self.group.setting):
            return stated.per_linear_layer, stated.per_linear_layer
        return targets.GROWTH_RANGE

    @property
    def off(self) -> float:
        """Relative difference per linear layer from the target, or from the nearer end of its range."""
        low, high = self.target
        value = self.per_linear_layer.value
        return value / min(max(value, low), high) - 1

    @property
    def near(self) -> bool:
        return abs(self.off) <= targets.GROWTH_NEAR

    @property
    def verdict(self) -> str:
        found, (low, high) = self.per_linear_layer, self.target
        if self.near:
            return "agrees"
        if math.isnan(found.low) or (found.low <= high and found.high >= low):
            return "undecided"
        return f"beyond {100 * targets.GROWTH_NEAR:.0f} %"


def rates(tables: Tables) -> list[Rate]:
    """Those for which there is a target, with comparable numbers of points and fits."""
    found: dict[paper.Setting, Rate] = {}
    for group in groups_of(tables):
        if group.row is not None and group.comparable and group.size:
            found.setdefault(group.setting, Rate(group))
    return [found[setting] for setting in WITHOUT_SKIPS if setting in found]


def tabulate(tables: Tables) -> Table:
    """A row for each sort of network. Raises MissingRecordsError."""
    found = rates(tables)
    if not found:
        raise MissingRecordsError("no fitted growth of a network without skip connections")
    rows = pd.DataFrame.from_dict({rate.group.name: _rate(rate) for rate in found}, orient="index")
    caption = (
        "Least squares of ln GSC(l, 0), mean over networks, over all nominal layers [95 % interval, networks "
        "resampled]; single networks: the mean of their own rates per linear layer. Elsewhere: an independent "
        "measurement of the same networks; the paper fits none. Judged per linear layer: within "
        f"{100 * targets.GROWTH_NEAR:.0f} %; undecided: farther, but within the interval's reach."
    )
    return Table(caption, [("", rows)], remarks(found))


def remarks(found: Sequence[Rate]) -> list[str]:
    """How many agree, which do not, what is missing; nothing if there is nothing."""
    if not found:
        return []
    near = [rate for rate in found if rate.near]
    far = [rate for rate in found if not rate.near]
    others = [f"; {rate.group.name} differs by {100 * rate.off:+.1f} % ({rate.verdict})" for rate in far]
    said = [
        f"{len(near)} of {len(found)} growth rates per linear layer lie within {100 * targets.GROWTH_NEAR:.0f} % of "
        f"the independent ones{''.join(others)}."
    ]
    missing = [paper.name_of(each) for each in WITHOUT_SKIPS if each not in {rate.group.setting for rate in found}]
    return [*said, f"Not in this study: {', '.join(missing)}."] if missing else said


def _rate(rate: Rate) -> dict[str, str]:
    low, high = rate.target
    stated = targets.GROWTH.get(rate.group.setting, targets.Growth(low))
    return {
        "networks": str(rate.group.size),
        "per linear layer": _growth(rate.per_linear_layer),
        "elsewhere": f"{low:.4g}" if low == high else f"{low:.3f} to {high:.3f}",
        "difference": f"{100 * rate.off:+.2f} %",
        "verdict": rate.verdict,
        "single networks": f"{np.mean(rate.group.column('growth_rate') ** rate.layers):.4f}",
        "per layer": f"{_growth(rate.per_layer)} ({_or_dash(stated.per_layer, 4)})",
        "intercept": f"{rate.fit.intercept:.3f} ({_or_dash(stated.intercept, 3)})",
        "R²": f"{rate.fit.r2:.4f} ({_or_dash(stated.r2, 4)})",
    }


def _growth(found: Estimate) -> str:
    return f"{found.value:.4f}" if math.isnan(found.low) else text.bracketed(found, 5)


def _or_dash(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def tabulate_curves(tables: Tables) -> Table:
    """Values along the curves, a section for each quantity. Raises MissingRecordsError."""
    groups: dict[paper.Setting, Group] = {}
    for group in groups_of(tables):
        if group.row is not None and group.size and group.comparable:
            groups.setdefault(group.setting, group)
    of_quantities = {
        "Gradient scale behind linear layers": _along(groups, targets.GSC_AT, targets.PLACES, "gsc", "linear"),
        "Factor of the gradient scale across one layer": _steps(groups),
        "Spread of what enters nonlinearity layers": _along(
            groups, targets.STD_AT, targets.SPREAD_PLACES, "std", "activation"
        ),
        "Sign diversity of what enters nonlinearity layers": _along(
            groups, targets.SIGN_DIVERSITY_AT, targets.SPREAD_PLACES, "sign_diversity", "activation"
        )
        | _along(groups, _RESNET, targets.RESNET_PLACES, "sign_diversity", "activation"),
        "Growth over blocks, from the lowest": _block_growths(groups),
    }
    sections = [(name, frame(rows)) for name, rows in of_quantities.items() if rows]
    totals = {paper.name_of(each): _total(groups, each) for each in targets.FIGURE_3C if each in groups}
    if totals:
        sections.append(("Corrected gradient scale, log10", pd.DataFrame.from_dict(totals, orient="index")))
    if not sections:
        raise MissingRecordsError("no finished network on noise whose curves were measured independently")
    every = [one for rows in of_quantities.values() for one in rows.values()]
    caption = (
        "Stated: an independent measurement (the paper prints no numbers of figures 1 and 3). The standard error of "
        "the difference holds both means' and the rounding; values of one curve are not independent of each other."
    )
    return Table(caption, sections, counted(every, "Values along the curves"))


_RESNET = {paper.gaussian("relu", "layer", "identity"): targets.RESNET_SIGN_DIVERSITY}


def _along(
    groups: Mapping[paper.Setting, Group],
    stated: Mapping[paper.Setting, Sequence[str]],
    places: Sequence[int],
    column: str,
    kind: str,
) -> dict[str, Compared]:
    found = {}
    for setting, values in stated.items():
        if setting in groups:
            curve = groups[setting].curve(column, kind)
            for value, linear, place in zip(values, places, curve.at(places), strict=True):
                if place is not None:
                    name = f"{groups[setting].name}, {linear}"
                    found[name] = compared(name, value, curve.values[:, place], _networks(groups[setting]))
    return found


def steps(curve: Curve, kind: str) -> np.ndarray:
    """(S,) geometric mean of the factors of the gradient scale across layers of a kind in the middle of the network.

    A layer's factor is the coefficient at its input by that at its output.
    """
    low, high = targets.STEP_LAYERS
    factors = np.log(curve.values[:, :-1] / curve.values[:, 1:])
    of_kind = (curve.kinds[1:] == kind) & (curve.linear[1:] >= low) & (curve.linear[1:] <= high)
    return np.asarray(np.exp(factors[:, of_kind].mean(axis=1)))


def _steps(groups: Mapping[paper.Setting, Group]) -> dict[str, Compared]:
    found = {}
    for setting, values in targets.STEPS.items():
        if setting in groups:
            curve = groups[setting].curve("gsc")
            for value, kind in zip(values, KINDS, strict=True):
                if value is not None and (curve.kinds == kind).any():
                    name = f"{groups[setting].name}, {KINDS[kind]}"
                    found[name] = compared(name, value, steps(curve, kind), _networks(groups[setting]))
    return found


def _block_growths(groups: Mapping[paper.Setting, Group]) -> dict[str, Compared]:
    found = {}
    for setting, values in targets.BLOCK_GROWTH.items():
        blocks = blocks_of(groups[setting]) if setting in groups else None
        if blocks is not None:
            for value, number in zip(values, targets.BLOCK_PLACES, strict=True):
                name = f"{groups[setting].name}, block {number}"
                found[name] = compared(name, value, blocks.growth[:, number - 1], _networks(groups[setting]))
    return found


def _networks(group: Group) -> int:
    """How many the independent measurement had; that of ReLU along its curve is the second one."""
    assert group.row is not None
    return paper.ALSO_MEASURED.get(group.row.number, group.row.measured).networks


def _total(groups: Mapping[paper.Setting, Group], setting: paper.Setting) -> dict[str, str]:
    stated, blocks = targets.FIGURE_3C[setting], blocks_of(groups[setting])
    cells = {"networks": str(groups[setting].size)}
    if blocks is not None:
        cells |= {
            "corrected [95 %]": bracketed(blocks.total(by_formula)),
            "elsewhere": f"{stated.by_formula:.2f}",
            "exact [95 %]": bracketed(blocks.total(exactly)),
            "exact elsewhere": f"{stated.exact:.2f}",
        }
    plain = groups.get(stated.vanilla)
    ours = "–" if plain is None else f"{math.log10(plain.column('gsc_input').mean()):.2f}"
    return cells | {
        "without skip connections": f"{ours} ({paper.name_of(stated.vanilla)})",
        "elsewhere, without": f"{stated.vanilla_total:.2f}",
    }
