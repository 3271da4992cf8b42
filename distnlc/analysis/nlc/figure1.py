"""Figure 1: the NLC of the initial network against the relative diameter of its linearly approximable regions.

The NLC is derived as the inverse of that diameter, so the points should lie near the line k = 1 / NLC. Parts that share
their initial networks, as SGD and Adam do, are shown once. Section E.1.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import Line, Quantity, plotted, scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import Part, of_own_networks, parts_of
from distnlc.analysis.nlc.quantities import NLC

DIAMETER = Quantity("init_relative_diameter", "relative diameter k", log=True)
RECIPROCAL = Line("k = 1 / NLC", slope=-1)
NEAR = 10.0


def draw(tables: Tables) -> Drawing:
    """One panel per dataset, and a table of k * NLC, which is 1 on the line. Raises MissingRecordsError."""
    parts = of_own_networks(parts_of(tables.architectures))
    drawing = scatter(
        parts,
        name="figure1",
        title="Figure 1: initial NLC and the diameter of linearly approximable regions",
        x=NLC,
        y=DIAMETER,
        stated={},
        presets=("paper-small", "paper"),
        lines=dict.fromkeys((part.title for part in parts), RECIPROCAL),
    )
    caption = (
        "The paper states no number; its points lie close to the dashed line over nine decades. A diameter is not "
        "positive where even k = 1e-9 is too far for the linear approximation, and not finite where k = 1e9 is not."
    )
    return replace(drawing, caption=f"{drawing.caption} {caption}", table=products(parts))


def products(parts: Sequence[Part]) -> pd.DataFrame:
    """Median and middle 80% of k * NLC per part, and how many architectures lie within a factor NEAR of the line."""
    rows = {}
    for part in parts:
        points = plotted(part, NLC, DIAMETER)
        values = points[NLC.column] * points[DIAMETER.column]
        low, high = values.quantile([0.1, 0.9])
        rows[part.title] = {
            "median of k · NLC": text.number(float(values.median())),
            "middle 80%": f"{text.number(float(low))} to {text.number(float(high))}",
            f"within a factor {NEAR:g} of 1": f"{values.between(1 / NEAR, NEAR).sum()} of {len(values)}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


if __name__ == "__main__":
    sys.exit(main(draw))
