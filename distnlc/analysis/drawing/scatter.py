"""Two quantities against each other: panels with one point per row, each with its correlation above it.

Colours and shapes tell groups apart, also for the colour-blind. Above each panel stand the correlation, its interval,
p-value and n, and the paper's value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing, Panel
from distnlc.analysis.drawing.figure import stated as stated_text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.statistics.correlations import LEVEL, Floats, correlate, usable_rows
from distnlc.records import quantities

LINE_STYLE: dict[str, Any] = {"color": "0.45", "linestyle": "--", "linewidth": 1.1}


@dataclass(frozen=True)
class Group:
    """How the points of one group are drawn."""

    label: str
    colour: str
    marker: str
    """of matplotlib: o, s or ^"""


@dataclass(frozen=True)
class Axis:
    """A column as the axis of a figure."""

    column: str
    label: str
    log: bool = False


def axis(row_type: type, column: str) -> Axis:
    """The axis of a column, labelled and scaled as its row dataclass declares it."""
    quantity = quantities(row_type)[column]
    return Axis(column, quantity.label, quantity.log)


@dataclass(frozen=True)
class Line:
    """y = factor * x ** slope, which is straight where both scales are logarithmic."""

    label: str
    slope: float
    factor: float = 1.0
    note: str = ""
    """a sentence above the panel"""


@dataclass(frozen=True)
class Cloud:
    """The rows and values of one panel."""

    title: str
    rows: pd.DataFrame
    excluded: Mapping[str, ArrayLike] = field(default_factory=dict)
    """reason -> (n,) true for the rows that are left out for it"""
    stated: float | None = None
    """the paper's correlation, as in `Panel`"""
    line: Line | None = None


def scatter(
    clouds: Sequence[Cloud],
    x: Axis,
    y: Axis,
    *,
    groups: Sequence[Group],
    group_of: Callable[[pd.DataFrame], ArrayLike],
    noun: str,
    inset: tuple[float, float] | None = None,
) -> Drawing:
    """One panel per cloud. group_of: the place in `groups` of every row; they are drawn in that order. noun: what one
    row is. inset: the range of x that is shown enlarged. Raises MissingRecordsError if no row has both quantities.
    """
    panels = [panel(cloud, x, y) for cloud in clouds]
    if not any(one.correlation.n for one in panels):
        reasons = "; ".join(f"{one.title}: {text.left_out(one.correlation)}" for one in panels)
        raise MissingRecordsError(
            f"no {noun} has both {x.label} and {y.label} in the parts that it is about "
            f"({reasons or 'the study has no such part'})"
        )
    headings = [(one.title, _details(one, cloud.line)) for one, cloud in zip(panels, clouds, strict=True)]
    figure, page_axes = page(headings, height=3.5, marks=_marks(groups, [cloud.line for cloud in clouds]))
    for cloud, axes in zip(clouds, page_axes, strict=True):
        points = plotted(cloud, x, y)
        if points.empty:
            # A logarithmic axis without values cannot be drawn.
            axes.set_axis_off()
            continue
        numbers = np.asarray(group_of(points))
        members = [(group, points[numbers == place]) for place, group in enumerate(groups)]
        _draw_points(axes, members, x, y, _marker_size(points))
        axes.set_xlabel(x.label)
        axes.set_ylabel(y.label)
        if cloud.line is not None:
            _draw_line(axes, cloud.line)
        if inset is not None:
            _draw_inset(axes, members, x, y, inset)
    return Drawing(_caption(x, y, inset, noun), figure, panels)


def panel(cloud: Cloud, x: Axis, y: Axis) -> Panel:
    """The numbers of one panel."""
    values = cloud.rows[x.column], cloud.rows[y.column]
    names = (x.label, y.label)
    correlation = correlate(*values, log_x=x.log, log_y=y.log, excluded=cloud.excluded, names=names)
    return Panel(cloud.title, correlation, cloud.stated)


