"""Two quantities against each other: one panel per part of the study, one point per architecture.

Colours as in the paper: red for high bias (output bias of the initial network above 1000), blue for skip
connections (where both hold, red), black for all others; shapes differ too, and the colour-blind can tell the
shades apart. Above each panel stand the correlation, its interval, p-value and n, and the paper's value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing, MissingRecordsError, Panel, given_by
from distnlc.analysis.drawing.figure import stated as stated_text
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.nlc.paper import compared, outside
from distnlc.analysis.nlc.parts import PAPER_SIZE, Key, Part
from distnlc.analysis.statistics.correlations import LEVEL, Floats, correlate, usable_rows

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

LINE_STYLE: dict[str, Any] = {"color": "0.45", "linestyle": "--", "linewidth": 1.1}


@dataclass(frozen=True)
class Quantity:
    """One axis: a column of `architectures`, what people call it, and whether it is shown in log scale."""

    column: str
    label: str
    log: bool = False


@dataclass(frozen=True)
class Line:
    """y = factor * x ** slope, which is straight where both scales are logarithmic."""

    label: str
    slope: float
    factor: float = 1.0
    note: str = ""
    """what stands of it above the panel"""


def scatter(
    parts: Sequence[Part],
    *,
    name: str,
    title: str,
    x: Quantity,
    y: Quantity,
    stated: Mapping[Key, float | tuple[float, ...]],
    presets: Sequence[str],
    inset: tuple[float, float] | None = None,
    lines: Mapping[str, Line] | None = None,
) -> Drawing:
    """One panel per part. inset: the range of x that is shown enlarged. lines: part title -> line through its panel.

    stated: the paper's correlation by part. presets: those that give the records. Raises MissingRecordsError if no
    architecture has both quantities.
    """
    panels = [panel(part, x, y, stated.get(part.key, ())) for part in parts]
    if not any(one.correlation.n for one in panels):
        reasons = "; ".join(f"{one.title}: {text.left_out(one.correlation)}" for one in panels)
        raise MissingRecordsError(
            f"{title}: no architecture has both {x.label} and {y.label} in the parts that it is about"
            f" ({reasons or 'the study has no such part'}); {given_by(*presets)}"
        )
    through = [(lines or {}).get(part.title) for part in parts]
    headings = [(one.title, _details(one, line)) for one, line in zip(panels, through, strict=True)]
    figure, page_axes = page(headings, height=3.5, marks=_marks(through))
    for part, line, axes in zip(parts, through, page_axes, strict=True):
        points = plotted(part, x, y)
        if points.empty:
            # A logarithmic axis without values cannot be drawn.
            axes.set_axis_off()
            continue
        _draw_points(axes, points, x, y, _marker_size(points))
        axes.set_xlabel(x.label)
        axes.set_ylabel(y.label)
        if line is not None:
            _draw_line(axes, line)
        if inset is not None:
            _draw_inset(axes, points, x, y, inset)
    remarks = [
        f"{part.title}: {compared(part, numbers.correlation, numbers.stated)}"
        for part, numbers in zip(parts, panels, strict=True)
        if outside(numbers.correlation, numbers.stated)
    ]
    return Drawing(name, title, _caption(x, y, inset, panels), figure, panels, remarks=remarks)


def panel(part: Part, x: Quantity, y: Quantity, stated: float | tuple[float, ...] = ()) -> Panel:
    """The numbers of one part's panel."""
    correlation = correlate(
        part.rows[x.column],
        part.rows[y.column],
        log_x=x.log,
        log_y=y.log,
        failed=part.failed,
        skipped=part.skipped,
        excluded=part.excluded,
        names=(x.label, y.label),
    )
    return Panel(part.title, correlation, stated if isinstance(stated, tuple) else (stated,))


def plotted(part: Part, x: Quantity, y: Quantity) -> pd.DataFrame:
    """The rows of a part that its panel shows: those that its correlation is of."""
    kept, _ = usable_rows(
        part.rows[x.column].to_numpy(dtype=float),
        part.rows[y.column].to_numpy(dtype=float),
        log_x=x.log,
        log_y=y.log,
        failed=part.failed,
        excluded=part.excluded,
    )
    return part.rows[kept]


def group_of(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Index into GROUPS for every row, shape (n,)."""
    skips = (rows["skip_strength"] > 0).to_numpy()
    high_bias = (rows["init_bias"] > HIGH_BIAS).to_numpy()
    return np.where(high_bias, 2, np.where(skips, 1, 0))


def _details(numbers: Panel, line: Line | None) -> list[str]:
    return [
        text.strength(numbers.correlation),
        f"{text.count(numbers.correlation)};  paper: {stated_text(numbers)}",
        *([line.note] if line and line.note else []),
        text.left_out(numbers.correlation),
    ]


def _marks(lines: Sequence[Line | None]) -> list[Line2D]:
    """What the marks mean, for the figure's legend."""
    marks = [
        Line2D([], [], linestyle="", marker=group.marker, markersize=5, color=group.colour, label=group.label)
        for group in reversed(GROUPS)
    ]
    labels = dict.fromkeys(line.label for line in lines if line is not None)
    return marks + [Line2D([], [], **LINE_STYLE, label=label) for label in labels]


def _draw_line(axes: Axes, line: Line) -> None:
    """Within the limits that the points have set."""
    across, up = np.asarray(axes.get_xlim()), axes.get_ylim()
    axes.plot(across, line.factor * across**line.slope, **LINE_STYLE, zorder=2)
    axes.set_xlim(across[0], across[1])
    axes.set_ylim(up)


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


def _caption(x: Quantity, y: Quantity, inset: tuple[float, float] | None, panels: Sequence[Panel]) -> str:
    axes = f"{y.label}{' (log scale)' if y.log else ''} against {x.label}{' (log scale)' if x.log else ''}"
    logs = " of the logarithm where the scale is logarithmic" if x.log or y.log else ""
    zoom = f" Inset: {inset[0]:g} < {x.label} < {inset[1]:g}." if inset else ""
    return (
        f"{axes[0].upper()}{axes[1:]}, one point per architecture.{zoom} r: Pearson correlation{logs}, "
        f"with its {LEVEL:.0%} bootstrap interval and two-sided p-value."
        + (f" {PAPER_SIZE}" if any(one.stated for one in panels) else "")
        + (
            " It is lost which of its two values is this figure's."
            if any(len(one.stated) > 1 for one in panels)
            else ""
        )
    )
