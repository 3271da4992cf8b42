"""Figures 1 and 3: gradient scale, spread and sign diversity over the layers of networks on noise.

In: the finished networks on noise. Lines are means over networks, bands their 95 % intervals, networks resampled. The
x-axis counts linear layers from the input; layers between two of them lie at equal distances.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import noise_claims, paper, targets
from distnlc.analysis.gradients.claims import Judged, judged
from distnlc.analysis.gradients.correction import blocks_of, by_formula
from distnlc.analysis.gradients.lines import DIVERSE, draw, logarithmic, mark, panels
from distnlc.analysis.gradients.networks import PRESETS, Group, absent, of_settings
from distnlc.analysis.statistics import resampling
from distnlc.analysis.tables import Tables

TITLE_1 = "Figure 1: networks without skip connections at initialization"
TITLE_3 = "Figure 3: networks with identity skip connections at initialization"
SEVEN = (*noise_claims.COLLAPSING, *targets.EXPLODING)
WIDE = paper.gaussian("selu", "none", width="200")
FIVE = tuple(targets.FIGURE_3C)
PANELS_1 = {"A": "gradient scale, GSC(l, 0)", "B": "spread of pre-activations", "C": "sign diversity"}
PANELS_3 = {
    "A": "gradient scale between blocks, GSC(l, 0)",
    "B": "sign diversity",
    "C": "gradient scale without dilution",
}
ACROSS = "linear layers from the input"
HOW = (
    "Lines: means over networks; bands: 95 % intervals, networks resampled (none for a single network). Below each "
    "title the claims about the panel with their verdicts from these records."
)
DEEPEST = 52
"""end of the axis of linear layers"""
SHOWN = (1, 10, 20, 30, 40, 49)
"""linear layers of the table of numbers"""


def draw_1(tables: Tables) -> Drawing:
    """Networks without skip connections. Raises MissingRecordsError."""
    settings = (*SEVEN, WIDE)
    groups = of_settings(tables, settings)
    found = judged(noise_claims.CLAIMS, noise_claims.groups(tables), "1")
    figure, axes = panels(PANELS_1, found, [mark(group.setting) for group in groups])
    for group in groups:
        _curve(axes["A"], group, "gsc")
        if group.setting != WIDE:
            _curve(axes["B"], group, "std")
            _curve(axes["C"], group, "sign_diversity")
    axes["B"].set_ylim(0, None)
    axes["C"].set_ylim(0, DIVERSE)
    return _finished(figure, axes, groups, found, settings)


def draw_3(tables: Tables) -> Drawing:
    """Networks with skip connections. Raises MissingRecordsError."""
    groups = of_settings(tables, FIVE)
    found = judged(noise_claims.CLAIMS, noise_claims.groups(tables), "3")
    figure, axes = panels(PANELS_3, found, [mark(group.setting, group.name.partition(",")[0]) for group in groups])
    for group in groups:
        _curve(axes["A"], group, "gsc", "linear", "input")
        _curve(axes["B"], group, "sign_diversity")
        if (blocks := blocks_of(group)) is not None:
            value, others = blocks.curve(by_formula)
            band = tuple(10 ** np.nanquantile(others, resampling.TAILS, axis=0)) if len(others) else None
            draw(axes["C"], group.setting, blocks.across, 10**value, band and (band[0], band[1]))
    logarithmic(axes["C"])
    axes["B"].set_ylim(0, DIVERSE)
    return _finished(figure, axes, groups, found, FIVE)


def _curve(axes: Axes, group: Group, column: str, *kinds: str) -> None:
    curve = group.curve(column, *kinds)
    if curve.layers.size:
        draw(axes, group.setting, curve.across, curve.mean, curve.band())


def _finished(
    figure: Figure,
    axes: dict[str, Axes],
    groups: Sequence[Group],
    found: Sequence[Judged],
    settings: Sequence[paper.Setting],
) -> Drawing:
    for each in axes.values():
        each.set_xlabel(ACROSS, labelpad=1)
        each.set_xlim(0, DEEPEST)
    logarithmic(axes["A"])
    sizes = sorted({(group.size, group.points) for group in groups})
    networks = "; ".join(f"{size} of {points:,} points" for size, points in sizes)
    caption = f"{HOW} Networks of each sort: {networks}."
    return Drawing(
        caption, figure, table=_numbers(groups), remarks=[one.sentence for one in found] + absent(settings, groups)
    )


def _numbers(groups: Sequence[Group]) -> pd.DataFrame:
    rows = {}
    for group in groups:
        for column, what, kind in (
            ("gsc", "gradient scale", "linear"),
            ("std", "spread", "activation"),
            ("sign_diversity", "sign diversity", "activation"),
        ):
            curve = group.curve(column, kind)
            places = [
                place if place is not None else _nearest(curve.linear, linear)
                for linear, place in zip(SHOWN, curve.at(SHOWN), strict=True)
            ]
            if curve.layers.size:
                rows[f"{group.name}: {what}"] = [text.number(curve.mean[place]) for place in places]
    if not rows:
        raise MissingRecordsError("no layer of a network on noise was measured")
    return pd.DataFrame.from_dict(rows, orient="index", columns=[f"linear layer {place}" for place in SHOWN])


def _nearest(linear: np.ndarray, place: int) -> int:
    """Between blocks there are values at every second linear layer alone."""
    return int(abs(linear - place).argmin()) if linear.size else 0


FIGURES = (
    report.Figure("figure1", TITLE_1, draw_1, PRESETS),
    report.Figure("figure3", TITLE_3, draw_3, PRESETS),
)
