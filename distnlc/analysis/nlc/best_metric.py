"""Which initial metric predicts best? The NLC, its competitors in the paper's section 6 and simple combinations.

For every part of the study: one row per metric with its correlations, what it costs, and how well it predicts the
error of an architecture that it has not seen; the same within strata; the noise ceiling.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError, given_by
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.nlc.metrics import DIAMETER, NLC, rank_metrics
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.report import TableOf
from distnlc.analysis.statistics.correlations import LEVEL, RESAMPLES, TooFewRowsError
from distnlc.analysis.statistics.ranking import Estimate, Ranked, Ranking
from distnlc.analysis.statistics.reliability import Ceiling, ceiling
from distnlc.analysis.statistics.strata import Within, strata
from distnlc.analysis.tables import Tables
from distnlc.records import INITIAL, MEASUREMENTS, OK, missing_values

COMPETITORS = 2
"""how many metrics stand beside the NLC within strata"""

EXPECTED = {1: "high", -1: "low", 0: "not said"}

CAPTION = (
    "The error is each part's: test error, or training error where runs were chosen by it. Metrics in the order of "
    "|Spearman|. High error: the values of the metric (log: of its logarithm, in which Pearson, partial and joined "
    "fits take it) that should mean a high error; a correlation of the other sign contradicts that. 0 or inf: "
    "architectures whose value had no logarithm; it counts as the smallest or largest of the others. Cost: median time "
    "to measure the metric, as a share of the time to train the architecture at all its rates. In brackets: "
    f"{LEVEL:.0%} bootstrap intervals ({RESAMPLES:,} resamples of the architectures, the same for all metrics). q: "
    "p-values controlled for the number of metrics (Benjamini and Hochberg). Partial: Pearson given depth and log "
    "width, as far as these differ (depth: given log width). NLC ahead by: |Spearman| of the NLC minus that of the "
    "metric. Off by: mean absolute error, in percentage points, of an isotonic regression on architectures that it "
    "has not seen (10-fold cross-validation, 5 times), and how much less that is than when always predicting the "
    "median. Of the ceiling: |Pearson| as a share of the noise ceiling. Change of correlation: how far the mean "
    "cosine of two outputs is from that of the inputs. Gradient length: the component size times a constant within a "
    "part, so that the two are one finding. Combinations: the least-squares prediction of the error by log NLC, log "
    "bias and whether there are skip connections, fitted without the architecture itself."
)


def tabulate(tables: Tables) -> Table:
    """All parts that have enough architectures. Raises MissingRecordsError if none has."""
    sections, remarks, missing = list[tuple[str, pd.DataFrame]](), dict[str, list[str]](), list[str]()
    without = dict[str, str]()
    for part in parts_of(tables.architectures):
        try:
            ranking = rank_metrics(part, tables.frames.get(MEASUREMENTS))
        except TooFewRowsError as error:
            missing.append(f"{part.title}: {error}")
            continue
        remarks[part.title] = _remarks(part, ranking) + _missing(part, tables.frames.get(MEASUREMENTS))
        top = None
        try:
            top = _ceiling(part, tables.architectures)
        except TooFewRowsError as error:
            without[part.title] = str(error)
        sections.append((_heading(part, ranking), _answer_frame(ranking)))
        sections.append((f"{part.title}: other correlations", _correlations_frame(ranking, top)))
        sections.append((f"{part.title}: within strata", _strata_frame(part, ranking)))
        if top is not None:
            remarks[part.title].append(_ceiling_remark(top, part, ranking))
            others = part.rows["index"].nunique() - top.architectures
            sections.append((f"{part.title}: noise ceiling", _ceiling_frame(top, others, ranking)))
    if not sections:
        raise MissingRecordsError("; ".join(missing) or "no architecture was trained")
    if len(without) == len(remarks):  # else the parts that have repetitions answer the question
        for title, reason in without.items():
            remarks[title].append(f"{reason}; {given_by(['paper-small'])}.")
    return Table(CAPTION, sections, missing, remarks)


TABLE = TableOf("best_metric", "Which initial metric predicts best?", tabulate, ("waveform-small", "paper"))


def _ceiling(part: Part, architectures: pd.DataFrame) -> Ceiling:
    """Over all initializations of the part. Raises TooFewRowsError."""
    rows = architectures[(architectures["part"] == part.name) & (architectures["status"] == OK)]
    columns = {"error": part.error, "metric": NLC.columns[0], "architecture": "index"}
    return ceiling(rows, **columns, initialization="initialization")


def _heading(part: Part, ranking: Ranking) -> str:
    return f"{part.title}: {len(ranking.used)} of {len(part.rows)} architectures, {text.reasons(ranking.left_out)}"


def _answer_frame(ranking: Ranking) -> pd.DataFrame:
    """How strongly each metric goes with the error, how well it predicts it, and what it takes."""
    rows = {
        row.metric.name: {
            "high error": EXPECTED[row.metric.expected] + (", log" if row.metric.log else ""),
            "Spearman": _estimate(row.spearman),
            "q (Spearman)": text.probability(row.spearman.q),
            "NLC ahead by": "–" if row.metric is NLC else _difference(row.behind),
            "off by, points": f"{100 * row.prediction.mean_absolute_error:.1f}",
            "less than the median": f"{row.prediction.absolute_removed:.0%}",
            "data used": row.metric.data,
            "cost": _share(row.cost),
        }
        for row in ranking.rows
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _correlations_frame(ranking: Ranking, top: Ceiling | None) -> pd.DataFrame:
    """The coefficients beside Spearman's."""
    highest = 0.0 if top is None else top.value
    rows = {
        row.metric.name: {
            "Pearson": _estimate(row.pearson),
            "q (Pearson)": text.probability(row.pearson.q),
            "Kendall": _estimate(row.kendall),
            "q (Kendall)": text.probability(row.kendall.q),
            "partial": _estimate(row.partial),
            "q (partial)": text.probability(row.partial.q),
            "of the ceiling": f"{abs(row.pearson.value) / highest:.0%}" if highest else "–",
            "0 or inf": str(row.at_ends),
        }
        for row in ranking.rows
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _strata_frame(part: Part, ranking: Ranking) -> pd.DataFrame:
    metrics = [NLC, *[row.metric for row in ranking.single if row.metric is not NLC][:COMPETITORS]]
    used, rows = ranking.used, {}
    properties: dict[str, ArrayLike] = {
        "normalization": used["normalization"],
        "activation": used["activation"],
        "skip connections": np.where(used["skips"] > 0, "with", "without"),
    }
    xs = np.array([ranking.of(metric).values for metric in metrics])
    for kind, found in strata(xs, used[part.error].to_numpy(dtype=np.float64), properties).items():
        for stratum in found:
            cells = {"n": str(stratum.n)}
            for metric, within in zip(metrics, stratum.metrics, strict=True):
                cells |= _within(metric.name, within)
            rows[kind, stratum.name] = cells
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["", ""])
    return frame


