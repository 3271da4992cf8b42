"""Figure 1: the NLC of the initial network against the diameter of its linearly approximable regions.

The paper shows all datasets in one panel. Here are two: one for its own condition, of which each batch has one, and one
for the condition of each datapoint; they differ in the unit of k, too. Beside both stands the line k = 1 / NLC.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.scatter import Axis, Cloud, Line, axis, plotted, scatter
from distnlc.analysis.nlc.parts import DIAMETER, Part, of_own_networks, parts_of, pooled
from distnlc.analysis.nlc.scatters import GROUPS, group_of
from distnlc.analysis.tables import Tables
from distnlc.studies.nlc.records import ArchitectureRow

NLC, K = axis(ArchitectureRow, "init_nlc"), Axis("k", "diameter k of the linearly approximable region", log=True)
CONDITIONS = {"init_linear_region": "linear region, the paper's condition", DIAMETER: "relative diameter"}
NEAR = 10.0
"""the factor within which points are near the line"""
CAPTION = (
    "Linear region: by the paper's condition, one for a whole batch of inputs, in which each moves by k Q_i(S_x x(i)) "
    "in its own direction (section E.1). Relative diameter: a condition for each datapoint, the median; each moves by "
    "k times the radius of the input distribution, sqrt(d_in) Q_i(S_x x(i)). The text states no unit clearly; both "
    "are readings of it. The paper states no number; its points lie close to the dashed line over nine decades. A "
    "diameter is missing where the change of the output is lost in rounding, as with output biases of 1e10 and more. "
    "It is not positive where already k = 1e-9, though resolvable, is too far for the linear approximation, and not "
    "finite where 1e9 is not."
)


def draw(tables: Tables) -> Drawing:
    """One panel per condition. Raises MissingRecordsError."""
    parts = of_own_networks(parts_of(tables.architectures))
    if not parts:
        raise MissingRecordsError("no architecture was measured")
    whole = pooled(parts) if len(parts) > 1 else parts[0]
    name = "all datasets" if len(parts) > 1 else whole.title
    measured = [column for column in CONDITIONS if whole.rows[column].notna().any()] or list(CONDITIONS)
    clouds = [_cloud(whole, column, f"{name}: {CONDITIONS[column]}") for column in measured]
    drawing = scatter(clouds, NLC, K, groups=GROUPS, group_of=group_of, noun="architecture")
    remarks = [f"{CONDITIONS[column]}: not measured in this study." for column in CONDITIONS if column not in measured]
    table = pd.concat([_products(parts, column) for column in measured])
    return replace(drawing, caption=f"{drawing.caption} {CAPTION}", remarks=remarks, table=table)


FIGURE = report.Figure(
    "figure1",
    "Figure 1: initial NLC and the diameter of linearly approximable regions",
    draw,
    ("paper-small", "paper"),
)


def _cloud(part: Part, column: str, title: str) -> Cloud:
    rows = part.rows.assign(**{K.column: part.rows[column]})
    return Cloud(title, rows, part.left_out(NLC.column, column), line=Line("k = 1 / NLC", slope=-1))


def _products(parts: Sequence[Part], column: str) -> pd.DataFrame:
    """Median and middle 80% of k * NLC per part, and how many architectures lie within a factor NEAR of the line."""
    rows = {}
    for part in parts:
        points = plotted(_cloud(part, column, ""), NLC, K)
        values = points[NLC.column] * points[K.column]
        low, high = values.quantile([0.1, 0.9])
        rows[f"{part.title}: {CONDITIONS[column]}"] = {
            "median of k · NLC": text.number(float(values.median())),
            "middle 80%": f"{text.number(float(low))} to {text.number(float(high))}",
            f"within a factor {NEAR:g} of 1": f"{values.between(1 / NEAR, NEAR).sum()} of {len(values)}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")
