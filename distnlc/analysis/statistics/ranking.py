"""Which initial metric predicts the error best? All metrics of section 3 on the same architectures of one part.

In: a part of a study. Out: a `Ranking`, one `Ranked` per metric and per simple combination of metrics. A value of 0
or infinity (a diameter below the first step of its walk) is not left out, which would drop the very architectures
that it says most about: it counts as the smallest or largest finite value of its metric. An architecture that lacks
a metric is left out for all of them, so that all are compared on the same rows; a metric that half of the
architectures lack is not ranked. `smallest_rate` is no metric here: it takes an epoch of the optimizer, and sets the
range of rates that the error comes from.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.drawing.figure import MissingRecordsError, given_by
from distnlc.analysis.nlc.parts import Part
from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.prediction import REPEATS, Prediction, fit, folds, join

PRESETS = ("waveform-small", "paper")
"""that give the records"""
ENOUGH = 8
"""architectures; with fewer nothing is ranked"""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One quantity of the network at initialization, or several that least squares joins."""

    name: str
    columns: tuple[str, ...]
    """of `metric_values`"""
    log: bool
    expected: int
    """1: a high value should mean a high error, -1: a low one (section 6 of the paper and what it cites)"""
    data: str
    """what must be known to measure it"""
    seconds: tuple[str, ...] = ()
    """columns of the time that it takes; none: it is computed from the architecture's description"""


INPUTS, LABELS, NOTHING = "inputs", "inputs and labels", "nothing"
NLC_SECONDS = ("jacobian_seconds", "outputs_seconds")


def _metric(name: str, column: str, data: str, *seconds: str, log: bool = True, expected: int = 1) -> Metric:
    return Metric(name=name, columns=(column,), log=log, expected=expected, data=data, seconds=seconds)


NLC = _metric("NLC", "init_nlc", INPUTS, *NLC_SECONDS)
DIAMETER = _metric("relative diameter", "init_relative_diameter", INPUTS, "diameter_seconds", expected=-1)
METRICS = (
    NLC,
    _metric("output bias", "init_bias", INPUTS, "outputs_seconds"),
    DIAMETER,
    _metric("gradient component size", "init_gradient_component", LABELS, "gradients_seconds"),
    _metric("gradient length", "init_gradient_length", LABELS, "gradients_seconds"),
    _metric("Jacobian norm", "init_jacobian_norm", INPUTS, "jacobian_seconds"),
    _metric("local Lipschitz constant", "init_lipschitz", INPUTS, "lipschitz_seconds"),
    _metric("change of correlation", "correlation_change", INPUTS, "cosines_seconds", log=False),
    _metric("depth", "depth", NOTHING, log=False),
    _metric("activation's NLC", "activation_nlc", NOTHING),
    _metric("activation's linear error", "activation_linear_error", NOTHING),
)


def _combination(name: str, *columns: str) -> Metric:
    return Metric(name=name, columns=columns, log=False, expected=1, data=INPUTS, seconds=NLC_SECONDS)


COMBINATIONS = (
    _combination("NLC + bias", "init_nlc", "init_bias"),
    _combination("NLC + bias + skip connections", "init_nlc", "init_bias", "skips"),
)
"""Least squares of the error on log NLC, log bias and whether there are skip connections. A row's value is the
prediction of the fit without it (10 folds, 5 times), so that more columns do not win by fitting."""

