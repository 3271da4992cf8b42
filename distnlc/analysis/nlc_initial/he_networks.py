"""He-initialized plain ReLU networks: their gradient stays as they get deeper, their NLC does not (the paper's sections
6 and 7).

In: gradient, Jacobian, NLC and output bias over depths and widths. Out: medians and ranges, the growth per factor of
ten in depth (a robust line in logarithms, Theil and Sen, with its 95 % interval), and the NLC of infinitely wide
networks. There the cosine c of two inputs becomes (sqrt(1 - c^2) + (pi - arccos c) c) / pi in every hidden layer, and
the NLC, like the bias, is 1 / sqrt(1 - c) for inputs of one length and cosine 0.
"""

import math

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.nlc_initial.parts import measured_on, needed, part
from distnlc.analysis.nlc_initial.table2 import growth_per_layer
from distnlc.analysis.tables import Tables
from distnlc.records import quantities
from distnlc.studies.nlc_initial.records import NetworkRow

TITLE = "He-initialized ReLU networks: a gradient that stays and an NLC that grows"
SHOWN = ("init_gradient_length", "init_gradient_component", "init_jacobian_norm", "init_nlc", "init_bias")
PER_TEN = "per tenfold depth"


def growth(rows: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """(factor, low, high) per factor of ten in depth, over all networks of one width whose value has a logarithm; nan
    where there is one depth."""
    usable = rows[rows[column].between(0, math.inf, "neither")]
    if usable["depth"].nunique() < 2:
        return (math.nan,) * 3
    if usable[column].nunique() == 1:  # scipy's interval is undefined there
        return (1.0,) * 3
    slope, _, low, high = stats.theilslopes(np.log10(usable[column]), np.log10(usable["depth"]))
    return 10.0**slope, 10.0**low, 10.0**high


def infinitely_wide_nlc(depth: int) -> float:
    """The NLC of an infinitely wide plain ReLU network of `depth` linear operations.

    Its inputs have one length, and any two of them are perpendicular.
    """
    cosine = 0.0
    for _ in range(depth - 1):
        cosine = (math.sqrt(1 - cosine**2) + (math.pi - math.acos(cosine)) * cosine) / math.pi
    return 1 / math.sqrt(1 - cosine)


def by_depth(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of SHOWN and of infinitely wide networks, a column per depth, then the growth: of networks of one width."""
    depths = sorted(rows["depth"].unique())
    frame = pd.DataFrame(index=[*(quantities(NetworkRow)[name].label for name in SHOWN), "NLC, infinitely wide"])
    for depth in depths:
        of_depth = rows[rows["depth"] == depth]
        wide = text.number(infinitely_wide_nlc(int(depth)))
        frame[f"depth {depth:.0f}"] = [*(_spread(of_depth[name]) for name in SHOWN), wide]
    frame[PER_TEN] = [*(_factor(growth(rows, name)) for name in SHOWN), ""]
    return frame


def answer(tables: Tables) -> str:
    """The widest networks in a sentence. Raises MissingRecordsError."""
    (rows,) = needed(tables, "he-networks")
    width = rows["width"].max()
    widest = rows[rows["width"] == width]
    gradient, nlc = (growth(widest, name) for name in ("init_gradient_length", "init_nlc"))
    shallow, deep = (
        widest[widest["depth"] == depth]["init_nlc"] for depth in (rows["depth"].min(), rows["depth"].max())
    )
    said = (
        f"He-initialized ReLU networks of width {width:.0f}: per tenfold depth the gradient's length changes "
        f"{_factor(gradient)}, the NLC {_factor(nlc)}; the NLC is {text.number(shallow.median())} at depth "
        f"{rows['depth'].min():.0f} and {text.number(deep.median())} at depth {rows['depth'].max():.0f}"
    )
    if nlc[1] > gradient[2]:
        return f"{said}: the NLC grows faster, as the paper says."
    return f"{said}; these intervals do not tell the two apart."


def tabulate(tables: Tables) -> Table:
    """A section per width. Raises MissingRecordsError."""
    (rows,) = needed(tables, "he-networks")
    caption = (
        "Plain ReLU networks, independent Gaussian weights of variance 2 / fan-in, zero biases, no normalization. "
        f"Median (lowest to highest) over the initializations. {PER_TEN}: the factor by which a robust line in "
        "logarithms over all depths and initializations grows [its 95 % interval]. The gradient is that of the study's "
        f"loss, which divides outputs by their size. Infinitely wide: by the ReLU's map of cosines. {measured_on(rows)}"
    )
    sections = [(f"width {width:.0f}", by_depth(of_width)) for width, of_width in rows.groupby("width")]
    return Table(caption, sections, [answer(tables), *_why(rows), _how_fast(tables, rows)])


def _why(rows: pd.DataFrame) -> list[str]:
    """NLC = bias * (Jacobian norm relative to the outputs' size), an identity; which of the two grows is measured."""
    widest = rows[rows["width"] == rows["width"].max()]
    relative = widest.assign(relative=widest["init_nlc"] / widest["init_bias"])
    bias, jacobian = growth(widest, "init_bias"), growth(relative, "relative")
    if math.isnan(bias[0]):
        return []
    said = (
        "The NLC is the output bias times the Jacobian norm by the outputs' size (both spreads apart, an identity). "
        f"Per tenfold depth the bias changes {_factor(bias)}, the other factor {_factor(jacobian)}. The bias grows "
        "where the outputs' spread over the inputs shrinks beside their size: the outputs come to have more in "
        "common, and the gradient, which does not shrink with the spread, does not show it."
    )
    return [said] if bias[1] > 1 else []


def _how_fast(tables: Tables, rows: pd.DataFrame) -> str:
    """Beside infinitely wide networks, and beside those with batch norm where the study has them."""
    deepest = int(rows["depth"].max())
    medians, wide = rows[rows["depth"] == deepest].groupby("width")["init_nlc"].median(), infinitely_wide_nlc(deepest)
    values = ", ".join(f"{text.number(value)} at width {width:.0f}" for width, value in medians.items())
    said = (
        f"At depth {deepest} the median NLC is {values}, and {text.number(wide)} in infinitely wide networks, where it "
        "grows in proportion to the depth."
    )
    if not part(tables, "table-2").empty:
        lowest, highest = growth_per_layer(tables)
        said += f" With batch norm (table 2) each further layer multiplies it by {lowest:.3f} to {highest:.3f}."
    if medians.min() < wide / 1.5:
        said += " Why networks of finite width stay below infinitely wide ones is unexplained by these records."
    return said


def _spread(values: "pd.Series[float]") -> str:
    return f"{text.number(values.median())} ({text.number(values.min())} to {text.number(values.max())})"


def _factor(found: tuple[float, float, float]) -> str:
    factor, low, high = found
    return "–" if math.isnan(factor) else f"× {factor:.2f} [{low:.2f}, {high:.2f}]"
