"""A finished figure (`Drawing`): how its files are written, and its numbers for a terminal."""

import io
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from distnlc.analysis.drawing import format as text
from distnlc.analysis.statistics.correlations import Correlation

STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # the same letters on every machine
    "svg.hashsalt": "distnlc",  # the same bytes for the same figure
}


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
    """The figure as a file of the kind png, svg, pdf, or webp: a small picture for screens."""
    buffer = io.BytesIO()
    # The date would make every file different.
    metadata = {"Date": None} if kind == "svg" else None
    small: dict[str, Any] = {"dpi": 150, "pil_kwargs": {"quality": 90}} if kind == "webp" else {}
    with matplotlib.rc_context(STYLE):
        drawing.figure.savefig(buffer, format=kind, metadata=metadata, **({"dpi": 200} | small))
    return buffer.getvalue()


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
