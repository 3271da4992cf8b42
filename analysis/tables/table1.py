"""Table 1: the NLC of eight activation functions and of batch-norm networks built from them.

NLC_tau(1) of a function alone (A) predicts the NLC of shallow networks (B); its 48th power (C) compares
with the NLC of networks of depth 49 (D), where small differences multiply; E is how far the function is
from linear.
"""

import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.load import Tables
from analysis.tables import Table, beside, main, read_measured, settings, written

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
        "table1",
        "Table 1: the NLC of activation functions and of networks built from them",
        "ratio: measured / paper." + settings(measured),
        [("", written(table1(measured)))],
    )


if __name__ == "__main__":
    sys.exit(main(tabulate))
