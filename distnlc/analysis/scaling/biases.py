"""Biases: their gamma beside their Hessian blocks, and weights beside biases with and without the input factor.

In: the layers of the experiment `ratio`, sums over set-ups. The networks have no input factor; what it does is exact by
homogeneity, biases being 0: a factor f on the inputs multiplies the Hessian blocks of weights by f^4 and leaves those
of biases. f^4 = 1 / (n k^2 E[x^2]^2) of the first layer balances its weights and biases (section 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS, log_y
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided
from distnlc.analysis.scaling import figure1, paper, thresholds
from distnlc.analysis.scaling.parts import PRESETS, WEIGHTS, Part, largest, needed, others
from distnlc.analysis.statistics.correlations import LEVEL, Floats
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.ratios import ratio_of_means
from distnlc.analysis.tables import Tables


@dataclass(frozen=True)
class Biases:
    """Layers of all set-ups, (set-ups, L) each."""

    names: Sequence[str]
    kinds: Sequence[str]
    gamma: Floats
    """of the biases"""
    hessian: Floats
    """of the biases"""
    weights: Floats
    """the Hessian blocks of the weights"""
    factor: float
    """f^4"""

    @property
    def agreement(self) -> list[Estimate]:
        """Gamma of the biases by their Hessian block, pooled, by layer."""
        return self._pooled(self.gamma, self.hessian)

    @property
    def balance(self) -> list[Estimate]:
        """Hessian blocks of weights by those of biases, pooled, by layer."""
        return self._pooled(self.weights, self.hessian)

    @property
    def balanced(self) -> list[Estimate]:
        """The same with the input factor."""
        return [Estimate(*(self.factor * each for each in (one.value, one.low, one.high))) for one in self.balance]

    def _pooled(self, tops: Floats, bottoms: Floats) -> list[Estimate]:
        setups = np.arange(len(tops))
        return [ratio_of_means(*pair, setups) for pair in zip(tops.T, bottoms.T, strict=True)]


def biases_of(tables: Tables, part: Part) -> Biases | None:
    """None if the networks have no biases."""
    rows = part.rows(tables, "layers")
    weights, biases = rows[rows["kind"].isin(WEIGHTS)], rows[rows["kind"] == "bias"]
    frames = [
        frame.pivot(index="unit_id", columns="layer", values=column)
        for frame, column in ((biases, "gamma"), (biases, "hessian"), (weights, "hessian"))
    ]
    if biases.empty or frames[0].empty:
        return None
    layers = [layer for layer in frames[2].columns if layer in frames[0].columns]
    kept = pd.concat([each[layers] for each in frames], axis=1).dropna().index
    first = weights[weights["layer"] == weights["layer"].min()]
    kinds = weights.drop_duplicates("layer").set_index("layer")["kind"]
    gamma, hessian, of_weights = (each.loc[kept, layers].to_numpy(dtype=float) for each in frames)
    factor = 1 / float(first["terms"].mean() * first["x_second"].mean() ** 2)
    named = [figure1.layer_name(str(kinds[layer]), place) for place, layer in enumerate(layers)]
    return Biases(named, [str(kinds[layer]) for layer in layers], gamma, hessian, of_weights, factor)


def criteria(tables: Tables) -> list[Criterion]:
    """Gammas near the Hessian's blocks; balance in layers of the typical kernel, which are the convolutions."""
    part = largest(tables, "ratio")
    found = None if part is None else biases_of(tables, part)
    if part is None or found is None:
        return []
    few = figure1.few_of(part, len(found.gamma))
    typical = [one for one, kind in zip(found.balanced, found.kinds, strict=True) if kind == "conv"]
    asked = (
        ("gamma of biases by their Hessian block, pooled,", found.agreement, thresholds.BIAS_BY_HESSIAN, "every layer"),
        (
            "weights by biases with the input factor",
            typical,
            thresholds.BALANCED_BIASES,
            "layers of the typical kernel",
        ),
    )
    return [
        Criterion(
            "Biases",
            f"{claim} {limit} in {where}",
            decided(all(limit.holds(one.value) for one in values), few),
            f"{', '.join(text.bracketed(one, 3) for one in values)}.",
            basis=limit.prototype,
            why_open=few,
            noun="",
        )
        for claim, values, limit, where in asked
    ]


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    part = needed(tables, "ratio")
    found = biases_of(tables, part)
    if found is None:
        raise MissingRecordsError("no measured network with biases")
    headings = [
        ("Biases: gamma by Hessian block", ["pooled over set-ups; dashed: 1"]),
        ("Weights by biases, Hessian blocks", ["pooled over set-ups; dashed: 1, balanced"]),
    ]
    figure, (left, right) = page(headings, height=2.6)
    series = (
        (left, found.agreement, "gamma by Hessian", COLOURS[0]),
        (right, found.balance, "without the input factor", COLOURS[1]),
        (right, found.balanced, f"with it, {text.number(found.factor**0.25)}", COLOURS[0]),
    )
    places = np.arange(len(found.names))
    for axes, values, label, colour in series:
        middle = np.array([one.value for one in values])
        ends = np.abs(np.array([[one.low, one.high] for one in values]).T - middle)
        axes.errorbar(places, middle, yerr=np.nan_to_num(ends), fmt="o-", color=colour, capsize=3, label=label, lw=1)
    for axes in (left, right):
        axes.axhline(1, color="0.45", linestyle="--", linewidth=1.1)
        axes.set_xticks(places, found.names)
        axes.set_xlabel("layer")
        log_y(axes)
    right.legend(fontsize=8, frameon=False)
    caption = (
        f"Strided LeNets, {len(found.gamma)} set-ups, bars: {LEVEL:.0%} intervals over them. Left: equation (7) beside "
        "the average squared singular value of the biases' Hessian block. Right: that of the weights over that of the "
        f"biases; with the input factor all are {text.number(found.factor)} times as large, exactly. Linear layers "
        "have no multiplier for their kernel of 1 here, so that biases behind them are not balanced by it."
    )
    return Drawing(caption, figure, table=_numbers(found), remarks=[*answers(found), *others(tables, part, "ratio")])


def _numbers(found: Biases) -> pd.DataFrame:
    rows = {
        name: {
            "gamma by Hessian block": text.bracketed(agreement, 3),
            "weights by biases": text.bracketed(balance, 3),
            "with the input factor": text.bracketed(balanced, 3),
        }
        for name, agreement, balance, balanced in zip(
            found.names, found.agreement, found.balance, found.balanced, strict=True
        )
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def answers(found: Biases) -> list[str]:
    """A sentence on what the input factor does in the first layer."""
    first, balanced = found.balance[0], found.balanced[0]
    return [
        f"In the first layer weights have {text.bracketed(first, 3)} times the Hessian block of biases, with inputs of "
        f"variance 1; the input factor {text.number(found.factor**0.25)} makes that {text.bracketed(balanced, 3)}. The "
        f"paper's second moment of balanced inputs is {paper.FIRST_FACTOR}."
    ]


FIGURE = report.Figure("biases", "Biases beside weights", draw, PRESETS)
