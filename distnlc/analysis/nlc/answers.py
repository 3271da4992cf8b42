"""The answers of a study in a few sentences: what ran, and does the initial NLC predict the error?

"Best 10%" are the architectures with the lowest
error of their part (ties: lower index), rounded up to at least one. "Better than guessing" is an error below the
thresholds of the paper's section B.1; only such architectures say something about the range of learning
rates (section 4's check).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.nlc.comparison import compared
from distnlc.analysis.nlc.paper import GOOD_NLC, STATED_NLC
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.report import Answers, PartAnswers
from distnlc.analysis.statistics.correlations import Correlation, correlate, usable_rows
from distnlc.analysis.tables import Tables
from distnlc.records import DIVERGED, FAILED, PRUNED, SKIPPED


@dataclass(frozen=True, kw_only=True)
class PartSummary:
    """One part's counts and its main correlation."""

    title: str
    architectures: int
    units: int
    """rows: as many as architectures, or more where each is trained from several initial weights"""
    failed: int
    """units that were given up"""
    skipped: int
    """units that `train_if` left untrained"""
    runs: int
    diverged_runs: int
    pruned_runs: int
    seconds: float
    """time of all units, one after the other"""
    parameters: float
    """median over the architectures"""
    better_than_guessing: int
    best_at_edge: int
    """how many of those have their best run among the first or last rates"""
    error: str
    """what the NLC is correlated with, as people call it"""
    by_test_error: bool
    """whether that is the test error"""
    correlation: Correlation
    """of log initial NLC with the error"""
    stated: tuple[float, ...]
    """the paper's value of it, if it states one"""
    compared: str
    """how it compares with that value; empty if there is nothing to compare"""
    best_nlc: tuple[float, ...]
    """initial NLC of the best 10%, the best first; none where runs were chosen by training error, which many
    architectures bring to 0, and of which the paper states no range"""

    @property
    def best_in_range(self) -> int:
        """How many of the best 10% have an initial NLC in GOOD_NLC."""
        return sum(GOOD_NLC[0] <= nlc <= GOOD_NLC[1] for nlc in self.best_nlc)


def answers(tables: Tables) -> Answers:
    """The study's answers, for the report and the command line."""
    parts = summarize(tables)
    architectures, failed = sum(part.architectures for part in parts), sum(part.failed for part in parts)
    runs, diverged = sum(part.runs for part in parts), sum(part.diverged_runs for part in parts)
    pruned = sum(part.pruned_runs for part in parts)
    return Answers(
        facts=[
            (f"{architectures:,}", "architectures"),
            (f"{runs:,}", "training runs"),
            (text.duration(sum(part.seconds for part in parts)), "of work"),
        ],
        work=[
            f"{architectures} architectures ({failed} failed), {runs:,} training runs, {diverged:,} of them diverged"
            f"{f', {pruned:,} pruned before their end' if pruned else ''}; {len(tables.epochs):,} epochs.",
        ],
        overview=overview(parts),
        parts=[PartAnswers(part.title, f"{part.architectures:,} architectures", sentences(part)) for part in parts],
        counts=pd.DataFrame(
            {
                "part": part.title,
                "architectures": f"{part.architectures:,}",
                "failed": f"{part.failed:,}",
                "runs": f"{part.runs:,}",
                "diverged": f"{part.diverged_runs:,}",
                "pruned": f"{part.pruned_runs:,}",
                "parameters (median)": f"{part.parameters:,.0f}",
                "time of the units": text.duration(part.seconds),
            }
            for part in parts
        ),
    )


def summarize(tables: Tables) -> list[PartSummary]:
    """The study part by part."""
    return [_summarize_part(part, tables) for part in parts_of(tables.architectures)]


