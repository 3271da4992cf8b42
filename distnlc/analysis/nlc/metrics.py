"""The initial metrics that are ranked: the NLC, its competitors in the paper's section 6, simple combinations, and the
user's own.

Labels, scales and costs are those of the rows; of the user's own metrics, those of the table `measurements`, so that a
study is ranked where the plug-ins are not. `smallest_rate` is no metric here: it takes an epoch of the optimizer,
and sets the range of rates that the error comes from.
"""

import numpy as np
import pandas as pd

from distnlc.analysis.nlc.parts import Part
from distnlc.analysis.statistics.ranking import Metric, Ranking, rank
from distnlc.records import INITIAL, quantities
from distnlc.studies.nlc.records import ArchitectureRow

INPUTS, LABELS, NOTHING = "inputs", "inputs and labels", "nothing"
COLUMNS = quantities(ArchitectureRow)


def _metric(column: str, data: str, expected: int = 1) -> Metric:
    one = COLUMNS[column]
    return Metric(name=one.label, columns=(column,), log=one.log, expected=expected, data=data, cost=one.cost)


NLC = _metric("init_nlc", INPUTS)
BIAS = _metric("init_bias", INPUTS)
REGION = _metric("init_linear_region", INPUTS, expected=-1)
DIAMETER = _metric("init_relative_diameter", INPUTS, expected=-1)
DEPTH = _metric("depth", NOTHING)
METRICS = (
    NLC,
    BIAS,
    REGION,
    DIAMETER,
    _metric("init_gradient_component", LABELS),
    _metric("init_gradient_length", LABELS),
    _metric("init_jacobian_norm", INPUTS),
    _metric("init_local_lipschitz", INPUTS),
    _metric("init_cosine_correlation", INPUTS, expected=-1),
    DEPTH,
    _metric("activation_nlc", NOTHING),
    _metric("activation_linear_error", NOTHING),
)


def _combination(name: str, *columns: str) -> Metric:
    return Metric(name=name, columns=columns, log=False, expected=1, data=INPUTS, cost=NLC.cost)


COMBINATIONS = (
    _combination("NLC + bias", "init_nlc", "init_bias"),
    _combination("NLC + bias + skip connections", "init_nlc", "init_bias", "skips"),
)
"""Least squares of the error on log NLC, log bias and whether there are skip connections."""


def rank_metrics(part: Part, measurements: pd.DataFrame | None = None) -> Ranking:
    """All metrics of a part, those of the user's own in the table `measurements` too. Raises TooFewRowsError."""
    rows, own = with_derived(part.rows), list[Metric]()
    if measurements is not None:
        rows, own = with_own(rows, measurements)
    excluded = part.left_out(part.error) | {f"{part.error_name} not measured": rows[part.error].isna()}
    return rank(
        rows,
        part.error,
        (*METRICS, *own),
        combinations=COMBINATIONS,
        against=NLC,
        controls={"depth": False, "width": True},
        excluded=excluded,
    )


def with_own(rows: pd.DataFrame, measurements: pd.DataFrame) -> tuple[pd.DataFrame, list[Metric]]:
    """The rows with columns for the user's own metrics, and these metrics. What value means a high error is unknown."""
    initial = measurements[measurements["stage"].eq(INITIAL) & measurements["unit_id"].isin(rows["unit_id"])]
    taken = {metric.name for metric in (*METRICS, *COMBINATIONS)}
    found = []
    for name, values in initial.groupby("name"):
        label = str(values["label"].iloc[0])
        columns = f"own {name}", f"own {name}: seconds"
        by_unit = values.set_index("unit_id")
        rows = rows.assign(
            **{
                column: rows["unit_id"].map(by_unit[source])
                for column, source in zip(columns, ("value", "seconds"), strict=True)
            }
        )
        found.append(
            Metric(
                name=f"{label} ({name})" if label in taken else label,
                columns=columns[:1],
                log=bool(values["log"].iloc[0]),
                expected=0,
                data=LABELS,
                cost=columns[1:],
            )
        )
        taken.add(found[-1].name)
    return rows, found


def with_derived(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `architectures` with the column that only combinations have: whether there are skip connections."""
    return rows.assign(skips=np.where(rows["skip_strength"] > 0, 1.0, 0.0))
