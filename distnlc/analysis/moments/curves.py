"""Panels of quantities over depth: a line is the mean over simulations, a band their 16th to 84th percentile.

In: parts, and what each panel shows. Out: a page of large panels for one part, or one row of small panels for each of
several parts on shared axes, and the numbers of either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.moments import paper
from distnlc.analysis.moments.parts import PERCENTILES, Part
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import mean_and_error

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
SMALL_WIDTH, SMALL_HEIGHT = 10.8, 1.7
"""of all small panels of a row together, and of one, in inches"""
SMALL_LEFT, SMALL_GAP, SMALL_HEAD, SMALL_FOOT, SMALL_TOP = 0.55, 0.5, 0.32, 0.24, 0.22
NARROW = 2_000
"""a logarithmic axis that spans less has numbers at 1, 2 and 5, and no powers of ten"""


@dataclass(frozen=True)
class Curve:
    """One quantity of a panel."""

    column: str
    label: str
    colour: str = BLUE
    gaussian: float | None = None
    """its value where z is Gaussian"""


@dataclass(frozen=True)
class Panel:
    """Quantities that share axes."""

    title: str
    curves: Sequence[Curve]
    log: bool = False
    one: bool = True
    """whether there is a dashed line at 1"""


INCREMENTS = Panel(
    "increments of the sensitivity",
    (
        Curve("delta_chi", "whole layer, δχ"),
        Curve("delta_bn", "batch norm", ORANGE),
        Curve("delta_phi", "activation", GREEN),
    ),
)
SENSITIVITY = Panel("normalized sensitivity χ", (Curve("chi", "χ"),))
LOG_SENSITIVITY = Panel(SENSITIVITY.title, SENSITIVITY.curves, log=True)
RANKS = Panel("effective ranks", (Curve("rank_signal", "signal"), Curve("rank_noise", "noise", ORANGE)), log=True)
_MOMENTS = (
    Curve("kurtosis_z", "μ₄(z)", gaussian=paper.GAUSSIAN_FOURTH_MOMENT),
    Curve("mean_abs_z", "ν₁(|z|)", ORANGE, paper.GAUSSIAN_MEAN_ABSOLUTE),
)
MOMENTS = Panel("moments of z, after batch norm", _MOMENTS, one=False)
LOG_MOMENTS = Panel(MOMENTS.title, _MOMENTS, log=True, one=False)
VANILLA_PANELS = (
    Panel("increment of the sensitivity, δχ", (Curve("delta_chi", "δχ"),)),
    Panel("effective rank of the signal", (Curve("rank_signal", "signal"),)),
)
BN_FF_PANELS = (INCREMENTS, LOG_SENSITIVITY, RANKS, LOG_MOMENTS)
BN_RES_PANELS = (INCREMENTS, SENSITIVITY, RANKS, MOMENTS)


def band(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, 16th and 84th percentile over simulations (S, L) -> (L,) each."""
    mean, _ = mean_and_error(values)
    percentile = np.nanpercentile if np.isnan(values).any() else np.percentile
    low, high = percentile(values, PERCENTILES, axis=0)
    return mean, low, high


def large(part: Part, panels: Sequence[Panel]) -> tuple[Figure, list[Axes]]:
    """One part, two panels in a row, lettered as in the paper."""
    headings = [
        (f"({letter}) {panel.title}", [f"{part.name}: {part.description}"] if not place else [])
        for place, (letter, panel) in enumerate(zip("abcd", panels, strict=False))
    ]
    figure, axes = page(headings, height=2.7)
    for each, panel in zip(axes, panels, strict=True):
        draw_panel(each, part, panel)
        each.set_xlabel(_across(part), labelpad=1)
        if len(panel.curves) > 1:
            each.legend(frameon=False, fontsize=9, loc="best")
    return figure, axes


