"""Figure 8: the NLC of the initial network against the starting rate of the chosen run.

Panel A is about runs chosen by validation error (the paper shows CIFAR10), B about those chosen by training error,
where the rate falls with about the square of the NLC: the slope of the least-squares line through the logarithms is
about -2. Architectures that are not better than guessing are left out, as in figure 7.
"""

import math
import sys
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import Line, Quantity, plotted, scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import TRAINING, VALIDATION, Part, parts_of
from distnlc.analysis.nlc.quantities import NLC

RATE = Quantity("best_rate", "starting rate of the chosen run", log=True)
STATED = {("cifar10", "sgd", VALIDATION): -0.48, ("waveform-noise", "sgd", TRAINING): -0.92}
STATED_SLOPE = -2.0
"""of panel B, by eye"""
HIGH_NLC = 1_000


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
    drawing = scatter(
        parts,
        name="figure8",
        title="Figure 8: initial NLC and the best starting rate",
        x=NLC,
        y=RATE,
        stated=STATED,
        presets=("paper-small", "paper"),
        lines={part.title: _line(part, fit) for part, fit in fits},
    )
    caption = "Slope: of the least-squares line through the logarithms, with its standard error."
    remarks = [
        f"{part.title}: the slope is {fit.slope:.2f} ± {fit.error:.2f}, the paper's about {STATED_SLOPE:.0f}. It "
        f"shows at high NLCs, and {_high(part)}: perhaps these networks are too small, or too few."
        for part, fit in fits
        if part.key[2] == TRAINING and abs(fit.slope - STATED_SLOPE) > 2 * fit.error
    ]
    return replace(drawing, caption=f"{drawing.caption} {caption}", remarks=drawing.remarks + remarks)


def fitted(part: Part) -> Fit | None:
    """The line of a part; None for fewer than three different NLCs."""
    rows = plotted(part, NLC, RATE)
    if rows[NLC.column].nunique() < 3:
        return None
    found = stats.linregress(np.log(rows[NLC.column]), np.log(rows[RATE.column]))
    return Fit(float(found.slope), float(found.stderr), float(found.intercept))


def _high(part: Part) -> str:
    """How many architectures have a high NLC and learned."""
    rows = plotted(part, NLC, RATE)
    return f"{(rows[NLC.column] > HIGH_NLC).sum()} of the {len(rows)} that learned have one above {HIGH_NLC:,}"


def _line(part: Part, fit: Fit) -> Line:
    paper = f";  paper: about {STATED_SLOPE:.0f}" if part.key[2] == TRAINING else ""
    note = f"slope {fit.slope:.2f} ± {fit.error:.2f}{paper}"
    return Line("least-squares line", slope=fit.slope, factor=math.exp(fit.intercept), note=note)


if __name__ == "__main__":
    sys.exit(main(draw))
