"""The frames of the table of metrics, ready to show: one part's ranking in numbers.

In: a part and its ranking. Out: frames of strings, one row per metric or stratum.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.drawing import format as text
from distnlc.analysis.nlc.metrics import NLC
from distnlc.analysis.nlc.parts import Part
from distnlc.analysis.nlc.verdicts import bracketed, difference
from distnlc.analysis.statistics.coefficients import Estimate
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.prediction import FAR
from distnlc.analysis.statistics.ranking import Interval, Ranked, Ranking
from distnlc.analysis.statistics.reliability import Ceiling
from distnlc.analysis.statistics.strata import Within, strata

COMPETITORS = 2
"""how many metrics stand beside the NLC within each stratum"""
OF_ALL = 500
"""resamples where all metrics stand within strata"""
SIGNS = {1: "high", -1: "low", 0: "not said"}
THIRDS = ("1st", "2nd", "3rd")


def answers(ranking: Ranking) -> pd.DataFrame:
    """A frame of how strongly each metric goes with the error, how well it predicts it, and what it costs."""
    return _frame({row.metric.name: _answer(row) for row in ranking.rows})


def apart(ranking: Ranking) -> pd.DataFrame:
    """The same of the metrics that many architectures lack, each on those that have it."""
    return _frame({row.metric.name: {"n": str(row.values.size)} | _answer(row) for row in ranking.apart})


def _answer(row: Ranked) -> dict[str, str]:
    return {
        "high error": SIGNS[row.metric.expected] + (", log" if row.metric.log else ""),
        "Spearman": _estimate(row.spearman),
        "q (Spearman)": _q(row.spearman),
        "NLC ahead by": "–" if row.metric is NLC else difference(row.behind),
        "off by, points": _points(row.off_by),
        "more than the NLC": "–" if row.metric is NLC else _points(row.off_by_more, "+"),
        f"off by over {100 * FAR:.0f}": f"{row.prediction.far_off:.0%}",
        "the worst by": f"{100 * row.prediction.farthest_off:.0f}",
        "less than the median": f"{row.prediction.absolute_removed:.0%}",
        "data used": row.metric.data,
        "cost": _share(row.cost),
    }


def correlations(ranking: Ranking, top: Ceiling | None) -> pd.DataFrame:
    """The coefficients beside Spearman's."""
    highest = 0.0 if top is None else top.value
    return _frame(
        {
            row.metric.name: {
                "Pearson": _estimate(row.pearson),
                "q (Pearson)": _q(row.pearson),
                "Kendall": _estimate(row.kendall),
                "q (Kendall)": _q(row.kendall),
                "partial": _estimate(row.partial),
                "q (partial)": _q(row.partial),
                "of the ceiling": f"{abs(row.pearson.value) / highest:.0%}" if highest else "–",
                "0 or inf": str(row.at_ends),
            }
            for row in ranking.rows
        }
    )


def within_strata(part: Part, ranking: Ranking) -> pd.DataFrame:
    """The NLC and the best others in each stratum."""
    metrics = [NLC, *[row.metric for row in ranking.single if row.metric is not NLC][:COMPETITORS]]
    xs, rows = np.array([ranking.of(metric).values for metric in metrics]), {}
    for kind, found in strata(xs, _errors(part, ranking), _properties(ranking)).items():
        for stratum in found:
            cells = {"n": str(stratum.n)}
            for metric, within in zip(metrics, stratum.metrics, strict=True):
                cells |= _within(metric.name, within)
            rows[kind, stratum.name] = cells
    frame = _frame(rows)
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["", ""])
    return frame


def at_equal(part: Part, ranking: Ranking) -> pd.DataFrame:
    """Spearman of every metric within the strata of one property, pooled: among architectures that have it alike."""
    single = ranking.single
    xs = np.array([row.values for row in single])
    rows = {row.metric.name: {"all": _estimate(row.spearman)} for row in single}
    for kind, found in strata(xs, _errors(part, ranking), _properties(ranking), OF_ALL).items():
        for row, within in zip(single, found[-1].metrics, strict=True):
            rows[row.metric.name][f"at equal {kind}"] = bracketed(*within.spearman)
    return _frame(rows)


def noise_ceiling(top: Ceiling, others: int, ranking: Ranking) -> pd.DataFrame:
    """others: architectures without repetitions."""
    c = top.first_two
    both = f"{text.coefficient(c.pearson)} [{c.low:.2f}, {c.high:.2f}]" if c.undefined is None else c.undefined
    best = max(ranking.single, key=lambda row: abs(row.pearson.value))
    return pd.DataFrame.from_dict(
        {
            "architectures with several initializations": f"{top.architectures} ({others} others left out)",
            "trainings of them": str(top.trainings),
            "reliability of the error (ICC)": bracketed(top.error, *top.error_interval),
            "reliability of log NLC (ICC)": bracketed(top.metric, *top.metric_interval),
            "correlation of the errors of the first two initializations": both,
            "noise ceiling: sqrt of the error's reliability": bracketed(top.value, *top.interval),
            f"largest |Pearson|: {best.metric.name}": f"{abs(best.pearson.value):.2f}",
        },
        orient="index",
        columns=["value"],
    )


def _frame(rows: "dict[str, dict[str, str]] | dict[tuple[str, str], dict[str, str]]") -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index")


def _properties(ranking: Ranking) -> dict[str, ArrayLike]:
    """The properties by which architectures are sorted; depth in thirds."""
    used = ranking.used
    depth = used["depth"].to_numpy(dtype=np.float64)
    third = np.searchsorted(np.quantile(depth, [1 / 3, 2 / 3]), depth)
    names = np.empty(len(depth), dtype=object)
    for place in np.unique(third):
        own = third == place
        names[own] = f"{THIRDS[place]} third ({depth[own].min():.0f} to {depth[own].max():.0f})"
    return {
        "normalization": used["normalization"],
        "activation": used["activation"],
        "skip connections": np.where(used["skips"] > 0, "with", "without"),
        "depth": names,
    }


def _errors(part: Part, ranking: Ranking) -> Floats:
    return ranking.used[part.error].to_numpy(dtype=np.float64)


def _within(name: str, within: Within) -> dict[str, str]:
    return {f"{name}: Spearman": bracketed(*within.spearman), f"{name}: Pearson": bracketed(*within.pearson)}


def _q(estimate: Estimate) -> str:
    """q of a metric; of a combination or model, which q does not count, its own p."""
    return (
        text.probability(estimate.q)
        if math.isnan(estimate.p) or not math.isnan(estimate.q)
        else (text.p_value(estimate.p))
    )


def _estimate(estimate: Estimate) -> str:
    return bracketed(estimate.value, estimate.low, estimate.high)


def _points(found: Interval, sign: str = "") -> str:
    """Percentage points, of shares; not -0.0."""
    value, low, high = (round(100 * each, 1) + 0.0 for each in found)
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.2g}%" if value else "none"
