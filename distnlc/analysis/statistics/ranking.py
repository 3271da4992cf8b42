"""Which of several metrics goes best with an error? All of them on the same rows.

In: rows with the metrics' columns and an error. Out: a `Ranking`, one `Ranked` per metric and per combination of
metrics. A value of 0 or infinity is not left out, which would drop the very rows that its metric says most about: it
counts as the smallest or largest finite value of its metric. A row that lacks a metric is left out for all of them, so
that all are compared on the same rows; a metric that half of the rows lack is not ranked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats, TooFewRowsError
from distnlc.analysis.statistics.prediction import REPEATS, Prediction, fit, folds, join

ENOUGH = 8
"""rows; with fewer nothing is ranked"""


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
class Estimate:
    """A coefficient with its interval, two-sided p-value, and q: p controlled for the number of metrics ranked."""

    value: float
    low: float
    high: float
    p: float
    q: float


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One metric, over the rows that all metrics share."""

    metric: Metric
    at_ends: int
    """rows whose value was 0 or infinite"""
    cost: float
    """median over the rows of the time to measure it, as a share of the unit's time for all but metrics; nan if it was
    not recorded"""
    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    partial: Estimate
    """Pearson given the controls, those that are the metric itself left out"""
    behind: tuple[float, float, float]
    """|Spearman| of the metric that all are compared with minus |Spearman| of this one, with its interval"""
    prediction: Prediction
    values: Floats
    """(n,) in the scale in which they were correlated"""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All metrics, the largest |Spearman| first."""

    rows: list[Ranked]
    used: pd.DataFrame
    """the rows that were used"""
    left_out: dict[str, int]
    """reason -> rows"""
    unranked: dict[str, str]
    """metric -> why it could not be ranked"""

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
    used, scaled, at_ends, left_out, unranked = _shared_rows(rows, error, metrics, combinations, excluded)
    y = used[error].to_numpy(dtype=np.float64)
    if y.size < ENOUGH or against.columns[0] not in scaled or np.ptp(y) == 0:
        raise TooFewRowsError(
            f"{y.size} rows with {against.name} and {error.replace('_', ' ')}, at least {ENOUGH} that differ in both "
            "are needed to rank metrics"
        )
    ranked = [metric for metric in (*metrics, *combinations) if set(metric.columns) <= set(scaled)]
    xs = np.array([_one_value(scaled[list(metric.columns)].to_numpy(), y) for metric in ranked])
    weights = resampling.resamples(y.size)

    def resampled(moments: resampling.Moments) -> Floats:
        return resampling.coefficients(resampling.resampled(moments, weights, xs, y))

    ranks = resampled(resampling.spearman)
    pearson = _estimates([tuple(stats.pearsonr(x, y)) for x in xs], resampled(resampling.pearson))
    spearman = _estimates([tuple(stats.spearmanr(x, y)) for x in xs], ranks)
    kendall = _estimates([tuple(stats.kendalltau(x, y)) for x in xs], resampled(resampling.kendall))
    varied = {name: _control(used[name], log) for name, log in controls.items() if used[name].nunique() > 1}
    partial = _partials(ranked, varied, weights, xs, y)
    strengths = ranks * np.sign([[estimate.value] for estimate in spearman])  # |Spearman| of all rows, resampled
    behind = strengths[ranked.index(against)] - strengths
    size = abs(spearman[ranked.index(against)].value)
    timed = sorted({column for metric in metrics for column in metric.cost})
    measuring = [column for column in timed if used[column].notna().any()]  # a metric may be switched off
    found = [
        Ranked(
            metric=metric,
            at_ends=sum(at_ends.get(column, 0) for column in metric.columns),
            cost=_cost(used, metric, measuring),
            pearson=pearson[i],
            spearman=spearman[i],
            kendall=kendall[i],
            partial=partial[i],
            behind=(size - abs(spearman[i].value), *resampling.interval(behind[i])),
            prediction=fit(scaled[list(metric.columns)], y, log_x=False),
            values=xs[i],
        )
        for i, metric in enumerate(ranked)
    ]
    found.sort(key=lambda row: -abs(row.spearman.value))
    return Ranking(rows=found, used=used, left_out=left_out, unranked=unranked)


def _shared_rows(
    rows: pd.DataFrame,
    error: str,
    metrics: Sequence[Metric],
    combinations: Sequence[Metric],
    excluded: Mapping[str, ArrayLike],
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int], dict[str, int], dict[str, str]]:
    """The rows used; their metrics in the scale of the correlations, without those that cannot be ranked; column ->
    values that were 0 or infinite; reason -> rows left out; metric -> why it is not ranked."""
    kept, left_out = np.ones(len(rows), dtype=bool), dict[str, int]()
    for reason, wrong in {**excluded, "the error not measured": rows[error].isna()}.items():
        left_out[reason] = int((kept & np.asarray(wrong, dtype=bool)).sum())
        kept &= ~np.asarray(wrong, dtype=bool)
    finished, unranked = rows[kept], dict[str, str]()
    named = dict.fromkeys(column for metric in (*metrics, *combinations) for column in metric.columns)
    values = finished[list(named)].astype(np.float64)
    for metric in metrics:
        measured = int(values[metric.columns[0]].notna().sum())
        if 2 * measured <= len(values):
            values = values.drop(columns=metric.columns[0])
            unranked[metric.name] = f"measured in {measured} of {len(finished)}"
    whole = values.notna().all(axis=1)
    left_out["a metric not measured"] = int((~whole).sum())
    scaled, at_ends = values[whole].copy(), dict[str, int]()
    for metric in metrics:
        column = metric.columns[0]
        if column in scaled:
            scaled[column], at_ends[column] = _scaled(scaled[column].to_numpy(), metric.log)
            if np.ptp(scaled[column]) == 0:
                scaled = scaled.drop(columns=column)
                unranked[metric.name] = f"the same in all {whole.sum()}"
    return finished[whole], scaled, at_ends, {reason: count for reason, count in left_out.items() if count}, unranked


def _scaled(values: Floats, log: bool) -> tuple[Floats, int]:
    """Values (n,), the infinite ones and those without a logarithm at the ends of the others; how many these are."""
    inside = np.isfinite(values) & ((values > 0) | (not log))
    if not inside.any():
        return np.zeros_like(values), values.size
    held = np.clip(values, values[inside].min(), values[inside].max())
    return np.log(held) if log else held, int((~inside).sum())


def _one_value(columns: Floats, y: Floats) -> Floats:
    """(n,) the metric (n, 1) itself, or of columns (n, p) the least-squares prediction of y without the row's fold."""
    if columns.shape[1] == 1:
        return columns[:, 0]
    predicted = np.zeros(y.size)
    for fold_of in folds(y.size):
        for fold in range(fold_of.max() + 1):
            own = fold_of == fold
            predicted[own] += join(columns[~own], y[~own])(columns[own]) / REPEATS
    return predicted


