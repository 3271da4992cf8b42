"""Which initial metric predicts best? The NLC, its competitors in the paper's section 6, simple combinations, those of
the spec's groups and the user's own.

For every part of the study: one row per metric with its correlations, what it costs, and how well it predicts the
error of an architecture that it has not seen; the same within strata; the noise ceiling. Last, all parts side by side.
"""

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError, given_by
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.nlc import metric_frames as frames
from distnlc.analysis.nlc import stability
from distnlc.analysis.nlc.metrics import NLC, rank_metrics
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.nlc.verdicts import of_ceiling, verdicts
from distnlc.analysis.report import TableOf
from distnlc.analysis.statistics.correlations import LEVEL, RESAMPLES, TooFewRowsError
from distnlc.analysis.statistics.learning import RELEARNED
from distnlc.analysis.statistics.prediction import FAR
from distnlc.analysis.statistics.ranking import AFFORDABLE, ALL, Ranking
from distnlc.analysis.statistics.refitting import PERMUTATIONS, REFITS
from distnlc.analysis.statistics.reliability import Ceiling, ceiling
from distnlc.analysis.statistics.shared_rows import MEASURED
from distnlc.analysis.tables import Tables
from distnlc.records import MEASUREMENTS, OK

CAPTION = (
    "The error is each part's: test error, or training error where runs were chosen by it. All metrics are "
    "compared on the same architectures: one that lacks a metric is left out for all of them and counted above, "
    f"under the metric's name. Metrics without which {MEASURED:.0%} of the architectures would not have all are "
    "compared apart, each with the NLC on the architectures that have it. Metrics in the order of |Spearman|. High "
    "error: the values of the metric (log: of its logarithm, in which Pearson, partial and joined fits take it) "
    "that should mean a high error; a correlation of the other sign contradicts that. 0 or inf: architectures that "
    "were measured to have less or more than can be told; they count as the smallest or largest of the others. "
    "Cost: median time to measure the metric at this study's effort, as a share of the time to train the "
    f"architecture at all its rates. In brackets: {LEVEL:.0%} bootstrap intervals ({RESAMPLES:,} resamples of the "
    "architectures, the same for all metrics; those of Pearson and partial are at times a little narrow: with 50 "
    "to 90 architectures 5 to 7% are without 0 by chance). q: two-sided p-values controlled for the number of "
    "different metrics (Benjamini and Hochberg; those compared apart count, too); gradient length is the component "
    "size times a constant within a part, so that the two are one test. Partial: Pearson given depth, log width and "
    "log parameters, as far as these differ (each of them: given the others). NLC ahead by: |Spearman| of the NLC "
    "minus that of the metric. Off by: mean absolute error, in percentage points, of an isotonic regression on "
    "architectures that it has not seen (10-fold cross-validation, 5 times; the interval is that of the "
    "architectures predicted, for given fits), by how much more that is than the NLC's, the share of these "
    f"predictions that are off by more than {100 * FAR:.0f} points, by how much the worst is, and how much less the "
    "mean is than when always predicting the median. Of the ceiling: |Pearson| as a share of the noise ceiling. "
    "Correlation preservation: over pairs of inputs, the correlation of the cosine of the inputs with that of the "
    "outputs. Combinations: the least-squares prediction of the error by log NLC, log bias and whether there are "
    f"skip connections, fitted without the architecture itself; p of {PERMUTATIONS} permutations of the errors and "
    f"intervals of {REFITS} resamples, fitted anew in each; they are not among the metrics that q counts. So are "
    f"the two models that choose by the errors themselves, from the metrics as they are correlated: {ALL}, its "
    "penalty by generalized cross-validation, and the best pair of metrics that together take at most "
    f"{AFFORDABLE:.0%} of the training; penalty and pair are chosen anew in every fold, permutation and resample "
    f"({RELEARNED} resamples)."
)


def tabulate(tables: Tables) -> Table:
    """All parts that have enough architectures. Raises MissingRecordsError if none has."""
    sections, remarks, missing = list[tuple[str, pd.DataFrame]](), dict[str, list[str]](), list[str]()
    without, rankings = dict[str, str](), dict[str, Ranking]()
    for part in parts_of(tables.architectures):
        try:
            ranking = rank_metrics(part, tables.frames.get(MEASUREMENTS))
        except TooFewRowsError as error:
            missing.append(f"{part.title}: {error}")
            continue
        rankings[part.title], remarks[part.title] = ranking, verdicts(part, ranking, tables)
        top = None
        try:
            top = _ceiling(part, tables.architectures)
            remarks[part.title].append(of_ceiling(top, part, ranking))
        except TooFewRowsError as error:
            without[part.title] = str(error)
        sections += _sections(part, ranking, top)
    if not sections:
        raise MissingRecordsError("; ".join(missing) or "no architecture was trained")
    if len(without) == len(remarks):  # else the parts that have repetitions answer the question
        for title, reason in without.items():
            remarks[title].append(f"{reason}; {given_by(['paper-small'])}.")
    overview = list[str]()
    if len(rankings) > 1:
        overview = stability.answer(rankings)
        sections.append(("All parts side by side: Spearman, and the place", stability.side_by_side(rankings)))
        missing = [*stability.agreement(rankings), *missing]
    return Table(CAPTION, sections, missing, remarks, overview)


TABLE = TableOf("best_metric", "Which initial metric predicts best?", tabulate, ("waveform-small", "paper"))


def _sections(part: Part, ranking: Ranking, top: Ceiling | None) -> list[tuple[str, pd.DataFrame]]:
    """One part's frames under their headings."""
    found = [
        (_heading(part, ranking), frames.answers(ranking)),
        (f"{part.title}: other correlations", frames.correlations(ranking, top)),
        (f"{part.title}: among architectures that are alike, Spearman", frames.at_equal(part, ranking)),
        (f"{part.title}: within strata", frames.within_strata(part, ranking)),
    ]
    if ranking.apart:
        few = f"{part.title}: metrics that many architectures lack, each on those that have it"
        found.insert(1, (few, frames.apart(ranking)))
    if top is not None:
        others = part.rows["index"].nunique() - top.architectures
        found.append((f"{part.title}: noise ceiling", frames.noise_ceiling(top, others, ranking)))
    return found


def _ceiling(part: Part, architectures: pd.DataFrame) -> Ceiling:
    """Over all initializations of the part. Raises TooFewRowsError."""
    rows = architectures[(architectures["part"] == part.name) & (architectures["status"] == OK)]
    columns = {"error": part.error, "metric": NLC.columns[0], "architecture": "index"}
    return ceiling(rows, **columns, initialization="initialization")


def _heading(part: Part, ranking: Ranking) -> str:
    return f"{part.title}: {len(ranking.used)} of {len(part.rows)} architectures, {text.reasons(ranking.left_out)}"
