"""How metrics go with an error: coefficients with intervals, p and q; of many metrics at once, and of combinations.

In: xs (m, n), several metrics in the scale in which they are correlated, and y (n,). Out: `Coefficients` of each.
Metrics that follow each other exactly (the gradient's length is the size of its components times a constant) are one
test: q counts them once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from distnlc.analysis.statistics import refitting, resampling
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.learning import Learned

NAN = float("nan")
OF_PAIRS = 500
"""resamples of Kendall's coefficient, which takes all pairs of rows in each"""


@dataclass(frozen=True)
class Estimate:
    """A coefficient with its interval and p-value; all nan where there is none."""

    value: float = NAN
    low: float = NAN
    high: float = NAN
    p: float = NAN
    """two-sided; of a combination that of `refitting`"""
    q: float = NAN
    """p controlled for the number of different metrics ranked (`controlled`); none of a combination"""


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """How a metric goes with the error."""

    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    """of single metrics alone, as `partial`"""
    partial: Estimate
    """Pearson given the controls, those that are the metric itself left out"""
    values: Floats
    """(n,) in the scale in which they were correlated"""
    resampled: Floats
    """Spearman in every resample"""


def firsts_of(xs: Floats) -> list[int]:
    """For each metric of xs (m, n) the place of the first that it is a straight line of."""
    together = np.atleast_2d(np.abs(np.corrcoef(xs)) > 1 - 1e-10)
    return [int(np.argmax(row)) for row in together | np.eye(len(xs), dtype=bool)]


def of_metrics(
    names: Sequence[str],
    controls: Mapping[str, Floats],
    weights: resampling.Counts,
    xs: Floats,
    y: Floats,
) -> list[Coefficients]:
    """The coefficients of all metrics, without q. controls: name -> (n,), which no metric of that name gets."""

    def resampled(moments: resampling.Moments, count: int | None = None) -> Floats:
        return resampling.coefficients(resampling.resampled(moments, weights[:count], xs, y))

    ranks = resampled(resampling.spearman)
    pearson = _estimates([tuple(stats.pearsonr(x, y)) for x in xs], resampled(resampling.pearson))
    spearman = _estimates([tuple(stats.spearmanr(x, y)) for x in xs], ranks)
    kendall = _estimates([tuple(stats.kendalltau(x, y)) for x in xs], resampled(resampling.kendall, OF_PAIRS))
    given, partly = [(NAN, NAN)] * len(xs), np.empty(ranks.shape)
    for alone in {name if name in controls else "" for name in names}:
        own = [place for place, name in enumerate(names) if (name if name in controls else "") == alone]
        others = np.reshape([each for name, each in controls.items() if name != alone], (-1, y.size))
        moments = resampling.partial_on(others)
        partly[own] = resampling.coefficients(resampling.resampled(moments, weights, xs[own], y))
        for place in own:
            given[place] = partial_correlation(xs[place], y, others)
    partial = _estimates(given, partly)
    return [
        Coefficients(pearson=r, spearman=rho, kendall=tau, partial=rest, values=x, resampled=drawn)
        for r, rho, tau, rest, x, drawn in zip(pearson, spearman, kendall, partial, xs, ranks, strict=True)
    ]


def _estimates(found: list[tuple[float, float]], resampled: Floats) -> list[Estimate]:
    """Estimates from (coefficient, p) of each metric and its coefficients in all resamples, (m, resamples)."""
    return [
        Estimate(float(value), *resampling.interval(values), float(p))
        for (value, p), values in zip(found, resampled, strict=True)
    ]


def controlled(p: Sequence[float], firsts: Sequence[int]) -> Floats:
    """The q of each p (m,): among metrics of q below 0.05, at most 5% are expected to be there by chance.

    By Benjamini and Hochberg (1995), over different metrics only (firsts: as `firsts_of`). Their proof covers tests
    that depend on each other positively; Benjamini and Yekutieli's (2001) covers any, for p that are four times smaller
    with 30 metrics. Metrics of the same networks go together with both signs, which the first is known to bear
    (Reiner-Benaim, Biometrical Journal 49, 2007), and `analysis/calibration.py` counts it for the metrics at hand.
    """
    values, first_of = np.asarray(p, dtype=np.float64), np.asarray(firsts, dtype=np.int64)
    q, tested = np.full(values.size, np.nan), ~np.isnan(values) & (np.arange(values.size) == first_of)
    if tested.any():
        q[tested] = stats.false_discovery_control(values[tested])
    spread: Floats = q[first_of]
    return spread


def of_combination(columns: Floats, y: Floats, weights: resampling.Counts) -> Coefficients:
    """The coefficients of what least squares predicts from columns (n, p)."""
    matrix = refitting.prediction_matrix(columns)
    predicted = matrix @ y
    p = refitting.permutation_p(matrix, y)
    values = [float(each[0]) for each in refitting.correlations(predicted[None], y[None])]
    resampled = refitting.resampled(columns, y, weights)
    pearson, spearman = (Estimate(values[i], *resampling.interval(resampled[i]), p[i]) for i in range(2))
    return Coefficients(
        pearson=pearson,
        spearman=spearman,
        kendall=Estimate(),
        partial=Estimate(),
        values=predicted,
        resampled=resampled[1],
    )


def of_learned(learned: Learned, y: Floats, weights: resampling.Counts) -> Coefficients:
    """The coefficients of what was learned with these weights."""
    p = refitting.share_at_least(learned.permuted, y)
    values = [float(each[0]) for each in refitting.correlations(learned.permuted[:1], y[None])]
    resampled = refitting.of_copies(learned.resampled, y, weights[: len(learned.resampled)])
    pearson, spearman = (Estimate(values[i], *resampling.interval(resampled[i]), p[i]) for i in range(2))
    return Coefficients(
        pearson=pearson,
        spearman=spearman,
        kendall=Estimate(),
        partial=Estimate(),
        values=learned.permuted[0],
        resampled=resampled[1],
    )


def lead(reference: Coefficients, other: Coefficients) -> tuple[float, float, float]:
    """|Spearman| of the one minus that of the other, with its interval over the resamples that both have."""
    sizes = [one.resampled * np.sign(one.spearman.value) for one in (reference, other)]
    common = min(map(len, sizes))
    value = abs(reference.spearman.value) - abs(other.spearman.value)
    return value, *resampling.interval(sizes[0][:common] - sizes[1][:common])


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
