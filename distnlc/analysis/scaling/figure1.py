"""Figure 1: gamma beside the average squared singular value of each layer's Hessian block, and beside the exact ratio.

In: the layers of the experiment `ratio`, strided LeNets with a random quadratic loss; their weights alone. A point is a
layer of one set-up. Pooled: sum of gammas by sum of the other over set-ups, which are resampled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS, log_y
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.scaling import thresholds
from distnlc.analysis.scaling.parts import PRESETS, WEIGHTS, Part, largest, needed, others, unlike
from distnlc.analysis.scaling.thresholds import Range
from distnlc.analysis.statistics.correlations import LEVEL, Floats
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.ratios import ratio_of_means
from distnlc.analysis.tables import Tables

AGAINST = {"hessian": "Hessian block", "ratio": "exact ratio (proposition 3)"}
"""column -> what gamma is divided by"""
SIDE = 0.28
"""half of what the points of a layer spread over, in layers"""


@dataclass(frozen=True)
class Layers:
    """One quantity of the layers of all set-ups."""

    names: Sequence[str]
    """(L,)"""
    gamma: Floats
    """(set-ups, L)"""
    other: Floats

    @property
    def pooled(self) -> list[Estimate]:
        """By layer."""
        setups = np.arange(len(self.gamma))
        return [ratio_of_means(*pair, setups) for pair in zip(self.gamma.T, self.other.T, strict=True)]

    @property
    def ratios(self) -> Floats:
        """(set-ups, L)."""
        return self.gamma / self.other


def layers_of(tables: Tables, part: Part, column: str) -> Layers:
    """Gamma and another quantity of the weight layers, from the input on."""
    rows = part.rows(tables, "layers")
    rows = rows[rows["kind"].isin(WEIGHTS)]
    kinds = rows.sort_values("layer").drop_duplicates("layer")["kind"]
    names = [layer_name(str(kind), place) for place, kind in enumerate(kinds)]
    both = [rows.pivot(index="unit_id", columns="layer", values=each) for each in ("gamma", column)]
    kept = pd.concat(both, axis=1).notna().all(axis=1)
    gamma, other = (each[kept].to_numpy(dtype=float) for each in both)
    return Layers(names, gamma, other)


def layer_name(kind: str, place: int) -> str:
    """`conv 1`, of the first weight layer."""
    return f"{kind} {place + 1}"


def few_of(part: Part, setups: int) -> str:
    """Why no verdict is given; empty if one is."""
    few = too_few(setups, thresholds.FEWEST_SETUPS, "set-ups")
    few = few or too_few(int(part.setting["samples"]), thresholds.FEWEST_SAMPLES, "points of each set-up")
    return "; ".join([*unlike(part, thresholds.SMALL_RATIO), *([few] if few else [])])


def criteria(tables: Tables) -> list[Criterion]:
    """Pooled ratios and medians of every layer within what the prototype found."""
    part = largest(tables, "ratio")
    if part is None:
        return []
    hessian, ratio = (layers_of(tables, part, column) for column in AGAINST)
    few = few_of(part, len(hessian.gamma))
    medians = np.median(hessian.ratios, axis=0).tolist()
    asked: Sequence[tuple[str, str, Sequence[float], str, Range]] = (
        ("Hessian", "pooled gamma by Hessian block", *_pooled(hessian), thresholds.POOLED_HESSIAN),
        ("Hessian", "median of gamma by Hessian block", medians, _listed(medians), thresholds.MEDIAN_HESSIAN),
        ("exact ratio", "pooled gamma by exact ratio", *_pooled(ratio), thresholds.POOLED_RATIO),
    )
    return [
        Criterion(
            f"Figure 1, {panel}",
            f"{claim} {limit} in every layer",
            decided(all(map(limit.holds, values)), few),
            f"{said}.",
            basis=limit.prototype,
            why_open=few,
            noun="",
        )
        for panel, claim, values, said, limit in asked
    ]


def _pooled(found: Layers) -> tuple[list[float], str]:
    every = found.pooled
    return [one.value for one in every], ", ".join(text.bracketed(one, 3) for one in every)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(text.number(value) for value in values)


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    part = needed(tables, "ratio")
    found = {column: layers_of(tables, part, column) for column in AGAINST}
    few = few_of(part, len(found["hessian"].gamma))
    headings = [(f"Gamma by the {name}", [_agreement(found[column])]) for column, name in AGAINST.items()]
    figure, axes = page(headings, height=3.0)
    for layers, each in zip(found.values(), axes, strict=True):
        _points(each, layers)
    caption = (
        f"A point is a layer of one of {len(found['hessian'].gamma)} set-ups, each with weights, inputs and a "
        f"quadratic loss of its own; {part.setting['samples']} points of each, one at a time. Hessian block: "
        "its average squared singular value. Boxes: quartiles and median, "
        f"whiskers from 5 to 95 %. Black: pooled, with its {LEVEL:.0%} interval over set-ups. Dashed: 1, where theory "
        "and measurement agree."
    )
    remarks = ["The paper: “generally good agreement”, without a number."]
    remarks += [f"No verdict at this size: {few}."] if few else []
    return Drawing(caption, figure, table=_numbers(found), remarks=[*remarks, *others(tables, part, "ratio")])


def _agreement(found: Layers) -> str:
    values = [one.value for one in found.pooled]
    return f"pooled {text.number(min(values), 2)} to {text.number(max(values), 2)} by layer, n = {len(found.gamma)}"


def _points(axes: Axes, found: Layers) -> None:
    ratios, places = found.ratios, np.arange(len(found.names))
    across = np.linspace(-SIDE, SIDE, len(ratios)) if len(ratios) > 1 else np.zeros(1)
    for place in places:
        axes.plot(place + across, ratios[:, place], ".", color=COLOURS[5], markersize=3.5, alpha=0.7, markeredgewidth=0)
    axes.boxplot(
        ratios,
        positions=places,
        widths=2.4 * SIDE,
        whis=(5, 95),
        showfliers=False,
        medianprops={"color": COLOURS[0], "linewidth": 1.6},
        boxprops={"color": "0.35"},
        whiskerprops={"color": "0.35"},
        capprops={"color": "0.35"},
    )
    pooled = found.pooled
    values = np.array([one.value for one in pooled])
    ends = np.abs(np.array([[one.low, one.high] for one in pooled]).T - values)
    axes.errorbar(
        places, values, yerr=np.nan_to_num(ends), fmt="D", color=COLOURS[6], markersize=4.5, capsize=3, zorder=5
    )
    axes.axhline(1, color="0.45", linestyle="--", linewidth=1.1)
    axes.set_xticks(places, found.names)
    axes.set_xlabel("layer")
    axes.set_ylabel("ratio")
    log_y(axes)


def _numbers(found: dict[str, Layers]) -> pd.DataFrame:
    rows = {}
    hessian, ratio = found["hessian"], found["ratio"]
    for place, name in enumerate(hessian.names):
        low, middle, high = np.quantile(hessian.ratios[:, place], (0.05, 0.5, 0.95))
        rows[name] = {
            "by Hessian block, pooled": text.bracketed(hessian.pooled[place], 3),
            "median": text.number(middle),
            "5 to 95 %": f"{text.number(low)} to {text.number(high)}",
            "by exact ratio, pooled": text.bracketed(ratio.pooled[place], 3),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


FIGURE = report.Figure("figure1", "Figure 1: gamma and the Hessian's diagonal blocks", draw, PRESETS)
