"""Which of several metrics goes best with an error? All of them on the same rows.

In: rows with the metrics' columns and an error. Out: a `Ranking`: one `Ranked` per metric, per combination of metrics
that was named beforehand, and of two models that choose by the error itself: all metrics in a ridge regression, and
the best pair among the cheap ones. Which rows take part is told in `shared_rows`; a metric that many lack is ranked
apart, on the rows that have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.coefficients import (
    Coefficients,
    controlled,
    firsts_of,
    lead,
    of_combination,
    of_learned,
    of_metrics,
)
from distnlc.analysis.statistics.correlations import Floats, TooFewRowsError
from distnlc.analysis.statistics.learning import Learned, Learner, joined_by, learn, pair_of, ridge
from distnlc.analysis.statistics.prediction import Prediction, fit
from distnlc.analysis.statistics.shared_rows import ENOUGH, Metric, Shared, shared_rows

ALL, PAIR = "all metrics, ridge regression", "best affordable pair"
AFFORDABLE = 0.01
"""of the time to train: what two metrics of an affordable pair may take together"""
TESTED = ("pearson", "spearman", "kendall", "partial")
Interval = tuple[float, float, float]
"""a value, and the ends of its interval"""


@dataclass(frozen=True, kw_only=True)
class Ranked(Coefficients):
    """One metric, over the rows that all metrics share; one that stands apart, over the rows that have it."""

    metric: Metric
    at_ends: int
    """rows whose value was 0 or infinite"""
    cost: float
    """median over the rows of the time to measure it, as a share of the unit's time for all but metrics; nan if it was
    not recorded"""
    behind: Interval
    """|Spearman| of the metric that all are compared with minus |Spearman| of this one"""
    prediction: Prediction
    off_by: Interval
    """mean absolute error of the prediction out of fold; the interval resamples the rows that are predicted, not those
    that it was learned from"""
    off_by_more: Interval
    """the same minus that of the metric that all are compared with"""


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
    apart: list[Ranked]
    """metrics that many rows lack, each on the rows that have it"""
    unranked: dict[str, str]
    """metric -> why it could not be ranked"""
    repeated: dict[str, str]
    """metric -> the earlier one that it follows exactly, so that both are one test"""
    pair: tuple[Metric, ...]
    """the two metrics of the best affordable pair, chosen on all rows; none where no two are affordable"""
    pair_again: float
    """share of the resamples that choose the same two"""

    @property
    def single(self) -> list[Ranked]:
        """The metrics, without combinations and models."""
        return [row for row in self.rows if len(row.metric.columns) == 1]

    def of(self, metric: Metric) -> Ranked:
        """The row of one metric. Raises KeyError if it is not ranked."""
        return {row.metric: row for row in self.rows}[metric]

    def model(self, name: str) -> Ranked | None:
        """The row of the model of that name: ALL or PAIR."""
        return next((row for row in self.rows if row.metric.name == name), None)


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
    correlation; one that is the same in all rows, or missing in some, is left out. excluded: reason -> (n,) rows to
    leave out. Raises TooFewRowsError if fewer than ENOUGH rows have error and `against`, or all have the same.
    """
    shared = shared_rows(rows, error, metrics, combinations, excluded)
    used, scaled = shared.used, shared.scaled
    y = used[error].to_numpy(dtype=np.float64)
    if y.size < ENOUGH or against.columns[0] not in scaled or np.ptp(y) == 0:
        raise TooFewRowsError(
            f"{y.size} rows with {against.name} and {error.replace('_', ' ')}, at least {ENOUGH} that differ in both "
            "are needed to rank metrics"
        )
    single = [metric for metric in metrics if metric.columns[0] in scaled]
    xs = scaled[[metric.columns[0] for metric in single]].to_numpy().T.copy()
    weights, firsts, costs = resampling.resamples(y.size), firsts_of(xs), _Costs.of(used, metrics)
    varied = {
        name: _control(used[name], log)
        for name, log in controls.items()
        if used[name].nunique() > 1 and used[name].notna().all()
    }
    predicted = [
        _Predicted(metric, one, fit(scaled[metric.columns[0]], y, log_x=False))
        for metric, one in zip(
            single, of_metrics([metric.columns[0] for metric in single], varied, weights, xs, y), strict=True
        )
    ]
    for metric in combinations:
        if set(metric.columns) <= set(scaled):
            columns = scaled[list(metric.columns)].to_numpy()
            predicted.append(_Predicted(metric, of_combination(columns, y, weights), fit(columns, y, log_x=False)))
    different = [metric for place, metric in enumerate(single) if firsts[place] == place]
    models, pair, again = _models(different, scaled, y, weights, costs) if combinations else ([], (), float("nan"))
    reference = predicted[single.index(against)]
    found = [_ranked(one, reference, weights, costs, shared) for one in (*predicted, *models)]
    apart, unranked = _apart(shared, error, against, controls)
    found, apart = _with_q(found, apart, firsts)
    names = [metric.name for metric in single]
    return Ranking(
        rows=sorted(found, key=lambda row: -abs(row.spearman.value)),
        used=used,
        left_out=shared.left_out,
        lacking=len(shared.finished) - len(used),
        with_lacking=_with_lacking(shared.finished, error, against),
        apart=sorted(apart, key=lambda row: -abs(row.spearman.value)),
        unranked=unranked,
        repeated={names[i]: names[first] for i, first in enumerate(firsts) if first != i},
        pair=pair,
        pair_again=again,
    )