def _summarize_part(part: Part, tables: Tables) -> PartSummary:
    rows = part.rows
    # The work is that of all initial weights, the correlation that of the first (parts_of).
    units = tables.architectures[tables.architectures["part"] == rows["part"].iloc[0]]
    error = part.error_name
    nlc, errors = rows["init_nlc"].to_numpy(dtype=float), rows[part.error].to_numpy(dtype=float)
    excluded = part.left_out("init_nlc", part.error)
    correlation = correlate(nlc, errors, log_x=True, excluded=excluded, names=("initial NLC", error))
    kept, _ = usable_rows(nlc, errors, log_x=True, log_y=False, excluded=excluded)
    by_test_error = part.error == "test_error"
    best = rows[kept & by_test_error].sort_values(part.error, kind="stable").head(math.ceil(0.1 * kept.sum()))
    better = rows[rows[part.error].notna() & ~part.guessing]
    stated = (STATED_NLC[part.key],) if part.key in STATED_NLC else ()
    own_runs = tables.runs[tables.runs["unit_id"].isin(units["unit_id"])]
    return PartSummary(
        title=part.title,
        architectures=len(rows),
        units=len(units),
        failed=int((units["status"] == FAILED).sum()),
        skipped=int((units["status"] == SKIPPED).sum()),
        runs=len(own_runs),
        diverged_runs=int((own_runs["status"] == DIVERGED).sum()),
        pruned_runs=int((own_runs["status"] == PRUNED).sum()),
        seconds=float(units["seconds"].sum()),
        parameters=float(rows["parameters"].median()),
        better_than_guessing=len(better),
        best_at_edge=int(better["best_at_edge"].fillna(False).sum()),
        error=error,
        by_test_error=by_test_error,
        correlation=correlation,
        stated=stated,
        compared=compared(part, correlation, stated) if stated and correlation.undefined is None else "",
        best_nlc=tuple(best["init_nlc"]),
    )


def sentences(part: PartSummary) -> list[str]:
    """The part's answers, one plain sentence each."""
    c = part.correlation
    finished = f"{part.units - part.failed - part.skipped} of {_many(part.units, 'architecture')} finished"
    if part.units > part.architectures:
        counted = _many(part.architectures, "architecture")
        finished = f"{finished.replace('architecture', 'unit')} ({counted}, each from several initial weights)"
    said = [
        f"{finished}, {part.failed} failed{f', {part.skipped} skipped by train_if' if part.skipped else ''}; "
        f"{part.runs:,} training runs, {part.diverged_runs:,} of them diverged"
        f"{f', {part.pruned_runs:,} pruned' if part.pruned_runs else ''}."
    ]
    if c.undefined is not None:
        said.append(f"No correlation of log initial NLC with {part.error}: {c.undefined}.")
    else:
        said.append(
            f"The correlation of log initial NLC with {part.error} is {c.pearson:.2f} "
            f"(95% interval {c.low:.2f} to {c.high:.2f}, {text.p_value(c.p_value)}, n = {c.n})."
        )
        if part.compared:
            said.append(part.compared[0].upper() + part.compared[1:])
    if part.best_nlc:
        low, high = min(part.best_nlc), max(part.best_nlc)
        said.append(
            f"Of the best 10% ({_many(len(part.best_nlc), 'architecture')}), {part.best_in_range} "
            f"{'has' if part.best_in_range == 1 else 'have'} an initial NLC between {GOOD_NLC[0]:g} and "
            f"{GOOD_NLC[1]:g}; theirs range from {text.number(low)} to {text.number(high)}."
        )
    if part.better_than_guessing:
        said.append(
            f"The best starting rate lies at the edge of the range for {part.best_at_edge} of the "
            f"{_many(part.better_than_guessing, 'architecture')} that are better than guessing."
        )
    return said


def overview(parts: Sequence[PartSummary]) -> list[str]:
    """The answers of all parts together on the test error, in a few sentences; none where there is only one part."""
    known = [part for part in parts if part.by_test_error and part.correlation.undefined is None]
    if len(parts) < 2 or not known:
        return []
    each = [
        f"{part.correlation.pearson:.2f} [{part.correlation.low:.2f}, {part.correlation.high:.2f}] on {part.title}"
        + (f" (the paper's: {part.stated[0]:.2f})" if part.stated else "")
        for part in known
    ]
    listed = ", ".join(each[:-1]) + " and " * (len(each) > 1) + each[-1]
    best, inside = sum(len(part.best_nlc) for part in known), sum(part.best_in_range for part in known)
    return [
        "How well does the nonlinearity coefficient (NLC) of a network before training tell its test error after "
        f"training? The correlation of log initial NLC with the test error is {listed}.",
        f"Of the {best} architectures that are among the best 10% of their part, {inside} have an initial NLC between "
        f"{GOOD_NLC[0]:g} and {GOOD_NLC[1]:g}.",
    ]


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