MEASURING = ("jacobian", "outputs", "gradients", "cosines", "lipschitz", "diameter")
"""the columns NAME_seconds that are no training"""


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
    """One metric of one part, over the rows that all metrics of the part share."""

    metric: Metric
    at_ends: int
    """rows whose value was 0 or infinite"""
    cost: float
    """median over the rows of the time to measure it, as a share of the unit's time for all but initial metrics;
    nan if the study did not record it"""
    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    partial: Estimate
    """Pearson given depth and log width (depth itself: given log width)"""
    behind: tuple[float, float, float]
    """|Spearman| of the NLC minus |Spearman| of this metric, with its interval"""
    prediction: Prediction
    values: Floats
    """(n,) in the scale in which they were correlated"""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All metrics of one part, the largest |Spearman| first."""

    part: Part
    rows: list[Ranked]
    used: pd.DataFrame
    """the architectures that were used"""
    left_out: dict[str, int]
    """reason -> architectures"""
    unranked: dict[str, str]
    """metric -> why it could not be ranked"""

    @property
    def single(self) -> list[Ranked]:
        """The metrics, without the combinations."""
        return [row for row in self.rows if len(row.metric.columns) == 1]

    def of(self, metric: Metric) -> Ranked:
        """The row of one metric. Raises KeyError if it is not ranked."""
        return {row.metric: row for row in self.rows}[metric]


def rank(part: Part) -> Ranking:
    """All metrics of a part. Raises MissingRecordsError if fewer than ENOUGH architectures have NLC and error."""
    used, scaled, at_ends, left_out, unranked = _shared_rows(part)
    y = used[part.error].to_numpy(dtype=np.float64)
    if y.size < ENOUGH or NLC.columns[0] not in scaled or np.ptp(y) == 0:
        raise MissingRecordsError(
            f"{part.title}: {y.size} architectures with initial NLC and {part.error_name}, at least "
            f"{ENOUGH} that differ in both are needed to rank metrics; {given_by(*PRESETS)}"
        )
    ranked = [metric for metric in (*METRICS, *COMBINATIONS) if set(metric.columns) <= set(scaled)]
    xs = np.array([_one_value(scaled[list(metric.columns)].to_numpy(), y) for metric in ranked])
    weights = resampling.resamples(y.size)

    def resampled(moments: resampling.Moments) -> Floats:
        return resampling.coefficients(resampling.resampled(moments, weights, xs, y))

    ranks = resampled(resampling.spearman)
    pearson = _estimates([tuple(stats.pearsonr(x, y)) for x in xs], resampled(resampling.pearson))
    spearman = _estimates([tuple(stats.spearmanr(x, y)) for x in xs], ranks)
    kendall = _estimates([tuple(stats.kendalltau(x, y)) for x in xs], resampled(resampling.kendall))
    partial = _partials(ranked, used, weights, xs, y)
    strengths = ranks * np.sign([[estimate.value] for estimate in spearman])  # |Spearman| of all rows, resampled
    behind = strengths[ranked.index(NLC)] - strengths
    of_nlc = abs(spearman[ranked.index(NLC)].value)
    rows = [
        Ranked(
            metric=metric,
            at_ends=sum(at_ends.get(column, 0) for column in metric.columns),
            cost=_cost(used, metric),
            pearson=pearson[i],
            spearman=spearman[i],
            kendall=kendall[i],
            partial=partial[i],
            behind=(of_nlc - abs(spearman[i].value), *resampling.interval(behind[i])),
            prediction=fit(scaled[list(metric.columns)], y, log_x=False),
            values=xs[i],
        )
        for i, metric in enumerate(ranked)
    ]
    rows.sort(key=lambda row: -abs(row.spearman.value))
    return Ranking(part=part, rows=rows, used=used, left_out=left_out, unranked=unranked)


def metric_values(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that METRICS and COMBINATIONS name, of rows of `architectures`, as floats.

    Correlation preservation is taken by what it loses: how far the mean cosine of two outputs is from that of the
    inputs. Inputs have a mean cosine near 0, so that it is nearly the size of the outputs' cosine.
    """
    derived = rows.assign(
        correlation_change=(rows["init_output_cosine"] - rows["init_input_cosine"]).abs(),
        skips=rows["skip_strength"] > 0,
    )
    named = dict.fromkeys(column for metric in (*METRICS, *COMBINATIONS) for column in metric.columns)
    return derived[list(named)].astype(np.float64)


def _shared_rows(part: Part) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int], dict[str, int], dict[str, str]]:
    """The rows used; their metrics in the scale of the correlations, without those that cannot be ranked; column ->
    values that were 0 or infinite; reason -> rows left out; metric -> why it is not ranked."""
    no_error = part.rows[part.error].isna()
    reasons = {
        "unit failed": part.failed,
        "not trained: skipped by train_if": part.skipped,
        f"{part.error_name} not measured": no_error & ~part.failed & ~part.skipped,
    }
    finished = part.rows[~(no_error | part.failed | part.skipped)]
    values, unranked = metric_values(finished), dict[str, str]()
    for metric in METRICS:
        measured = int(values[metric.columns[0]].notna().sum())
        if 2 * measured <= len(values):
            values = values.drop(columns=metric.columns[0])
            unranked[metric.name] = f"measured in {measured} of {len(finished)} architectures"
    whole = values.notna().all(axis=1)
    left_out = {reason: int(rows.sum()) for reason, rows in reasons.items()} | {"a metric not measured": (~whole).sum()}
    scaled, at_ends = values[whole].copy(), dict[str, int]()
    for metric in METRICS:
        column = metric.columns[0]
        if column in scaled:
            scaled[column], at_ends[column] = _scaled(scaled[column].to_numpy(), metric.log)
            if np.ptp(scaled[column]) == 0:
                scaled = scaled.drop(columns=column)
                unranked[metric.name] = f"the same in all {whole.sum()} architectures"
    return finished[whole], scaled, at_ends, {reason: int(n) for reason, n in left_out.items() if n}, unranked


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
    """Of (coefficient, p) of each metric, and its coefficients in all resamples, (m, resamples)."""
    p = np.array([p for _, p in found])
    q, known = np.full(p.size, np.nan), ~np.isnan(p)
    if known.any():
        # Benjamini and Hochberg: of the metrics with q below 0.05, at most 5% are expected to be there by chance.
        q[known] = stats.false_discovery_control(p[known])
    return [
        Estimate(float(value), *resampling.interval(values), float(p), float(one_q))
        for (value, p), values, one_q in zip(found, resampled, q, strict=True)
    ]


def _partials(
    ranked: list[Metric], used: pd.DataFrame, weights: resampling.Counts, xs: Floats, y: Floats
) -> list[Estimate]:
    """Pearson given depth and log width; depth itself given log width alone."""
    size = np.array([used["depth"], np.log(used["width"])], dtype=np.float64)
    found, resampled = [], np.empty((len(ranked), len(weights)))
    for i, metric in enumerate(ranked):
        controls = size[1:] if metric.columns == ("depth",) else size
        found.append(partial_correlation(xs[i], y, controls))
        moments = resampling.partial_on(controls)
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


def _cost(used: pd.DataFrame, metric: Metric) -> float:
    if not metric.seconds:
        return 0.0
    measuring = used[[f"{name}_seconds" for name in MEASURING]].sum(axis=1, skipna=False)
    own = used[list(metric.seconds)].sum(axis=1, skipna=False)
    return float((own / (used["seconds"] - measuring)).median())
