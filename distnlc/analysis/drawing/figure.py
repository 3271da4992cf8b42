"""A finished figure (`Drawing`): how its files are written, and its numbers for a terminal."""

import io
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator
from numpy.typing import NDArray

from distnlc.analysis.drawing import format as text
from distnlc.analysis.statistics.correlations import Correlation

STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # the same letters on every machine
    "svg.hashsalt": "distnlc",  # the same bytes for the same figure
}
FILE_DOTS_PER_INCH = 150
WIDE = 100
"""an axis from 1 to this or more needs no number between two powers of ten"""
Pixels = NDArray[np.uint8]
"""(height, width, 4) red, green, blue and alpha"""


@dataclass(frozen=True)
class Panel:
    """The numbers of one panel: its correlation, and the value that the paper states, if any."""

    title: str
    correlation: Correlation
    stated: float | None = None


@dataclass(frozen=True)
class Drawing:
    """One finished figure."""

    caption: str
    figure: Figure
    panels: list[Panel] = field(default_factory=list)
    """the correlations that the figure shows; they stand as a table of numbers below it"""
    table: pd.DataFrame | None = None
    """numbers that are no correlations, ready to show: strings, the rows named by the index"""
    remarks: list[str] = field(default_factory=list)
    """plain sentences, such as where it differs from the paper, and a plausible cause"""


def encoded(drawing: Drawing, kind: str) -> bytes:
    """The figure as a file of the kind png, svg or pdf."""
    if kind == "png":
        return image(pixels(drawing), kind)
    _lighten(drawing.figure)
    buffer = io.BytesIO()
    # The date would make every file different.
    metadata = {"Date": None} if kind == "svg" else None
    with matplotlib.rc_context(STYLE):
        drawing.figure.savefig(buffer, format=kind, metadata=metadata, dpi=FILE_DOTS_PER_INCH)
    return buffer.getvalue()


def pixels(drawing: Drawing) -> Pixels:
    """The figure as it is drawn for screens; to draw it takes far longer than to write it as an `image`."""
    _lighten(drawing.figure)
    canvas = FigureCanvasAgg(drawing.figure)
    with matplotlib.rc_context(STYLE):
        drawing.figure.set_dpi(FILE_DOTS_PER_INCH)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def image(drawn: Pixels, kind: str) -> bytes:
    """Pixels as a file of the kind png, or webp: a small picture for screens."""
    buffer = io.BytesIO()
    how = {"png": {"compress_level": 1}, "webp": {"quality": 90, "method": 2}}[kind]
    imsave(buffer, drawn, format=kind, dpi=FILE_DOTS_PER_INCH, pil_kwargs=how)
    return buffer.getvalue()


def _lighten(figure: Figure) -> None:
    """Takes from wide logarithmic axes what costs a third of a figure's time: ticks at 3, 4, 6, ... times a power of
    ten, and matplotlib's own formulas, in which it writes these powers."""
    axes = list[Any](figure.axes)
    for each in axes:
        axes += each.child_axes  # insets
        for axis in (each.xaxis, each.yaxis):
            low, high = axis.get_view_interval()
            if isinstance(axis.get_major_formatter(), LogFormatterMathtext) and high > WIDE * low > 0:
                axis.set_minor_locator(LogLocator(subs=(2, 5)))
                axis.set_major_formatter(FuncFormatter(lambda value, _: text.power_of_ten(value)))


def lines(drawing: Drawing) -> list[str]:
    """The figure's numbers and remarks for a terminal."""
    said = [
        f"{panel.title}: {text.strength(panel.correlation)}; {text.count(panel.correlation)}, "
        f"{text.left_out(panel.correlation)}; paper: {stated(panel)}"
        for panel in drawing.panels
    ]
    if drawing.table is not None:
        said.append(drawing.table.to_string())
    return said + drawing.remarks


def stated(panel: Panel) -> str:
    """The paper's value for people."""
    return "no value stated" if panel.stated is None else f"{panel.stated:.2f}"
