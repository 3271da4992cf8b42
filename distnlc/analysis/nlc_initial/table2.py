"""Table 2: the NLC of batch-norm ReLU networks of width 100 grows with their depth."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from distnlc.analysis.drawing.table import Table, beside, written
from distnlc.analysis.nlc_initial.measured import read_measured, settings
from distnlc.analysis.tables import Tables

STATED = {"2": 1.22, "5": 2.25, "10": 5.97, "15": 15.2, "20": 37.7, "25": 95.8, "50": 9952.0}
"""depth -> NLC"""


def table2(measured: Mapping[str, Any]) -> pd.DataFrame:
    """One column per depth, measured beside stated; `measured["table2"]` maps the depth to a value.

    Raises MeasuredError.
    """
    values = [measured["table2"].get(depth) for depth in STATED]
    return beside({"NLC": values}, {"NLC": list(STATED.values())}, [f"depth {depth}" for depth in STATED])


def tabulate(_: Tables) -> Table:
    """Of the shipped file of measured values; a study's own records are not needed. Raises MeasuredError."""
    measured = read_measured()
    return Table(
        "ratio: measured / paper." + settings(measured),
        [("", written(table2(measured)))],
        ["Shallow networks lie a few percent above the paper's, for the reason that table 1 gives for its row B."],
    )


TITLE = "Table 2: the NLC of batch-norm ReLU networks of width 100"
