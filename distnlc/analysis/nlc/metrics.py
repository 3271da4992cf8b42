"""The initial metrics that are ranked: the NLC, its competitors in the paper's section 6, simple combinations, those of
the spec's groups, and the user's own, with depth, width and parameter count as what they have to beat.

Labels, scales and costs are those of the rows; of the metrics of groups and of the user's own, those of the table
`measurements`, so that a study is ranked where the plug-ins are not. `smallest_rate` is no metric here: it takes an
epoch of the optimizer, and sets the range of rates that the error comes from.
"""

import numpy as np
import pandas as pd

from distnlc.analysis.nlc.parts import Part
from distnlc.analysis.statistics.ranking import Ranking, rank
from distnlc.analysis.statistics.shared_rows import Metric, Shared, shared_rows
from distnlc.records import INITIAL, quantities
from distnlc.studies.nlc.records import ArchitectureRow

INPUTS, LABELS, NOTHING = "inputs", "inputs and labels", "nothing"
CONTROLS = {"depth": False, "width": True, "parameters": True}
"""column -> whether its logarithm counts: what partial correlations are given"""
EXPECTED = {
    "gradient_norm": -1,
    "snip": -1,
    "grasp": -1,
    "fisher": -1,
    "synflow": -1,
    "jacobian_covariance": -1,
    "naswot": -1,
    "layerwise_naswot": -1,
    "zen_score": -1,
    "ntk_condition_number": 1,
    "chi": 1,
    "gradient_scale": 1,
    "init_probability_jacobian": 1,
    "init_transitions": 1,
    "scaling_imbalance": 1,
}
"""metric of a group -> whether high values should mean high errors (1) or low ones (-1), by those who propose it"""
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
    _metric("width", NOTHING, expected=0),
    _metric("parameters", NOTHING, expected=0),
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
    """All metrics of a part, those of the table `measurements` too. Raises TooFewRowsError."""
    rows, metrics = all_metrics(part, measurements)
    return rank(
        rows,
        part.error,
        metrics,
        combinations=COMBINATIONS,
        against=NLC,
        controls=CONTROLS,
        excluded=_excluded(part),
    )


def compared(part: Part, measurements: pd.DataFrame | None = None) -> tuple[Shared, list[Metric]]:
    """The rows on which `rank_metrics` compares, and all metrics."""
    rows, metrics = all_metrics(part, measurements)
    return shared_rows(rows, part.error, metrics, COMBINATIONS, _excluded(part)), metrics


def all_metrics(part: Part, measurements: pd.DataFrame | None) -> tuple[pd.DataFrame, list[Metric]]:
    """The part's rows with the columns of all metrics, and these metrics."""
    rows, own = with_derived(part.rows), list[Metric]()
    if measurements is not None:
        rows, own = with_own(rows, measurements)
    return rows, [*METRICS, *own]


def _excluded(part: Part) -> "dict[str, pd.Series[bool]]":
    return part.left_out(part.error) | {f"{part.error_name} not measured": part.rows[part.error].isna()}


def with_own(rows: pd.DataFrame, measurements: pd.DataFrame) -> tuple[pd.DataFrame, list[Metric]]:
    """The rows with columns for the metrics of `measurements`, and these metrics.

    One that has the name of a metric here (the depth, which a family's architectures have only there) fills its column.
    What value of a user's own means a high error is unknown.
    """
    initial = measurements[measurements["stage"].eq(INITIAL) & measurements["unit_id"].isin(rows["unit_id"])]
    taken = {metric.name for metric in (*METRICS, *COMBINATIONS)}
    known = {metric.columns[0] for metric in METRICS}
    found, added = list[Metric](), dict[str, "pd.Series[float]"]()
    for name, values in initial.groupby("name"):
        by_unit, label = values.set_index("unit_id"), str(values["label"].iloc[0])
        measured, seconds = (rows["unit_id"].map(by_unit[source]) for source in ("value", "seconds"))
        if name in known:
            added[str(name)] = measured.combine_first(rows[str(name)])
            continue
        columns = f"own {name}", f"own {name}: seconds"
        added |= zip(columns, (measured, seconds), strict=True)
        found.append(
            Metric(
                name=f"{label} ({name})" if label in taken else label,
                columns=columns[:1],
                log=bool(values["log"].iloc[0]),
                expected=EXPECTED.get(str(name), 0),
                data=LABELS,
                cost=columns[1:],
            )
        )
        taken.add(found[-1].name)
    kept = rows.drop(columns=[name for name in added if name in rows])
    return pd.concat([kept, pd.DataFrame(added, index=rows.index)], axis=1), found


def with_derived(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `architectures` with the column that only combinations have: whether there are skip connections."""
    return rows.assign(skips=np.where(rows["skip_strength"] > 0, 1.0, 0.0))
