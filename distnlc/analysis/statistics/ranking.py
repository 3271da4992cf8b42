"""Which of several metrics goes best with an error? All of them on the same rows.

In: rows with the metrics' columns and an error. Out: a `Ranking`, one `Ranked` per metric and per combination of
metrics. A row that lacks a metric is left out for all of them, so that all are compared on the same rows, and is
counted under that metric's name; a metric that more than a fifth of the rows lack is not ranked. A value of 0 or
infinity is a measurement, of less or more than could be told: it counts as the smallest or largest finite value of its
metric. A value that is missing is never taken for such an end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from distnlc.analysis.statistics.coefficients import Coefficients, firsts_of, lead, of_combination, of_metrics
from distnlc.analysis.statistics.correlations import Floats, TooFewRowsError
from distnlc.analysis.statistics.prediction import Prediction, fit
from distnlc.analysis.statistics.resampling import resamples

ENOUGH = 8
"""rows; with fewer nothing is ranked"""
MEASURED = 0.8
"""share of the rows that must have a metric that is ranked"""


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


@dataclass(frozen=True, kw_only=True)
class Ranked(Coefficients):
    """One metric, over the rows that all metrics share."""

    metric: Metric
    at_ends: int
    """rows whose value was 0 or infinite"""
    cost: float
    """median over the rows of the time to measure it, as a share of the unit's time for all but metrics; nan if it was
    not recorded"""
    behind: tuple[float, float, float]
    """|Spearman| of the metric that all are compared with minus |Spearman| of this one, with its interval"""
    prediction: Prediction


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All metrics, the largest |Spearman| first."""

    rows: list[Ranked]
    used: pd.DataFrame
    """the rows that were used"""
    left_out: dict[str, int]
    """reason -> rows"""
    lacking: int
    """rows among these that are left out because they lack a metric that others have"""
    with_lacking: tuple[int, float]
    """rows, and |Spearman| of the metric that all are compared with, if these are not left out for it"""
    unranked: dict[str, str]
    """metric -> why it could not be ranked"""
    repeated: dict[str, str]
    """metric -> the earlier one that it follows exactly, so that both are one test"""

    @property
    def single(self) -> list[Ranked]:
        """The metrics, without the combinations."""
        return [row for row in self.rows if len(row.metric.columns) == 1]

    def of(self, metric: Metric) -> Ranked:
        """The row of one metric. Raises KeyError if it is not ranked."""
        return {row.metric: row for row in self.rows}[metric]


def rank(
    rows: pd.DataFrame,
    error: str,
    metrics: Sequence[Metric],
    *,
    combinations: Sequence[Metric] = (),
    against: Metric,
    controls: Mapping[str, bool],
    excluded: Mapping[str, ArrayLike],
) -> Ranking:
    """All metrics and combinations of them on the rows that have every metric and the error.

    rows: the metrics' columns, those of their cost, the controls', `seconds` of the whole unit, and `error`. against:
    the metric that the others are compared with. controls: column -> whether its logarithm counts, for the partial
    correlation; one that is the same in all rows is left out. excluded: reason -> (n,) rows to leave out. Raises
    TooFewRowsError if fewer than ENOUGH rows have error and `against`, or all have the same.
    """
    shared = _shared_rows(rows, error, metrics, combinations, excluded)
    used, scaled = shared.used, shared.scaled
    y = used[error].to_numpy(dtype=np.float64)
    if y.size < ENOUGH or against.columns[0] not in scaled or np.ptp(y) == 0:
        raise TooFewRowsError(
            f"{y.size} rows with {against.name} and {error.replace('_', ' ')}, at least {ENOUGH} that differ in both "
            "are needed to rank metrics"
        )
    single = [metric for metric in metrics if metric.columns[0] in scaled]
    joined = [metric for metric in combinations if set(metric.columns) <= set(scaled)]
    xs = scaled[[metric.columns[0] for metric in single]].to_numpy().T.copy()
    weights, firsts = resamples(y.size), firsts_of(xs)
    varied = {name: _control(used[name], log) for name, log in controls.items() if used[name].nunique() > 1}
    coefficients = of_metrics([metric.columns[0] for metric in single], firsts, varied, weights, xs, y)
    coefficients += [of_combination(scaled[list(metric.columns)].to_numpy(), y, weights) for metric in joined]
    reference = coefficients[single.index(against)]
    timed = sorted({column for metric in metrics for column in metric.cost})
    measuring = [column for column in timed if used[column].notna().any()]  # a metric may be switched off
    seconds = used[timed].to_numpy(np.float64)
    training = used["seconds"].to_numpy(np.float64) - seconds[:, [each in measuring for each in timed]].sum(axis=1)
    found = [
        Ranked(
            **vars(one),
            metric=metric,
            at_ends=sum(shared.at_ends.get(column, 0) for column in metric.columns),
            cost=_cost(seconds[:, [each in metric.cost for each in timed]], training),
            behind=lead(reference, one),
            prediction=fit(scaled[list(metric.columns)], y, log_x=False),
        )
        for metric, one in zip([*single, *joined], coefficients, strict=True)
    ]
    found.sort(key=lambda row: -abs(row.spearman.value))
    names = [metric.name for metric in single]
    return Ranking(
        rows=found,
        used=used,
        left_out=shared.left_out,
        lacking=len(shared.finished) - len(used),
        with_lacking=_with_lacking(shared.finished, error, against),
        unranked=shared.unranked,
        repeated={names[i]: names[first] for i, first in enumerate(firsts) if first != i},
    )


