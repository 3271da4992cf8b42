"""Panels of curves of networks: one colour for each sort of network, in all figures.

In: curves with their intervals. A panel's head shows the claims about it with their verdicts.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from distnlc.analysis.drawing.panels import page
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.claims import Judged
from distnlc.analysis.statistics.correlations import Floats

COLOURS = {
    ("relu", "none"): "#0072b2",
    ("relu", "layer"): "#56b4e9",
    ("relu", "length"): "#56b4e9",
    ("relu", "batch"): "#222222",
    ("tanh", "none"): "#cc79a7",
    ("tanh", "layer"): "#d55e00",
    ("tanh", "length"): "#d55e00",
    ("tanh", "batch"): "#e69f00",
    ("selu", "none"): "#009e73",
    ("selu", "layer"): "#009e73",
    ("selu", "length"): "#009e73",
}
NARROW = 500
"""a logarithmic axis that spans less has numbers at 1, 2 and 5, and no powers of ten"""
DIVERSE = 0.52
"""end of an axis of sign diversities"""
HEIGHT = 2.8


Style = Literal["-", "--", ":"]


def colour(setting: paper.Setting) -> str:
    return COLOURS.get((setting[0], setting[1]), "#888888")


def style(setting: paper.Setting) -> Style:
    """Dotted where a network differs from another of its colour by its width alone."""
    return "-" if setting[4] == "100" else ":"


def panels(titles: dict[str, str], found: Sequence[Judged], marks: Sequence[Line2D]) -> tuple[Figure, dict[str, Axes]]:
    """A page of panels by letter, each headed by its title and the claims about it."""
    letters = list(titles)
    headings = [
        (f"({letter}) {titles[letter]}", [f"{one.short}." for one in found if one.panel.endswith(letter)])
        for letter in letters
    ]
    figure, axes = page(headings, height=HEIGHT, marks=marks)
    return figure, dict(zip(letters, axes, strict=True))


def mark(setting: paper.Setting, label: str = "") -> Line2D:
    """What explains a network's curves."""
    name = label or paper.name_of(setting)
    return Line2D([], [], color=colour(setting), linestyle=style(setting), linewidth=1.6, label=name)


def draw(
    axes: Axes,
    setting: paper.Setting,
    across: Floats,
    values: Floats,
    band: tuple[Floats, Floats] | None = None,
    *,
    linestyle: Style | None = None,
    marker: str = "",
) -> None:
    """One network's curve over (L,), with its interval."""
    if band is not None:
        axes.fill_between(across, *band, color=colour(setting), alpha=0.2, linewidth=0)
    axes.plot(
        across,
        values,
        color=colour(setting),
        linestyle=linestyle or style(setting),
        linewidth=1.4,
        marker=marker or None,
        markersize=3,
    )


def logarithmic(axes: Axes) -> None:
    """A logarithmic y-axis, with plain numbers where it spans little. Nothing if no positive value is drawn."""
    if not any((np.asarray(line.get_ydata(), dtype=float) > 0).any() for line in axes.get_lines()):
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < NARROW * low:
        axes.yaxis.set_major_locator(
            LogLocator(subs=(1, 2, 5) if high > 20 * low else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 7))
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
