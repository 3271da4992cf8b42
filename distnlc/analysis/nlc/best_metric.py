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
from distnlc.analysis.nlc.metrics import NLC, rank_metrics
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.nlc.verdicts import bracketed, difference, of_ceiling, verdicts
from distnlc.analysis.report import TableOf
from distnlc.analysis.statistics.coefficients import Estimate
from distnlc.analysis.statistics.correlations import LEVEL, RESAMPLES, TooFewRowsError
from distnlc.analysis.statistics.prediction import FAR
from distnlc.analysis.statistics.ranking import Ranking
from distnlc.analysis.statistics.refitting import PERMUTATIONS, REFITS
from distnlc.analysis.statistics.reliability import Ceiling, ceiling
from distnlc.analysis.statistics.shared_rows import MEASURED
from distnlc.analysis.statistics.strata import Within, strata
from distnlc.analysis.tables import Tables
from distnlc.records import MEASUREMENTS, OK

COMPETITORS = 2
"""how many metrics stand beside the NLC within strata"""

EXPECTED = {1: "high", -1: "low", 0: "not said"}

CAPTION = (
    "The error is each part's: test error, or training error where runs were chosen by it. All metrics are compared on "
    "the same architectures: one that lacks a metric is left out for all of them and counted above, under the metric's "
    f"name; a metric that over {1 - MEASURED:.0%} of the architectures lack is not ranked. Metrics in the order of "
    "|Spearman|. High error: the values of the metric (log: of its logarithm, in which Pearson, partial and joined "
    "fits take it) that should mean a high error; a correlation of the other sign contradicts that. 0 or inf: "
    "architectures that were measured to have less or more than can be told; they count as the smallest or largest of "
    "the others. Cost: median time to measure the metric at this study's effort, as a share of the time to train the "
    f"architecture at all its rates. In brackets: {LEVEL:.0%} bootstrap intervals ({RESAMPLES:,} resamples of the "
    "architectures, the same for all metrics). q: two-sided p-values controlled for the number of different metrics "
    "(Benjamini and Hochberg); gradient length is the component size times a constant within a part, so that the two "
    "are one test. Partial: Pearson given depth and log width, as far as these differ (depth: given log width). NLC "
    "ahead by: |Spearman| of the NLC minus that of the metric. Off by: mean absolute error, in percentage points, of "
    "an isotonic regression on architectures that it has not seen (10-fold cross-validation, 5 times), the share of "
    "these "
    f"predictions that are off by more than {100 * FAR:.0f} points, and how much less the mean is than when always "
    "predicting the median. Of the ceiling: |Pearson| as a share of the noise ceiling. Correlation preservation: over "
    "pairs of inputs, the correlation of the cosine of the inputs with that of the outputs. Combinations: the "
    "least-squares prediction of the error by log NLC, log bias and whether there are skip connections, fitted without "
    f"the architecture itself; p of {PERMUTATIONS} permutations of the errors and intervals of {REFITS} resamples, "
    "fitted anew in each; they are not among the metrics that q counts."
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
        remarks[part.title] = verdicts(part, ranking, tables)
        top = None
        try:
            top = _ceiling(part, tables.architectures)
        except TooFewRowsError as error:
            without[part.title] = str(error)
        sections.append((_heading(part, ranking), _answer_frame(ranking)))
        sections.append((f"{part.title}: other correlations", _correlations_frame(ranking, top)))
        sections.append((f"{part.title}: within strata", _strata_frame(part, ranking)))
        if top is not None:
            remarks[part.title].append(of_ceiling(top, part, ranking))
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
            "q (Spearman)": _q(row.spearman),
            "NLC ahead by": "–" if row.metric is NLC else difference(row.behind),
            "off by, points": f"{100 * row.prediction.mean_absolute_error:.1f}",
            f"off by over {100 * FAR:.0f}": f"{row.prediction.far_off:.0%}",
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
    return {f"{name}: Spearman": bracketed(*within.spearman), f"{name}: Pearson": bracketed(*within.pearson)}


def _ceiling_frame(top: Ceiling, others: int, ranking: Ranking) -> pd.DataFrame:
    c = top.first_two
    both = f"{text.coefficient(c.pearson)} [{c.low:.2f}, {c.high:.2f}]" if c.undefined is None else c.undefined
    best = max(ranking.rows, key=lambda row: abs(row.pearson.value))
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


def _q(estimate: Estimate) -> str:
    """q of a metric; of a combination, which q does not count, its own p."""
    return (
        text.probability(estimate.q)
        if math.isnan(estimate.p) or not math.isnan(estimate.q)
        else (text.p_value(estimate.p))
    )


def _estimate(estimate: Estimate) -> str:
    return bracketed(estimate.value, estimate.low, estimate.high)


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.2g}%" if value else "none"
