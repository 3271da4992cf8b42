"""The answers of a study in a few sentences: what ran, and does the initial NLC predict the error?

Used at the top of the report and by the command line. "Best 10%" are the architectures with the lowest
error of their part (ties: lower index), rounded up to at least one. "Better than guessing" is an error below the
thresholds of the paper's section B.1 (parts.py); only such architectures say something about the range of learning
rates (section 4's check).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distnlc.analysis.drawing import format as text
from distnlc.analysis.load import Tables, load
from distnlc.analysis.nlc.paper import compared
from distnlc.analysis.nlc.parts import STATED_NLC, Part, parts_of
from distnlc.analysis.statistics.correlations import Correlation, correlate, usable_rows
from distnlc.records import DIVERGED, FAILED, PRUNED, SKIPPED

TEST_ERROR = "test error"
GOOD_NLC = (1.0, 3.0)
"""the range in which the paper finds the initial NLC of the best networks"""


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
    """what the NLC is correlated with: "test error" or "training error" """
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


@dataclass(frozen=True)
class Summary:
    """A whole study, part by part."""

    parts: list[PartSummary]

    @property
    def architectures(self) -> int:
        """Architectures with rows, failed ones included; each once, however many initial weights it has."""
        return sum(part.architectures for part in self.parts)

    @property
    def failed(self) -> int:
        """Units that were given up."""
        return sum(part.failed for part in self.parts)

    @property
    def runs(self) -> int:
        """Training runs, diverged and pruned ones included."""
        return sum(part.runs for part in self.parts)

    @property
    def diverged_runs(self) -> int:
        """Runs that diverged."""
        return sum(part.diverged_runs for part in self.parts)

    @property
    def pruned_runs(self) -> int:
        """Runs that left their population before their end."""
        return sum(part.pruned_runs for part in self.parts)

    @property
    def seconds(self) -> float:
        """Time of all units, one after the other."""
        return sum(part.seconds for part in self.parts)


def summary(folder: str | Path) -> Summary:
    """The summary of a study folder. Raises store.StoreError if it is no study."""
    return summarize(load(folder))


def summarize(tables: Tables) -> Summary:
    """The summary of a study's tables."""
    return Summary([_summarize_part(part, tables) for part in parts_of(tables.architectures)])


def _summarize_part(part: Part, tables: Tables) -> PartSummary:
    rows = part.rows
    # The work is that of all initial weights, the correlation that of the first (parts_of).
    units = tables.architectures[tables.architectures["part"] == rows["part"].iloc[0]]
    error = part.error_name
    nlc, errors = rows["init_nlc"].to_numpy(dtype=float), rows[part.error].to_numpy(dtype=float)
    correlation = correlate(
        nlc, errors, log_x=True, failed=part.failed, skipped=part.skipped, names=("initial NLC", error)
    )
    kept, _ = usable_rows(nlc, errors, log_x=True, log_y=False, failed=part.failed)
    best = rows[kept & (error == TEST_ERROR)].sort_values(part.error, kind="stable").head(math.ceil(0.1 * kept.sum()))
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
    """What several parts say together of the test error, in a few sentences; nothing where there is only one."""
    known = [part for part in parts if part.error == TEST_ERROR and part.correlation.undefined is None]
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