def plotted(cloud: Cloud, x: Axis, y: Axis) -> pd.DataFrame:
    """The rows that the panel shows: those that its correlation is of."""
    values = (cloud.rows[one.column].to_numpy(dtype=float) for one in (x, y))
    kept, _ = usable_rows(*values, log_x=x.log, log_y=y.log, excluded=cloud.excluded)
    return cloud.rows[kept]


def _details(numbers: Panel, line: Line | None) -> list[str]:
    return [
        text.strength(numbers.correlation),
        f"{text.count(numbers.correlation)};  paper: {stated_text(numbers)}",
        *([line.note] if line and line.note else []),
        text.left_out(numbers.correlation),
    ]


def _marks(groups: Sequence[Group], lines: Sequence[Line | None]) -> list[Line2D]:
    """The figure's legend."""
    marks = [
        Line2D([], [], linestyle="", marker=group.marker, markersize=5, color=group.colour, label=group.label)
        for group in reversed(groups)
    ]
    labels = dict.fromkeys(line.label for line in lines if line is not None)
    return marks + [Line2D([], [], **LINE_STYLE, label=label) for label in labels]


def _draw_line(axes: Axes, line: Line) -> None:
    """Within the limits that the points have set."""
    across, up = np.asarray(axes.get_xlim()), axes.get_ylim()
    axes.plot(across, line.factor * across**line.slope, **LINE_STYLE, zorder=2)
    axes.set_xlim(across[0], across[1])
    axes.set_ylim(up)


Members = Sequence[tuple[Group, pd.DataFrame]]
"""each group's points"""


def _draw_points(axes: Axes, members: Members, x: Axis, y: Axis, size: float) -> None:
    for place, (group, rows) in enumerate(members):
        axes.scatter(
            rows[x.column],
            rows[y.column],
            s=size,
            marker=group.marker,
            color=group.colour,
            alpha=0.85,
            edgecolors="white",
            linewidths=0.3,
            zorder=3 + place,
        )
    if x.log:
        axes.set_xscale("log")
    if y.log:
        axes.set_yscale("log")


def _marker_size(rows: pd.DataFrame) -> float:
    """Smaller for many points, in square points."""
    return float(np.clip(5000 / max(len(rows), 1), 9, 30))


def _draw_inset(axes: Axes, members: Members, x: Axis, y: Axis, limits: tuple[float, float]) -> None:
    """The range `limits` of x enlarged, as large as fits into a corner without points (log x only)."""
    inside = [(group, rows[rows[x.column].between(*limits, inclusive="neither")]) for group, rows in members]
    if all(rows.empty for _, rows in inside):
        return
    every = pd.concat([rows for _, rows in members])
    points = every[[x.column, y.column]].to_numpy(dtype=float)
    places = axes.transAxes.inverted().transform(axes.transData.transform(points))
    box = _free_corner(places)
    if box is None:
        # Points everywhere: make room at the right.
        box = (0.54, 0.0, 0.46, 0.5)
        low, high = axes.get_xlim()
        axes.set_xlim(low, low * (high / low) ** (1 / 0.52))
    across, up, width, height = box
    small = axes.inset_axes((across + 0.1, up + 0.11, width - 0.13, height - 0.18), zorder=9)
    _draw_points(small, inside, x, y, 0.8 * _marker_size(every))
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


def _caption(x: Axis, y: Axis, inset: tuple[float, float] | None, noun: str) -> str:
    axes = f"{y.label}{' (log scale)' if y.log else ''} against {x.label}{' (log scale)' if x.log else ''}"
    logs = " of the logarithm where the scale is logarithmic" if x.log or y.log else ""
    zoom = f" Inset: {inset[0]:g} < {x.label} < {inset[1]:g}." if inset else ""
    return (
        f"{axes[0].upper()}{axes[1:]}, one point per {noun}.{zoom} r: Pearson correlation{logs}, "
        f"with its {LEVEL:.0%} bootstrap interval and two-sided p-value."
    )