@dataclass(frozen=True)
class _Predicted:
    metric: Metric
    coefficients: Coefficients
    prediction: Prediction


def _models(
    metrics: Sequence[Metric], scaled: pd.DataFrame, y: Floats, weights: resampling.Counts, costs: "_Costs"
) -> tuple[list[_Predicted], tuple[Metric, ...], float]:
    """Ridge regression on all different metrics; the best pair of affordable ones, and the share of resamples that
    choose it too."""
    columns = scaled[[metric.columns[0] for metric in metrics]].to_numpy()

    def model(name: str, learner: Learner) -> tuple[_Predicted, Learned]:
        learned = learn(columns, y, weights, learner)
        used = [metric for metric, one in zip(metrics, learned.used, strict=True) if one]
        metric = Metric(
            name=name,
            columns=tuple(each.columns[0] for each in used),
            log=False,
            expected=1,
            data="all of these",
            cost=tuple(dict.fromkeys(column for each in used for column in each.cost)),
        )
        prediction = fit(columns, y, log_x=False, join=joined_by(learner))
        return _Predicted(metric, of_learned(learned, y, weights), prediction), learned

    found = [model(ALL, ridge)[0]] if len(metrics) > 1 else []
    allowed = np.array([[costs.share((*one.cost, *other.cost)) <= AFFORDABLE for other in metrics] for one in metrics])
    if not np.triu(allowed, 1).any():
        return found, (), float("nan")
    best, learned = model(PAIR, pair_of(allowed))
    pair = tuple(metric for metric, one in zip(metrics, learned.used, strict=True) if one)
    return [*found, best], pair, learned.used_again


def _ranked(
    one: _Predicted, reference: _Predicted, weights: resampling.Counts, costs: "_Costs", shared: Shared
) -> Ranked:
    off = one.prediction.off
    return Ranked(
        **vars(one.coefficients),
        metric=one.metric,
        at_ends=sum(shared.at_ends.get(column, 0) for column in one.metric.columns),
        cost=costs.share(one.metric.cost),
        behind=lead(reference.coefficients, one.coefficients),
        prediction=one.prediction,
        off_by=_mean(off, weights),
        off_by_more=_mean(off - reference.prediction.off, weights),
    )


def _apart(
    shared: Shared, error: str, against: Metric, controls: Mapping[str, bool]
) -> tuple[list[Ranked], dict[str, str]]:
    """The metrics that many rows lack, each ranked with `against` on the rows that have it; why others are unranked."""
    apart, unranked = list[Ranked](), dict(shared.unranked)
    for metric in shared.apart:
        having = shared.finished[shared.finished[metric.columns[0]].notna()]
        try:
            alone = rank(having, error, (against, metric), against=against, controls=controls, excluded={})
            apart.append(alone.of(metric))
        except (TooFewRowsError, KeyError):
            unranked[metric.name] = f"measured in {len(having)} of {len(shared.finished)}, with nothing to compare"
    return apart, unranked


def _with_q(found: list[Ranked], apart: list[Ranked], firsts: Sequence[int]) -> tuple[list[Ranked], list[Ranked]]:
    """The metrics with their q, which counts those that stand apart, too; combinations and models have none."""
    count = len(firsts)
    every = [*found[:count], *apart]
    places = [*firsts, *range(count, len(every))]
    for kind in TESTED:
        q = controlled([getattr(row, kind).p for row in every], places)
        every = [
            replace(row, **{kind: replace(getattr(row, kind), q=float(value))})
            for row, value in zip(every, q, strict=True)
        ]
    return [*every[:count], *found[count:]], every[count:]


def _mean(values: Floats, weights: resampling.Counts) -> Interval:
    """The mean of values (n,) over the rows, with its interval."""
    return float(values.mean()), *resampling.interval(weights.astype(np.float64) @ values / values.size)


def _with_lacking(finished: pd.DataFrame, error: str, against: Metric) -> tuple[int, float]:
    rows = finished[finished[against.columns[0]].notna()]
    return len(rows), abs(float(stats.spearmanr(rows[against.columns[0]], rows[error]).statistic))


def _control(values: "pd.Series[float]", log: bool) -> Floats:
    plain = np.asarray(values, dtype=np.float64)
    return np.log(plain) if log else plain


@dataclass(frozen=True)
class _Costs:
    """The cost of measuring: seconds (n, columns), beside those of training (n,)."""

    columns: list[str]
    seconds: Floats
    training: Floats

    @classmethod
    def of(cls, rows: pd.DataFrame, metrics: Sequence[Metric]) -> "_Costs":
        """Training is what a unit takes beside all metrics that were measured: some may be switched off."""
        columns = sorted({column for metric in metrics for column in metric.cost})
        seconds = rows[columns].to_numpy(np.float64)
        recorded: NDArray[np.bool_] = ~np.isnan(seconds).all(axis=0)
        return cls(columns, seconds, rows["seconds"].to_numpy(np.float64) - seconds[:, recorded].sum(axis=1))

    def share(self, columns: Sequence[str]) -> float:
        """The median over the rows of the time that these columns say, by that of training; 0 for no columns, nan where
        none is known."""
        shares = self.seconds[:, [each in columns for each in self.columns]].sum(axis=1) / self.training
        known = shares[~np.isnan(shares)]
        return float(np.median(known)) if known.size else float("nan")
