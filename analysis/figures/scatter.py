"""Two quantities against each other: one panel per part of the study, one point per architecture.

Colours as in the paper: red for high bias (output bias of the initial network above 1000), blue for skip
connections (where both hold, red), black for all others; shapes differ too, and the colour-blind can tell the
shades apart. Above each panel stand the correlation, its interval, p-value and n, and the paper's value.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from analysis import text
from analysis.correlations import LEVEL, Floats, correlate, usable_rows
from analysis.figures.drawing import Drawing, MissingRecordsError, Panel, given_by
from analysis.figures.drawing import stated as stated_text
from analysis.parts import PAPER_SIZE, Key, Part, parts_of

HIGH_BIAS = 1000.0


@dataclass(frozen=True)
class Group:
    """How one kind of architecture is drawn."""

    label: str
    colour: str
    marker: str


GROUPS = (
    Group("others", "#1a1a1a", "o"),
    Group("skip connections", "#0072b2", "s"),
    Group(f"high bias (initial bias > {HIGH_BIAS:.0f})", "#d5311e", "^"),
)
"""In drawing order, the rarest on top."""


@dataclass(frozen=True)
class Quantity:
    """One axis: a column of `architectures`, what people call it, and whether it is shown in log scale."""

    column: str
    label: str
    log: bool = False


def scatter(
    architectures: pd.DataFrame,
    *,
    name: str,
    title: str,
    x: Quantity,
    y: Quantity,
    stated: Mapping[Key, float],
    presets: Sequence[str],
    inset: tuple[float, float] | None = None,
) -> Drawing:
    """The figure for all parts selected by validation error. inset: the range of x that is shown enlarged.
    presets: those that give the records.

    Raises MissingRecordsError if no architecture has both quantities.
    """
    parts = parts_of(architectures, criterion="validation-error")
    panels = [panel(part, x, y, stated.get(part.key)) for part in parts]
    if not any(one.correlation.n for one in panels):
        reasons = "; ".join(f"{one.title}: {text.left_out(one.correlation)}" for one in panels)
        raise MissingRecordsError(
            f"{title}: no architecture chosen by validation error has both {x.label} and {y.label}"
            + (f" ({reasons})" if panels else "")
            + f"; {given_by(*presets)}"
        )
    columns = min(len(parts), 2)
    rows = math.ceil(len(parts) / columns)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(5.6 * columns, 4.9 * rows + 0.4), layout=layout)
    for position, (part, numbers) in enumerate(zip(parts, panels, strict=True)):
        axes = figure.add_subplot(rows, columns, position + 1)
        points = plotted(part, x, y)
        _draw_panel(axes, points, x, y, numbers)
        if inset is not None:
            _draw_inset(axes, points, x, y, inset)
    marks = [
        Line2D([], [], linestyle="", marker=group.marker, markersize=5, color=group.colour, label=group.label)
        for group in reversed(GROUPS)
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False, fontsize=9)
    return Drawing(name, title, _caption(x, y, inset), figure, panels)


def panel(part: Part, x: Quantity, y: Quantity, stated: float | None) -> Panel:
    """The numbers of one part's panel."""
    correlation = correlate(
        part.rows[x.column],
        part.rows[y.column],
        log_x=x.log,
        log_y=y.log,
        failed=part.failed,
        skipped=part.skipped,
        names=(x.label, y.label),
    )
    return Panel(part.title, correlation, () if stated is None else (stated,))


def plotted(part: Part, x: Quantity, y: Quantity) -> pd.DataFrame:
    """The rows of a part that its panel shows: those that its correlation is of."""
    kept, _ = usable_rows(
        part.rows[x.column].to_numpy(dtype=float),
        part.rows[y.column].to_numpy(dtype=float),
        log_x=x.log,
        log_y=y.log,
        failed=part.failed,
    )
    return part.rows[kept]


