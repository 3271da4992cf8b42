"""Table 1: the NLC of eight activation functions and of batch-norm networks built from them.

NLC_tau(1) of a function alone (A) predicts the NLC of shallow networks (B); its 48th power (C) compares
with the NLC of networks of depth 49 (D), where small differences multiply; E is how far the function is
from linear.

In Hermite coefficients a_n of the function, A^2 = sum n a_n^2 / sum_{n >= 1} a_n^2, and
E = sum_{n >= 2} a_n^2 / (a_0^2 + a_1^2). So a little of a cubic term alone (a_3) makes E = A - 1, of a quadratic one
(a_2) E = 2 (A - 1), and a mean a_0 divides E by 1 + (a_0 / a_1)^2 while A does not see it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from scipy import stats

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table, beside, written
from distnlc.analysis.nlc_initial.parts import (
    KEPT,
    PAPER_FEATURES,
    about_parameters,
    by_data,
    measured_on,
    needed,
    part,
)
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

CLAIMED_CLOSE = ("ReLU", "SELU", "tanh", "sigmoid", "Gaussian")
"""for which the paper says that the linear approximation error is around NLC_tau(1) - 1"""

LABELS = {
    "A": "A: NLC_tau(1)",
    "B": "B: median NLC of depth-2 batch-norm networks",
    "C": "C: A to the power 48",
    "D": "D: median NLC of depth-49 batch-norm networks",
    "E": "E: linear approximation error",
}

LAYERS = 48
"""activation functions of a network of depth 49"""
NEAR = 0.2
"""how far the linear approximation error may be from A - 1, relative to it, and still be called close"""

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
    return {"A": a, "B": medians(shallow), "C": [value**LAYERS for value in a], "D": medians(deep), "E": e}


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
    remarks = [*_shallow(tables, rows), *_deep(tables), compounding(tables), linear_error(tables)]
    sections = [("", written(table1(rows))), ("Linear approximation error against NLC_tau(1) - 1", beyond_linear(rows))]
    return Table(caption, sections, remarks)


def beyond_linear(rows: dict[str, list[float]]) -> pd.DataFrame:
    """A - 1, E, and E / (A - 1), measured and of the paper's rounded values."""
    found = {
        "A - 1": [value - 1 for value in rows["A"]],
        LABELS["E"]: rows["E"],
        "E / (A - 1)": _quotients(rows),
        "E / (A - 1), paper": _quotients(STATED),
    }
    return written(pd.DataFrame.from_dict(found, orient="index", columns=list(ACTIVATIONS.values())))


def _quotients(rows: Mapping[str, Sequence[float]]) -> list[float]:
    return [error / (value - 1) for value, error in zip(rows["A"], rows["E"], strict=True)]


def linear_error(tables: Tables) -> str:
    """Whether the linear approximation error is close to NLC_tau(1) - 1, and where not. Raises MissingRecordsError."""
    (alone,) = needed(tables, "activations")
    a, e = medians(alone, "activation_nlc"), medians(alone, "activation_linear_error")
    quotients = _named(_quotients({"A": a, "E": e}))
    close = [name for name, value in quotients.items() if abs(value - 1) <= NEAR]
    far = [f"{name} {text.number(value, 2)}" for name, value in quotients.items() if name not in close]
    papers = _named(_quotients(STATED))
    order, chance = stats.kendalltau(a, e)
    said = (
        f"The linear approximation error is within {100 * NEAR:.0f} % of NLC_tau(1) - 1 for {len(close)} of "
        f"{len(quotients)} activation functions ({', '.join(close)}); for the others it is so many times as large: "
        f"{', '.join(far)}. "
    )
    claimed = [f"{name} {text.number(papers[name], 2)}" for name in CLAIMED_CLOSE if name not in close]
    if claimed:
        said += (
            f"The paper calls it close for {', '.join(CLAIMED_CLOSE)}; its own values have the quotients "
            f"{', '.join(claimed)}. "
        )
    return f"{said}Kendall's rank correlation of the two is {order:.2f} ({text.p_value(chance)}, n = {len(quotients)})."


def compounding(tables: Tables) -> str:
    """Row C against row D: how well the functions' own NLC, multiplied, gives a deep network's. Raises
    MissingRecordsError."""
    (deep,) = needed(tables, "depth-49")
    rows = measured(tables)
    quotients = _named([deeper / power for deeper, power in zip(rows["D"], rows["C"], strict=True)])
    near = {name: value for name, value in quotients.items() if 1 / 2 <= value <= 2}
    far = [f"{name} {text.number(value, 2)}" for name, value in quotients.items() if name not in near]
    papers = _named([deeper / power for deeper, power in zip(STATED["D"], STATED["C"], strict=True)])
    alone = dict(zip(ACTIVATIONS, rows["A"], strict=True))
    layers = deep["init_nlc"] ** (1 / LAYERS) / deep["activation"].map(alone)
    layers = layers[deep["activation"].map(ACTIVATIONS).isin(list(near))]
    said = (
        f"NLC compounds with depth for {len(near)} of {len(quotients)} activation functions: row D is "
        f"{span(near.values())} times row C (the paper's {span(papers[name] for name in near)}), so each of the "
        f"{LAYERS} layers multiplies the NLC by {layers.min():.3f} to {layers.max():.3f} times NLC_tau(1), over all "
        "initializations."
    )
    return f"{said} Not so for {', '.join(far)}." if far else said


def _named(values: Sequence[float]) -> dict[str, float]:
    """By the columns' headings, without those that are nan."""
    named = zip(ACTIVATIONS.values(), values, strict=True)
    return {name: value for name, value in named if not math.isnan(value)}


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
        "the paper's row B lies nearer to row A is unexplained." + _cut(shallow)
    ]


def _cut(shallow: pd.DataFrame) -> str:
    """Why it is not that the paper kept more features."""
    first = shallow.iloc[0]
    if (further := PAPER_FEATURES.get(first["inputs"], first["d_in"]) - first["d_in"]) <= 0:
        return ""
    return (
        f" It is not that the paper kept {further:.0f} more features: all that are cut here hold "
        f"{100 * (1 - KEPT):.0f} % of the variance, and would change that number of directions by "
        f"{100 * (1 / KEPT**2 - 1):.0f} % at most."
    )


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
        "Row D of square and odd square says little more than a size; the paper, too, finds that these vary, and says "
        f"that some inputs grow with depth while most collapse. {'; '.join(said)}."
        + " So a few batches carry nearly all of the squared Jacobian: the number of batches matters, and not the "
        "width, which the paper does not state." * by_batches
    ]