def _estimates(found: list[tuple[float, float]], resampled: Floats) -> list[Estimate]:
    """Estimates from (coefficient, p) of each metric and its coefficients in all resamples, (m, resamples)."""
    p = np.array([p for _, p in found])
    q, known = np.full(p.size, np.nan), ~np.isnan(p)
    if known.any():
        # Benjamini and Hochberg: of the metrics with q below 0.05, at most 5% are expected to be there by chance.
        q[known] = stats.false_discovery_control(p[known])
    return [
        Estimate(float(value), *resampling.interval(values), float(p), float(one_q))
        for (value, p), values, one_q in zip(found, resampled, q, strict=True)
    ]


def _control(values: "pd.Series[float]", log: bool) -> Floats:
    plain = np.asarray(values, dtype=np.float64)
    return np.log(plain) if log else plain


def _partials(
    ranked: Sequence[Metric], controls: Mapping[str, Floats], weights: resampling.Counts, xs: Floats, y: Floats
) -> list[Estimate]:
    """Pearson given the controls; a metric that is one of them, given the others."""
    found, resampled = [], np.empty((len(ranked), len(weights)))
    for i, metric in enumerate(ranked):
        others = np.reshape([each for name, each in controls.items() if metric.columns != (name,)], (-1, y.size))
        found.append(partial_correlation(xs[i], y, others))
        moments = resampling.partial_on(others)
        resampled[i] = resampling.coefficients(resampling.resampled(moments, weights, xs[i : i + 1], y))[0]
    return _estimates(found, resampled)


def partial_correlation(x: Floats, y: Floats, controls: Floats) -> tuple[float, float]:
    """Pearson of what remains of x and y (n,) after least squares on controls (k, n) and a constant, and its p.

    The two-sided p is that of Student's t with n - 2 - (independent controls) degrees of freedom (Fisher 1924). Both
    are nan if nothing remains of x or y.
    """
    everything = np.ones((1, y.size), dtype=np.float32)
    value = float(resampling.coefficients(resampling.partial_on(controls)(everything, x[None], y))[0, 0])
    centred = controls - controls.mean(axis=1, keepdims=True)
    freedom = y.size - 2 - np.linalg.matrix_rank(centred) if len(controls) else y.size - 2
    if np.isnan(value) or freedom < 1:
        return float("nan"), float("nan")
    t = value * np.sqrt(freedom / max(1 - value**2, np.finfo(float).tiny))
    return value, float(2 * stats.t.sf(abs(t), freedom))


def _cost(used: pd.DataFrame, metric: Metric, measuring: Sequence[str]) -> float:
    if not metric.cost:
        return 0.0
    own, all_metrics = (used[list(columns)].sum(axis=1, skipna=False) for columns in (metric.cost, measuring))
    return float((own / (used["seconds"] - all_metrics)).median())
