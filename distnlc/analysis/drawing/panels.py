"""The page of a figure: panels of one size, two in a row or more, a heading above each, marks explained at the bottom.

Places are given in inches instead of being searched for by matplotlib, which would take half of a figure's time;
so a panel has the same size in every figure.
"""

import math
import textwrap
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LEFT, WIDTH, RIGHT = 0.8, 4.6, 0.2
"""of a panel, in inches: room for the numbers at the y-axis, the axes, the gap to the next panel"""
BOTTOM, GAP = 0.55, 0.15
"""room for the numbers at the x-axis, the gap to the panel below"""
TITLE_LINE, DETAIL_LINE, MARKS_LINE = 0.2, 0.165, 0.22
TITLE_CHARACTERS, DETAIL_CHARACTERS = 50, 70

Heading = tuple[str, Sequence[str]]
"""a panel's title and what stands below it, one line each"""


def page(
    headings: Sequence[Heading], *, height: float, width: float = WIDTH, marks: Sequence[Artist] = (), columns: int = 2
) -> tuple[Figure, list[Axes]]:
    """An empty figure with one panel per heading, at most `columns` in a row.

    height, width: of the axes, in inches. marks: explained by their labels.
    """
    wrapped = [_wrap(heading, width / WIDTH) for heading in headings]
    head = max(TITLE_LINE * len(title) + DETAIL_LINE * len(details) for title, details in wrapped) + 0.14
    columns = min(len(wrapped), columns)
    marks_columns = 2 if columns == 1 and len(marks) > 3 else max(1, len(marks))
    foot = MARKS_LINE * math.ceil(len(marks) / marks_columns)
    across, down = LEFT + width + RIGHT, head + height + BOTTOM + GAP
    breadth, whole = columns * across, math.ceil(len(wrapped) / columns) * down + foot
    figure = Figure(figsize=(breadth, whole))
    panels = []
    for position, (title, details) in enumerate(wrapped):
        row, column = divmod(position, columns)
        left, bottom = column * across + LEFT, whole - row * down - head - height
        axes = figure.add_axes((left / breadth, bottom / whole, width / breadth, height / whole))
        axes.grid(color="0.92", linewidth=0.6)
        axes.set_axisbelow(True)
        up = 1 + 0.07 / height
        axes.text(0, up, "\n".join(details), transform=axes.transAxes, va="bottom", fontsize=9, linespacing=1.3)
        up += (DETAIL_LINE * len(details) + 0.06) / height
        axes.set_title("\n".join(title), parse_math=False, loc="left", fontsize=11, fontweight="bold", y=up, pad=0)
        panels.append(axes)
    if marks:
        figure.legend(handles=marks, loc="lower center", ncols=marks_columns, frameon=False, fontsize=9, borderpad=0)
    return figure, panels


def _wrap(heading: Heading, share: float) -> tuple[list[str], list[str]]:
    """Lines for a panel of a share of the usual width."""
    title, details = heading
    return textwrap.wrap(title, round(share * TITLE_CHARACTERS)), [
        line for detail in details for line in textwrap.wrap(detail, round(share * DETAIL_CHARACTERS))
    ]
