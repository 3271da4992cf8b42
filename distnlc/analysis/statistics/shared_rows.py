"""The rows on which metrics are compared, and the metrics themselves.

In: rows with the metrics' columns and an error. Out: `Shared`: the rows that have the error and every metric, and the
metrics that they can be compared in. A row that lacks a metric is left out for all of them, so that all are compared
on the same rows, and is counted under that metric's name; the metrics that fewest rows lack come first, as long as
MEASURED of the rows have all of them. The others stand apart: each is compared on the rows that it has. A value of 0
or infinity is a measurement, of something too small or too large to be told: it counts as the smallest or largest
finite value of its metric. A missing value is never taken for such an end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.statistics.correlations import Floats

ENOUGH = 8
"""rows; with fewer nothing is ranked"""
MEASURED = 0.8
"""share of the rows that must have all metrics that are ranked together"""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One quantity that may tell the error, or several that least squares joins: a combination.

    The value of a combination is the prediction of the fit without the row (10 folds, 5 times), so that more columns
    do not win by fitting.
    """

    name: str
    columns: tuple[str, ...]
    log: bool
    """whether its logarithm is correlated; the columns of a combination are those of metrics, in their scale"""
    expected: int
    """1: a high value should mean a high error, -1: a low one, 0: not said"""
    data: str
    """what must be known to measure it"""
    cost: tuple[str, ...] = ()
    """columns of the time that it takes; none: it takes none"""


@dataclass(frozen=True)
class Shared:
    """The rows that all metrics have."""

    finished: pd.DataFrame
    """rows that have the error, whatever metrics they lack"""
    used: pd.DataFrame
    scaled: pd.DataFrame
    """metrics of the rows used in the scale of the correlations, without those that cannot be ranked with them"""
    at_ends: dict[str, int]
    """column -> rows whose value was 0 or infinite"""
    left_out: dict[str, int]
    """reason -> rows"""
    apart: list[Metric]
    """metrics that too many rows lack to be ranked with the others, but ENOUGH have"""
    unranked: dict[str, str]
    """metric -> why it is ranked nowhere"""


def shared_rows(
    rows: pd.DataFrame,
    error: str,
    metrics: Sequence[Metric],
    combinations: Sequence[Metric],
    excluded: Mapping[str, ArrayLike],
) -> Shared:
    """metrics: of equally rare ones the first comes first. excluded: reason -> (n,) rows to leave out."""
    kept, left_out = np.ones(len(rows), dtype=bool), dict[str, int]()
    for reason, wrong in {**excluded, "the error not measured": rows[error].isna()}.items():
        left_out[reason] = int((kept & np.asarray(wrong, dtype=bool)).sum())
        kept &= ~np.asarray(wrong, dtype=bool)
    finished = rows[kept]
    named = dict.fromkeys(column for metric in (*metrics, *combinations) for column in metric.columns)
    values = finished[list(named)].astype(np.float64)
    lacks = {metric: values[metric.columns[0]].isna().to_numpy() for metric in metrics}
    whole, apart, unranked = np.ones(len(finished), dtype=bool), list[Metric](), dict[str, str]()
    for metric in sorted(metrics, key=lambda each: lacks[each].sum()):
        if (whole & ~lacks[metric]).sum() >= MEASURED * len(finished):
            whole &= ~lacks[metric]
        elif (~lacks[metric]).sum() >= ENOUGH:
            apart.append(metric)
        else:
            unranked[metric.name] = f"measured in {(~lacks[metric]).sum()} of {len(finished)}"
    together = [metric for metric in metrics if metric not in apart and metric.name not in unranked]
    counted = np.zeros(len(finished), dtype=bool)
    for metric in together:
        left_out[f"{metric.name} missing"] = int((lacks[metric] & ~counted).sum())
        counted |= lacks[metric]
    values = values.drop(columns=[metric.columns[0] for metric in metrics if metric not in together])
    scaled, at_ends = values[whole].copy(), dict[str, int]()
    for metric in together:
        column = metric.columns[0]
        scaled[column], at_ends[column] = _scaled(scaled[column].to_numpy(), metric.log)
        if not np.ptp(scaled[column]) > 0:
            scaled = scaled.drop(columns=column)
            unranked[metric.name] = f"the same in all {whole.sum()}"
    counts = {reason: count for reason, count in left_out.items() if count}
    return Shared(finished, finished[whole], scaled, at_ends, counts, apart, unranked)


def _scaled(values: Floats, log: bool) -> tuple[Floats, int]:
    """Values (n,), the infinite ones and those without a logarithm at the ends of the others; how many these are."""
    inside = np.isfinite(values) & ((values > 0) | (not log))
    if not inside.any():
        return np.zeros_like(values), values.size
    held = np.clip(values, values[inside].min(), values[inside].max())
    return np.log(held) if log else held, int((~inside).sum())