def _within(name: str, within: Within) -> dict[str, str]:
    return {f"{name}: Spearman": _bracketed(*within.spearman), f"{name}: Pearson": _bracketed(*within.pearson)}


def _ceiling_frame(top: Ceiling, others: int, ranking: Ranking) -> pd.DataFrame:
    c = top.first_two
    both = f"{text.coefficient(c.pearson)} [{c.low:.2f}, {c.high:.2f}]" if c.undefined is None else c.undefined
    best = max(ranking.rows, key=lambda row: abs(row.pearson.value))
    return pd.DataFrame.from_dict(
        {
            "architectures with several initializations": f"{top.architectures} ({others} others left out)",
            "trainings of them": str(top.trainings),
            "reliability of the error (ICC)": _bracketed(top.error, *top.error_interval),
            "reliability of log NLC (ICC)": _bracketed(top.metric, *top.metric_interval),
            "correlation of the errors of the first two initializations": both,
            "noise ceiling: sqrt of the error's reliability": _bracketed(top.value, *top.interval),
            f"largest |Pearson|: {best.metric.name}": f"{abs(best.pearson.value):.2f}",
        },
        orient="index",
        columns=["value"],
    )


def _ceiling_remark(top: Ceiling, part: Part, ranking: Ranking) -> str:
    best = max(ranking.rows, key=lambda row: abs(row.pearson.value))
    return (
        f"trained from several initial weights, {top.architectures} architectures repeat their {part.error_name} with "
        f"a reliability of {_bracketed(top.error, *top.error_interval)}, so that a metric of the architecture could "
        f"reach a |Pearson| of {top.value:.3f}; the largest is {abs(best.pearson.value):.2f} ({best.metric.name})."
    )