def group_of(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Index into GROUPS for every row, shape (n,)."""
    skips = (rows["skip_strength"] > 0).to_numpy()
    high_bias = (rows["init_bias"] > HIGH_BIAS).to_numpy()
    return np.where(high_bias, 2, np.where(skips, 1, 0))


def _draw_panel(axes: Axes, rows: pd.DataFrame, x: Quantity, y: Quantity, numbers: Panel) -> None:
    _draw_points(axes, rows, x, y, _marker_size(rows))
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    details = [
        text.strength(numbers.correlation),
        f"{text.count(numbers.correlation)};  paper: {stated_text(numbers)}",
        *textwrap.wrap(text.left_out(numbers.correlation), 72),
    ]
    axes.text(0, 1.02, "\n".join(details), transform=axes.transAxes, va="bottom", fontsize=9, linespacing=1.3)
    axes.set_title(
        numbers.title, parse_math=False, loc="left", fontsize=11, fontweight="bold", pad=9 + 12.5 * len(details)
    )


def _draw_points(axes: Axes, rows: pd.DataFrame, x: Quantity, y: Quantity, size: float) -> None:
    groups = group_of(rows)
    for index, group in enumerate(GROUPS):
        members = rows[groups == index]
        axes.scatter(
            members[x.column],
            members[y.column],
            s=size,
            marker=group.marker,
            color=group.colour,
            alpha=0.85,
            edgecolors="white",
            linewidths=0.3,
            zorder=3 + index,
        )
    if x.log:
        axes.set_xscale("log")
    if y.log:
        axes.set_yscale("log")


def _marker_size(rows: pd.DataFrame) -> float:
    """Smaller for many points, in square points."""
    return float(np.clip(5000 / max(len(rows), 1), 9, 30))


def _draw_inset(axes: Axes, rows: pd.DataFrame, x: Quantity, y: Quantity, limits: tuple[float, float]) -> None:
    """The range `limits` of x enlarged, as large as fits into a corner without points (log x only)."""
    inside = rows[rows[x.column].between(*limits, inclusive="neither")]
    if inside.empty:
        return
    points = rows[[x.column, y.column]].to_numpy(dtype=float)
    places = axes.transAxes.inverted().transform(axes.transData.transform(points))
    box = _free_corner(places)
    if box is None:
        # Points everywhere: make room at the right.
        box = (0.54, 0.0, 0.46, 0.5)
        low, high = axes.get_xlim()
        axes.set_xlim(low, low * (high / low) ** (1 / 0.52))
    across, up, width, height = box
    small = axes.inset_axes((across + 0.1, up + 0.11, width - 0.13, height - 0.18), zorder=9)
    _draw_points(small, inside, x, y, 0.8 * _marker_size(rows))
    small.set_xlim(*limits)
    small.set_title(f"{limits[0]:g} < {x.label} < {limits[1]:g}", fontsize=7.5, pad=3)
    small.tick_params(labelsize=7, length=2)
    small.grid(color="0.92", linewidth=0.5)
    small.set_axisbelow(True)


def _free_corner(places: Floats) -> tuple[float, float, float, float] | None:
    """Left, bottom, width, height of the largest box in a corner of the unit square without any `places`.

    places: shape (n, 2). None if every corner is taken.
    """
    for width, height in ((0.62, 0.66), (0.54, 0.58), (0.46, 0.5)):
        right, bottom = places[:, 0] > 0.98 - width, places[:, 1] < height + 0.02
        left, top = places[:, 0] < width + 0.02, places[:, 1] > 0.98 - height
        if not (right & bottom).any():
            return 1 - width, 0.0, width, height
        if not (left & top).any():
            return 0.0, 1 - height, width, height
        if not (right & top).any():
            return 1 - width, 1 - height, width, height
    return None


def _caption(x: Quantity, y: Quantity, inset: tuple[float, float] | None) -> str:
    axes = f"{y.label}{' (log scale)' if y.log else ''} against {x.label}{' (log scale)' if x.log else ''}"
    logs = " of the logarithm where the scale is logarithmic" if x.log or y.log else ""
    zoom = f" Inset: {inset[0]:g} < {x.label} < {inset[1]:g}." if inset else ""
    return (
        f"{axes[0].upper()}{axes[1:]}, one point per architecture.{zoom} r: Pearson correlation{logs}, "
        f"with its {LEVEL:.0%} bootstrap interval and two-sided p-value. {PAPER_SIZE}"
    )