@dataclass(frozen=True)
class _Shared:
    """The rows that all metrics have."""

    finished: pd.DataFrame
    """rows that have the error, whatever metrics they lack"""
    used: pd.DataFrame
    scaled: pd.DataFrame
    """metrics of the rows used in the scale of the correlations, without those that cannot be ranked"""
    at_ends: dict[str, int]
    left_out: dict[str, int]
    unranked: dict[str, str]


def _shared_rows(
    rows: pd.DataFrame,
    error: str,
    metrics: Sequence[Metric],
    combinations: Sequence[Metric],
    excluded: Mapping[str, ArrayLike],
) -> _Shared:
    kept, left_out = np.ones(len(rows), dtype=bool), dict[str, int]()
    for reason, wrong in {**excluded, "the error not measured": rows[error].isna()}.items():
        left_out[reason] = int((kept & np.asarray(wrong, dtype=bool)).sum())
        kept &= ~np.asarray(wrong, dtype=bool)
    finished, unranked = rows[kept], dict[str, str]()
    named = dict.fromkeys(column for metric in (*metrics, *combinations) for column in metric.columns)
    values, whole = finished[list(named)].astype(np.float64), np.ones(len(finished), dtype=bool)
    for metric in metrics:
        column = metric.columns[0]
        lacks = values[column].isna().to_numpy()
        if (~lacks).sum() < MEASURED * len(values):
            values = values.drop(columns=column)
            unranked[metric.name] = f"measured in {(~lacks).sum()} of {len(finished)}"
            continue
        left_out[f"{metric.name} missing"] = int((whole & lacks).sum())
        whole &= ~lacks
    scaled, at_ends = values[whole].copy(), dict[str, int]()
    for metric in metrics:
        column = metric.columns[0]
        if column in scaled:
            scaled[column], at_ends[column] = _scaled(scaled[column].to_numpy(), metric.log)
            if np.ptp(scaled[column]) == 0:
                scaled = scaled.drop(columns=column)
                unranked[metric.name] = f"the same in all {whole.sum()}"
    counts = {reason: count for reason, count in left_out.items() if count}
    return _Shared(finished, finished[whole], scaled, at_ends, counts, unranked)


def _scaled(values: Floats, log: bool) -> tuple[Floats, int]:
    """Values (n,), the infinite ones and those without a logarithm at the ends of the others; how many these are."""
    inside = np.isfinite(values) & ((values > 0) | (not log))
    if not inside.any():
        return np.zeros_like(values), values.size
    held = np.clip(values, values[inside].min(), values[inside].max())
    return np.log(held) if log else held, int((~inside).sum())


def _with_lacking(finished: pd.DataFrame, error: str, against: Metric) -> tuple[int, float]:
    rows = finished[finished[against.columns[0]].notna()]
    return len(rows), abs(float(stats.spearmanr(rows[against.columns[0]], rows[error]).statistic))


def _control(values: "pd.Series[float]", log: bool) -> Floats:
    plain = np.asarray(values, dtype=np.float64)
    return np.log(plain) if log else plain


def _cost(measuring: Floats, training: Floats) -> float:
    """The median share of seconds (n, columns), none for a metric without cost, in those of all but metrics (n,)."""
    shares = measuring.sum(axis=1) / training
    known = shares[~np.isnan(shares)]
    return float(np.median(known)) if known.size else float("nan")