def _remarks(part: Part, ranking: Ranking) -> list[str]:
    """The answer for one part."""
    nlc, single = ranking.of(NLC), ranking.single
    error = part.error_name
    others = [row for row in single if row is not nlc]
    said = [
        f"of {len(single)} metrics, {single[0].metric.name} has the largest |Spearman| with {error}, "
        f"{_size(single[0].spearman)}. The NLC has {_size(nlc.spearman)}; its lead over the best of the others, "
        f"{_lead(others[0])}."
    ]
    if others[0].metric is DIAMETER:
        said[0] += (
            " The relative diameter measures the same nonlinearity by another walk (figure 1: about 1 / NLC); "
            f"the NLC's lead over the best of the rest, {_lead(others[1])}."
        )
    best, removed = min(ranking.rows, key=_off_by), nlc.prediction.absolute_removed
    said.append(
        f"from the NLC alone the {error} of an architecture is predicted to within "
        f"{100 * nlc.prediction.mean_absolute_error:.1f} percentage points on average, "
        + (f"{removed:.0%} less" if removed > 0 else "no less")
        + " than by always predicting the median; "
        + (
            "no other metric or combination does better."
            if best is nlc
            else f"best does {best.metric.name}, with {100 * best.prediction.mean_absolute_error:.1f} points "
            f"({best.prediction.absolute_removed:.0%} less)."
        )
    )
    told = [row for row in single if row.spearman.q < 1 - LEVEL]
    against = [row.metric.name for row in told if row.spearman.value * row.metric.expected < 0]
    said.append(
        f"{len(told)} of the {len(single)} metrics are related to the {error} at q < {1 - LEVEL:.2g}"
        + (f", {' and '.join(against)} against the expected direction." if against else ".")
    )
    if ranking.unranked:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in ranking.unranked.items())
        said.append(f"not ranked are {reasons}.")
    return said


def _missing(part: Part, measurements: pd.DataFrame | None) -> list[str]:
    """What metrics of the user's own could not measure: architectures that lack one are left out for all metrics."""
    if measurements is None:
        return []
    rows = measurements[measurements["stage"].eq(INITIAL) & measurements["unit_id"].isin(part.rows["unit_id"])]
    return [f"{line}." for line in missing_values(rows.itertuples())]


def _off_by(row: Ranked) -> float:
    return row.prediction.mean_absolute_error


def _lead(other: Ranked) -> str:
    """`depth, is +0.43 [+0.20, +0.60]: ahead`."""
    _, low, high = other.behind
    verdict = "ahead" if low > 0 else "behind" if high < 0 else "a difference that chance can make"
    return f"{other.metric.name}, is {_difference(other.behind)}: {verdict}"


def _estimate(estimate: Estimate) -> str:
    return _bracketed(estimate.value, estimate.low, estimate.high)


def _size(estimate: Estimate) -> str:
    """Without its sign."""
    low, high = (estimate.low, estimate.high) if estimate.value >= 0 else (-estimate.high, -estimate.low)
    return _bracketed(abs(estimate.value), low, high)


def _bracketed(value: float, low: float, high: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _difference(found: tuple[float, float, float]) -> str:
    value, low, high = found
    value = round(value, 2) + 0.0  # not -0.00; of an end, the sign says on which side of 0 it lies
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.2g}%" if value else "none"
