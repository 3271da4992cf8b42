"""Figure 8: the NLC of the initial network against the starting rate of the chosen run.

Panel A is about runs chosen by validation error (the paper shows CIFAR10), B about those chosen by training error,
where the rate falls with about the square of the NLC: the slope of the least-squares line through the logarithms is
about -2. Architectures that are not better than guessing are left out, as in figure 7.
"""

import sys
from dataclasses import replace

import numpy as np
from scipy import stats

from analysis.figures.drawing import Drawing, main
from analysis.figures.quantities import NLC
from analysis.figures.scatter import Line, Quantity, plotted, scatter
from analysis.load import Tables
from analysis.parts import TRAINING, VALIDATION, Part, parts_of

RATE = Quantity("best_rate", "starting rate of the chosen run", log=True)
STATED = {("cifar10", "sgd", VALIDATION): -0.48, ("waveform-noise", "sgd", TRAINING): -0.92}
STATED_SLOPE = "about -2"


def draw(tables: Tables) -> Drawing:
    """One panel per part, those chosen by training error last. Raises MissingRecordsError."""
    parts = [part.learned_only() for part in parts_of(tables.architectures)]
    lines = {part.title: fit for part in parts if (fit := fitted(part)) is not None}
    drawing = scatter(
        parts,
        name="figure8",
        title="Figure 8: initial NLC and the best starting rate",
        x=NLC,
        y=RATE,
        stated=STATED,
        presets=("paper-small", "paper"),
        lines=lines,
    )
    caption = "Slope: of the least-squares line through the logarithms, with its standard error."
    return replace(drawing, caption=f"{drawing.caption} {caption}")


def fitted(part: Part) -> Line | None:
    """The least-squares line through the logarithms; None for fewer than three rows or NLCs that are all the same."""
    rows = plotted(part, NLC, RATE)
    if rows[NLC.column].nunique() < 3:
        return None
    found = stats.linregress(np.log(rows[NLC.column]), np.log(rows[RATE.column]))
    paper = f";  paper: {STATED_SLOPE}" if part.key[2] == TRAINING else ""
    note = f"slope {found.slope:.2f} ± {found.stderr:.2f}{paper}"
    return Line("least-squares line", slope=found.slope, factor=float(np.exp(found.intercept)), note=note)


if __name__ == "__main__":
    sys.exit(main(draw))
