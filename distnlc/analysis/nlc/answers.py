"""The answers of a study in a few sentences: what ran, and does the initial NLC predict the error?

What the paper says in words is checked in claims.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.nlc.claims import Claim, GoodRange, claims, good_range
from distnlc.analysis.nlc.comparison import compared
from distnlc.analysis.nlc.paper import GOOD_NLC, STATED_NLC, Stated
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.nlc.sweeps import Sweep, cut_short, described, sweep_of
from distnlc.analysis.report import Answers, PartAnswers
from distnlc.analysis.statistics.correlations import Correlation, correlate
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
    sweep: Sweep
    seconds: float
    """time of all units, one after the other"""
    parameters: float
    """median over the architectures"""
    error: str
    """what the NLC is correlated with, as people call it"""
    by_test_error: bool
    """whether that is the test error"""
    correlation: Correlation
    """of log initial NLC with the error"""
    stated: Stated | None
    """the paper's value of it, if it states one"""
    compared: str
    """how it compares with that value; empty if there is nothing to compare"""
    good_range: GoodRange | None
    """none where runs were chosen by training error, which many architectures bring to 0, and of which the paper
    states no range"""
    claims: list[Claim]


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
    stated = STATED_NLC.get(part.key)
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
        sweep=sweep_of(own_runs),
        seconds=float(units["seconds"].sum()),
        parameters=float(rows["parameters"].median()),
        error=error,
        by_test_error=part.error == "test_error",
        correlation=correlation,
        stated=stated,
        compared=compared(part, correlation, stated) if stated and correlation.undefined is None else "",
        good_range=good_range(part),
        claims=claims(part, tables.runs),
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
    if part.sweep.runs:
        said.append(described(part.sweep))
    if c.undefined is not None:
        said.append(f"No correlation of log initial NLC with {part.error}: {c.undefined}.")
    else:
        said.append(
            f"The correlation of log initial NLC with {part.error} is {c.pearson:.2f} "
            f"(95% interval {c.low:.2f} to {c.high:.2f}, {text.p_value(c.p_value)}, n = {c.n})."
        )
        if part.compared:
            said.append(part.compared[0].upper() + part.compared[1:])
    return said + [claim.sentence for claim in part.claims]


def overview(parts: Sequence[PartSummary]) -> list[str]:
    """The answers of all parts together on the test error, in a few sentences; none where there is only one part."""
    known = [part for part in parts if part.by_test_error and part.correlation.undefined is None]
    if len(parts) < 2 or not known:
        return []
    each = [
        f"{part.correlation.pearson:.2f} [{part.correlation.low:.2f}, {part.correlation.high:.2f}] on {part.title}"
        + (f" (the paper's: {part.stated.r:.2f})" if part.stated else "")
        for part in known
    ]
    listed = ", ".join(each[:-1]) + " and " * (len(each) > 1) + each[-1]
    good = [part.good_range for part in known if part.good_range is not None]
    best, best_inside = sum(len(each.best) for each in good), sum(each.best_in_range for each in good)
    every, inside = sum(each.architectures for each in good), sum(each.in_range for each in good)
    cut = cut_short({part.title: part.sweep for part in known})
    return [
        "How well does the nonlinearity coefficient (NLC) of a network before training tell its test error after "
        f"training? The correlation of log initial NLC with the test error is {listed}.",
        f"Of the {best} architectures that are among the best 10% of their part, {best_inside} have an initial NLC "
        f"between {GOOD_NLC[0]:g} and {GOOD_NLC[1]:g}; of all {every}, {inside} have.",
        *([f"The search for the learning rate was cheaper than the paper's: {cut}."] if cut else []),
    ]


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
