"""Table 1: the NLC of eight activation functions and of batch-norm networks built from them.

NLC_tau(1) of a function alone (A) predicts the NLC of shallow networks (B); its 48th power (C) compares
with the NLC of networks of depth 49 (D), where small differences multiply; E is how far the function is
from linear.
"""

import math
from collections.abc import Iterable

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table, beside, written
from distnlc.analysis.nlc_initial.parts import about_parameters, by_data, measured_on, needed, part
from distnlc.analysis.tables import Tables

TITLE = "Table 1: the NLC of activation functions and of networks built from them"

ACTIVATIONS = {
    "relu": "ReLU",
    "selu": "SELU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "even-tanh": "even tanh",
    "gaussian": "Gaussian",
    "square": "square",
    "odd-square": "odd square",
}
"""the table's columns, in the paper's order"""
UNSTABLE = ("square", "odd-square")
"""whose networks of depth 49 have values that depend on a few batches, and on the initialization"""

LABELS = {
    "A": "A: NLC_tau(1)",
    "B": "B: median NLC of depth-2 batch-norm networks",
    "C": "C: A to the power 48",
    "D": "D: median NLC of depth-49 batch-norm networks",
    "E": "E: linear approximation error",
}

STATED = {
    "A": (1.211, 1.035, 1.085, 1.017, 2.335, 1.577, 1.414, 1.155),
    "B": (1.22, 1.05, 1.09, 1.03, 2.34, 1.61, 1.48, 1.20),
    "C": (9793.0, 5.21, 50.19, 2.25, 4.76e17, 3.13e9, 1.67e7, 1009.0),
    "D": (7376.0, 7.06, 59.9, 3.06, 4.90e17, 3.74e9, 4.28e12, 1.38e11),
    "E": (0.222, 0.030, 0.075, 0.0024, 0.276, 0.155, 2.000, 0.178),
}


def medians(rows: pd.DataFrame, column: str = "init_nlc") -> list[float]:
    """One value per activation function, in the order of the columns; nan where there is no network."""
    values: pd.Series[float] = rows.groupby("activation")[column].median().reindex(list(ACTIVATIONS))
    return [float(value) for value in values]


def measured(tables: Tables) -> dict[str, list[float]]:
    """Rows A to E as they were measured; row C is computed from A. Raises MissingRecordsError."""
    alone, shallow, deep = needed(tables, "activations", "depth-2", "depth-49")
    a = medians(alone, "activation_nlc")
    e = medians(alone, "activation_linear_error")
    return {"A": a, "B": medians(shallow), "C": [value**48 for value in a], "D": medians(deep), "E": e}


def table1(rows: dict[str, list[float]]) -> pd.DataFrame:
    """Rows A to E beside the stated ones."""
    return beside(
        {LABELS[row]: values for row, values in rows.items()},
        {LABELS[row]: values for row, values in STATED.items()},
        list(ACTIVATIONS.values()),
    )


def span(values: Iterable[float]) -> str:
    """`1.05 to 1.09`; what was not measured is left out."""
    known = [value for value in values if not math.isnan(value)]
    return f"{min(known):.2f} to {max(known):.2f}"


def ratios(tables: Tables) -> str:
    """Rows B and D in a few words. Raises MissingRecordsError."""
    rows = measured(tables)
    shallow, deep = (
        [value / stated for value, stated in zip(rows[row], STATED[row], strict=True)] for row in ("B", "D")
    )
    steady = [ratio for name, ratio in zip(ACTIVATIONS, deep, strict=True) if name not in UNSTABLE]
    return f"{span(shallow)} at depth 2; {span(steady)} at depth 49, square and odd square left out"


def tabulate(tables: Tables) -> Table:
    """The table with its captions and remarks. Raises MissingRecordsError."""
    shallow, deep = needed(tables, "depth-2", "depth-49")
    rows = measured(tables)
    caption = (
        "ratio: measured / paper. Networks have batch norm before every activation function, orthogonal initialization "
        f"and zero biases; {about_parameters(shallow)}: width {shallow['width'].iloc[0]:.0f} "
        f"at depth 2, {deep['width'].iloc[0]:.0f} at depth 49. {measured_on(shallow)} All columns of a row have the "
        "same initial weights."
    )
    remarks = [*_shallow(tables, rows), *_deep(tables)]
    return Table(caption, [("", written(table1(rows)))], remarks)


def _shallow(tables: Tables, rows: dict[str, list[float]]) -> list[str]:
    """Why row B lies above row A, and above the paper's."""
    shallow, isotropic, linear = (part(tables, name) for name in ("depth-2", "isotropic", "without-activation"))
    if isotropic.empty or linear.empty or not by_data(shallow):
        return []
    here, evenly, paper = (
        span(value / own for value, own in zip(row, rows["A"], strict=True))
        for row in (rows["B"], medians(isotropic), STATED["B"])
    )
    same = linear[linear["initialization"].isin(shallow["initialization"])]
    return [
        f"Row B is {here} times row A, the paper's {paper} times. The inputs make the difference between our rows: on "
        f"isotropic Gaussian inputs the same networks give {evenly} times row A. The variance of the images is as "
        f"uneven as that of {linear['directions'].iloc[0]:.0f} equal directions; batch norm raises units that happen "
        f"to see little of it, so that even without an activation function the NLC is {same['init_nlc'].median():.3f} "
        f"with the {len(same)} initializations of row B, and {linear['init_nlc'].median():.3f} with {len(linear)}. Why "
        "the paper's row B lies nearer to row A is unexplained."
    ]


def _deep(tables: Tables) -> list[str]:
    """Why the last two columns of row D agree with the paper in their size at most."""
    deep, check = part(tables, "depth-49"), part(tables, "width-check")
    said, by_batches = [], True
    for name in UNSTABLE:
        values = deep[deep["activation"] == name]["init_nlc"]
        few = check[check["activation"] == name].groupby("width")["init_nlc"].median()
        if few.empty:
            return []
        by_batches = by_batches and bool(few.max() < 5 * few.min() < values.median())
        widths = ", ".join(f"{text.number(value, 2)} at width {width:.0f}" for width, value in few.items())
        said.append(
            f"{ACTIVATIONS[name]}: {text.number(values.min(), 2)} to {text.number(values.max(), 2)} over the "
            f"initializations; with {check['batches'].iloc[0]:.0f} batches alone the median would be {widths}"
        )
    return [
        "Row D of square and odd square says little more than a size (the paper, too, finds that these vary): in such "
        "networks a few inputs grow with depth while most collapse, and a few batches carry nearly all of the squared "
        f"Jacobian. {'; '.join(said)}."
        + " So the number of batches matters, and not the width, which the paper does not state."
        * by_batches
    ]
