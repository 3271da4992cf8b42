"""Table 1: the NLC of eight activation functions and of batch-norm networks built from them.

NLC_tau(1) of a function alone (A) predicts the NLC of shallow networks (B); its 48th power (C) compares
with the NLC of networks of depth 49 (D), where small differences multiply; E is how far the function is
from linear.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table, beside, written
from distnlc.analysis.nlc_initial.measured import read_measured, settings
from distnlc.analysis.tables import Tables

ACTIVATIONS = ("ReLU", "SELU", "tanh", "sigmoid", "even tanh", "Gaussian", "square", "odd square")

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


def table1(measured: Mapping[str, Any]) -> pd.DataFrame:
    """Rows A-E beside the stated ones; `measured["table1"]` maps A, B, D, E to values as in ACTIVATIONS.

    Row C is computed from A. Raises MeasuredError.
    """
    rows = dict(measured["table1"])
    rows["C"] = [None if value is None else value**48 for value in rows["A"]] if rows.get("A") else None
    return beside(
        {LABELS[row]: values for row, values in rows.items() if row in LABELS},
        {LABELS[row]: values for row, values in STATED.items()},
        ACTIVATIONS,
    )


def tabulate(_: Tables) -> Table:
    """Of the shipped file of measured values; a study's own records are not needed. Raises MeasuredError."""
    measured = read_measured()
    return Table(
        "ratio: measured / paper." + settings(measured),
        [("", written(table1(measured)))],
        [shallow(measured), deep(measured)] if "checks" in measured else [],
    )


def shallow(measured: Mapping[str, Any]) -> str:
    """Why row B lies above row A, and above the paper's."""
    alone, checks = measured["table1"]["A"], measured["checks"]
    here, isotropic, paper = (
        _span([value / own for value, own in zip(row, alone, strict=True)])
        for row in (measured["table1"]["B"], checks["isotropic B"], STATED["B"])
    )
    linear = checks["linear B"]
    return (
        f"Row B is {here} times row A, the paper's {paper} times. The inputs make the difference: on isotropic "
        f"Gaussian inputs the same networks give {isotropic} times row A. The variance of the images is as uneven as "
        f"that of {checks['directions']:.0f} equal directions; batch norm raises units that happen to see little of "
        f"it, so that even without an activation function the NLC is {linear['median']:.3f} with the ten "
        f"initializations of row B, and {linear['of all']:.3f} with {linear['initializations']}. Perhaps the paper's "
        "inputs are less uneven (810 features; these are from a JPEG-compressed copy)."
    )


def deep(measured: Mapping[str, Any]) -> str:
    """Why the last two columns of row D agree with the paper in their size at most."""
    checks, said = measured["checks"], []
    for name, label in (("square", "square"), ("odd-square", "odd square")):
        column = ACTIVATIONS.index(label)
        low, high = measured["ranges"]["D"][column]
        by_width = checks["D by width"][name]
        few = ", ".join(f"{text.number(value, 2)} at width {width}" for width, value in by_width.items())
        said.append(
            f"{label}: {text.number(low, 2)} to {text.number(high, 2)} over the initializations; with "
            f"{checks['batches']} batches alone the median would be {few}"
        )
    return (
        "Row D of square and odd square says little more than a size (the paper, too, finds that these vary): in such "
        "networks a few inputs grow with depth while most collapse, and a few batches carry nearly all of the squared "
        f"Jacobian. {'; '.join(said)}. So the number of batches matters, and not the width, which the paper does not "
        "state."
    )


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


TITLE = "Table 1: the NLC of activation functions and of networks built from them"
