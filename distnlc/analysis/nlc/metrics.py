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
OF_GROUPS = {
    "gradient_norm": (LABELS, -1),
    "snip": (LABELS, -1),
    "grasp": (LABELS, -1),
    "fisher": (LABELS, -1),
    "synflow": (NOTHING, -1),
    "jacobian_covariance": (INPUTS, -1),
    "naswot": (INPUTS, -1),
    "layerwise_naswot": (INPUTS, -1),
    "zen_score": (NOTHING, -1),
    "ntk_condition_number": (INPUTS, 1),
    "chi": (INPUTS, 1),
    "rank_signal": (INPUTS, -1),
    "rank_noise": (INPUTS, 0),
    "gradient_scale": (INPUTS, 1),
    "gradient_growth": (INPUTS, 1),
    "preactivation_spread": (INPUTS, 0),
    "sign_diversity": (INPUTS, 0),
    "init_probability_jacobian": (INPUTS, 1),
    "init_transitions": (LABELS, 1),
    "scaling_imbalance": (INPUTS, 1),
}
"""metric of a group -> what must be known to measure it, and whether high values should mean high errors (1) or low
ones (-1), by those who propose it, or nothing is said (0)"""
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
    found, added, taking = list[Metric](), dict[str, "pd.Series[float]"](), dict[str, "pd.Series[float]"]()
    for name, values in initial.groupby("name"):
        by_unit, label = values.set_index("unit_id"), str(values["label"].iloc[0])
        measured, seconds = (rows["unit_id"].map(by_unit[source]) for source in ("value", "seconds"))
        if name in known:
            added[str(name)] = measured.combine_first(known_sizes(rows[str(name)]))
            continue
        cost = next((column for column, same in taking.items() if same.equals(seconds)), f"own {name}: seconds")
        taking[cost] = seconds  # metrics of one function take its seconds together
        added[f"own {name}"] = measured
        data, expected = OF_GROUPS.get(str(name), (LABELS, 0))
        found.append(
            Metric(
                name=f"{label} ({name})" if label in taken else label,
                columns=(f"own {name}",),
                log=bool(values["log"].iloc[0]),
                expected=expected,
                data=data,
                cost=(cost,),
            )
        )
        taken.add(found[-1].name)
    kept = rows.drop(columns=[name for name in added if name in rows])
    return pd.concat([kept, pd.DataFrame(added | taking, index=rows.index)], axis=1), found


def known_sizes(sizes: "pd.Series[float]") -> "pd.Series[float]":
    """Sizes, nan where a family of the user's own has 0 in its column, for not known."""
    return sizes.where(sizes > 0)


def with_derived(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `architectures` with the column that only combinations have: whether there are skip connections."""
    return rows.assign(skips=np.where(rows["skip_strength"] > 0, 1.0, 0.0))
