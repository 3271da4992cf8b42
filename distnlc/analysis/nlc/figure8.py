"""Figure 8: the NLC of the initial network against the starting rate of the chosen run.

Panel A is about runs chosen by validation error (the paper shows CIFAR10), B about those chosen by training error,
where the rate falls with about the square of the NLC: the slope of the least-squares line through the logarithms is
about -2. Architectures that are not better than guessing are left out, as in figure 7.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.scatter import Cloud, Line, axis, plotted
from distnlc.analysis.nlc import paper
from distnlc.analysis.nlc.paper import TRAINING
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.nlc.scatters import Scatter
from distnlc.analysis.nlc.sweeps import sweep_of, unchecked
from distnlc.analysis.tables import Tables
from distnlc.studies.nlc.records import ArchitectureRow

NLC, RATE = axis(ArchitectureRow, "init_nlc"), axis(ArchitectureRow, "best_rate")
HIGH_NLC = 1_000

SCATTER = Scatter(
    name="figure8",
    title="Figure 8: initial NLC and the best starting rate",
    x=NLC.column,
    y=RATE.column,
    criterion=None,
    caption="Slope: of the least-squares line through the logarithms, with its standard error.",
)


@dataclass(frozen=True)
class Fit:
    """The least-squares line through the logarithms: log rate = slope * log NLC + intercept."""

    slope: float
    error: float
    """standard error of the slope"""
    intercept: float


def draw(tables: Tables) -> Drawing:
    """One panel per part, those chosen by training error last. Raises MissingRecordsError."""
    parts = [part.learned_only() for part in parts_of(tables.architectures)]
    fits = [(part, fit) for part in parts if (fit := fitted(part)) is not None]
    drawing = SCATTER.of(parts, {part.title: _line(part, fit) for part, fit in fits})
    remarks = [
        f"{part.title}: the slope is {fit.slope:.2f} ± {fit.error:.2f}, the paper's about {paper.SLOPE:.0f}; why is "
        f"unexplained. It shows at high NLCs, and {_high(part)}."
        for part, fit in fits
        if part.key[2] == TRAINING and abs(fit.slope - paper.SLOPE) > 2 * fit.error
    ]
    sweeps = {part.title: sweep_of(tables.runs[tables.runs["unit_id"].isin(part.rows["unit_id"])]) for part in parts}
    return replace(drawing, remarks=drawing.remarks + remarks + unchecked(sweeps))


FIGURE = replace(SCATTER.figure, draw=draw)


def fitted(part: Part) -> Fit | None:
    """The line of a part; None for fewer than three different NLCs."""
    rows = _plotted(part)
    if rows[NLC.column].nunique() < 3:
        return None
    found = stats.linregress(np.log(rows[NLC.column]), np.log(rows[RATE.column]))
    return Fit(float(found.slope), float(found.stderr), float(found.intercept))


def _plotted(part: Part) -> pd.DataFrame:
    return plotted(Cloud(part.title, part.rows, part.left_out(NLC.column, RATE.column)), NLC, RATE)


def _high(part: Part) -> str:
    """How many of the architectures that learned have a high NLC."""
    rows = _plotted(part)
    return f"{(rows[NLC.column] > HIGH_NLC).sum()} of the {len(rows)} that learned have one above {HIGH_NLC:,}"


def _line(part: Part, fit: Fit) -> Line:
    stated = f";  paper: about {paper.SLOPE:.0f}" if part.key[2] == TRAINING else ""
    note = f"slope {fit.slope:.2f} ± {fit.error:.2f}{stated}"
    return Line("least-squares line", slope=fit.slope, factor=math.exp(fit.intercept), note=note)