def small(parts: Sequence[Part], panels: Sequence[Panel]) -> Figure:
    """A row of panels for each part; those of one column share their axes."""
    figure, grid = small_grid([f"{part.name}: {part.description}" for part in parts], [each.title for each in panels])
    for part, row in zip(parts, grid, strict=True):
        for panel, axes in zip(panels, row, strict=True):
            draw_panel(axes, part, panel)
    for panel, axes in zip(panels, grid[0], strict=True):
        if len(panel.curves) > 1:
            axes.legend(frameon=False, fontsize=8, loc="best", handlelength=1.2, labelspacing=0.2)
    return figure


def small_grid(rows: Sequence[str], columns: Sequence[str], *, share_y: bool = True) -> tuple[Figure, list[list[Axes]]]:
    """Empty small panels with a heading for each row and for each column."""
    across = (SMALL_WIDTH - SMALL_LEFT) / len(columns)
    down = SMALL_HEAD + SMALL_HEIGHT + SMALL_FOOT
    whole = SMALL_TOP + down * len(rows)
    figure = Figure(figsize=(SMALL_WIDTH, whole))
    grid: list[list[Axes]] = []
    for place, heading in enumerate(rows):
        bottom = whole - SMALL_TOP - (place + 1) * down + SMALL_FOOT
        row = []
        for column in range(len(columns)):
            left = SMALL_LEFT + column * across
            where = (left / SMALL_WIDTH, bottom / whole, (across - SMALL_GAP) / SMALL_WIDTH, SMALL_HEIGHT / whole)
            first = grid[0][column] if grid else None
            axes = figure.add_axes(where, sharex=first, sharey=first if share_y else None)
            axes.grid(color="0.92", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.tick_params(labelsize=8)
            row.append(axes)
        grid.append(row)
        up = (bottom + SMALL_HEIGHT + 0.06) / whole
        figure.text(
            SMALL_LEFT / SMALL_WIDTH, up, heading, fontsize=9.5, fontweight="bold", va="bottom", parse_math=False
        )
    for column, title in enumerate(columns):
        left = (SMALL_LEFT + column * across) / SMALL_WIDTH
        figure.text(left, 1 - 0.06 / whole, title, fontsize=9, va="top", color="0.25")
    return figure, grid


def draw_panel(axes: Axes, part: Part, panel: Panel) -> None:
    """The part's curves with their bands; a quantity that it has not is left out."""
    if panel.one:
        axes.axhline(1, color="0.35", linewidth=0.9, linestyle="--")
    for curve in panel.curves:
        if not part.has(curve.column):
            continue
        mean, low, high = band(part.values(curve.column))
        axes.fill_between(part.layers, low, high, color=curve.colour, alpha=0.22, linewidth=0)
        axes.plot(part.layers, mean, color=curve.colour, linewidth=1.5, label=curve.label)
        if curve.gaussian is not None:
            axes.axhline(curve.gaussian, color=curve.colour, linewidth=0.9, linestyle=":")
    if panel.log:
        axes.set_yscale("log")
        bottom, top = axes.get_ylim()
        if top < NARROW * bottom:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0, None)


def numbers(part: Part, panels: Sequence[Panel]) -> pd.DataFrame:
    """Mean and percentiles of every quantity at some layers, as strings."""
    rows = {}
    for curve in (curve for panel in panels for curve in panel.curves):
        if part.has(curve.column):
            rows[curve.label] = [
                f"{text.number(mean, 4)} [{text.number(low, 4)}, {text.number(high, 4)}]"
                for mean, low, high in np.column_stack(band(part.values(curve.column)[:, part.shown]))
            ]
    columns = [f"{'unit' if part.net == 'bn_res' else 'l ='} {part.layers[place]}" for place in part.shown]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def all_numbers(parts: Sequence[Part], panels: Sequence[Panel]) -> pd.DataFrame:
    """Those of several parts below each other; an en dash at layers that a part has not."""
    frame = pd.concat([numbers(part, panels).rename(index=f"{part.name}: {{}}".format) for part in parts])
    order = sorted(frame.columns, key=lambda name: int(name.rpartition(" ")[2]))
    return frame[order].fillna("–")


def _across(part: Part) -> str:
    return "residual unit" if part.net == "bn_res" else "layer l"
