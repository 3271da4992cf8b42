"""Claims of the paper that records decide, one for a panel of a figure: what it says, and how it is judged.

A claim about several networks is judged for each and counted; one of which the records are missing stays open, and
says what is missing.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from distnlc.analysis.statistics.correlations import Floats

HOLDS, FAILS, OPEN = "holds", "does not hold", "open"
Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Finding:
    """What the records say of a claim."""

    verdict: str
    """HOLDS, FAILS, OPEN, or for how many of how many it holds"""
    evidence: str
    """the numbers behind it, in a sentence"""


@dataclass(frozen=True)
class Claim(Generic[Subject]):
    """One sentence of the paper about one panel."""

    panel: str
    """figure and letter: 2A"""
    said: str
    judge: Callable[[Subject], Finding]


@dataclass(frozen=True)
class Judged:
    """A claim with its finding."""

    panel: str
    said: str
    finding: Finding

    @property
    def short(self) -> str:
        """For the head of a panel."""
        return f"{self.said}: {self.finding.verdict}"

    @property
    def sentence(self) -> str:
        return f"{self.panel}, {self.said}: {self.finding.verdict}. {self.finding.evidence}"


def judged(claims: Iterable[Claim[Subject]], subject: Subject, figure: str = "") -> list[Judged]:
    """The claims about one figure, or all."""
    return [Judged(one.panel, one.said, one.judge(subject)) for one in claims if one.panel.startswith(figure)]


Case = tuple[bool | None, str]
"""whether a claim holds for one network, None where that is undecided, and the numbers behind it"""


def counted(of: str, cases: Sequence[Case], missing: str) -> Finding:
    """A finding on several networks; open if there are none, or if all are undecided.

    of: the quantity that the cases give numbers of, as the beginning of a sentence.
    """
    if not cases:
        return Finding(OPEN, f"Missing: {missing}.")
    cases = [(holds if holds is None else bool(holds), said) for holds, said in cases]  # numpy has a truth of its own
    holding, undecided = (sum(holds is each for holds, _ in cases) for each in (True, None))
    decided = len(cases) - undecided
    sorts = {"Holds": True, "Does not hold": False, "Undecided": None}
    listed = {word: "; ".join(said for holds, said in cases if holds is each) for word, each in sorts.items()}
    there = {word: said for word, said in listed.items() if said}
    if len(there) == 1:
        evidence = f"{of}: {', '.join(there.values())}."
    else:
        evidence = f"{of}. {' '.join(f'{word}: {said}.' for word, said in there.items())}"
    if not decided:
        return Finding(OPEN, evidence)
    verdict = HOLDS if holding == decided else FAILS if not holding else f"holds for {holding} of {decided}"
    if undecided:
        verdict += f", {undecided} undecided"
    return Finding(verdict, evidence)


def larger(value: float, other: float, error: float) -> bool | None:
    """Whether a value is larger than another; None where they differ by less than two standard errors."""
    return None if math.isnan(error) or abs(value - other) <= 2 * error else value > other


def below(one: float, other: float) -> bool | None:
    """Whether an error is the lower one; None for equal ones, such as two of 0."""
    return None if one == other else one < other


def slope(across: Floats, values: Floats) -> tuple[float, float]:
    """Least squares of the logarithm of positive values (L,) over `across`, and its standard error."""
    usable = (values > 0) & np.isfinite(values)
    across, log_values = across[usable] - across[usable].mean(), np.log(values[usable])
    if log_values.size < 3:
        return math.nan, math.nan
    square = across @ across
    found = across @ log_values / square
    left = log_values - log_values.mean() - found * across
    return float(found), float(np.sqrt(left @ left / (log_values.size - 2) / square))


def frame(found: Sequence[Judged]) -> pd.DataFrame:
    """A row for each claim."""
    rows = [
        {"claim": one.said, "verdict": one.finding.verdict, "what the records show": one.finding.evidence}
        for one in found
    ]
    return pd.DataFrame(rows, index=[one.panel for one in found])


def tally(found: Sequence[Judged]) -> str:
    """`12 claims hold, 2 hold in part (2A, 5F), 1 does not (4A), 3 stay open`."""
    names = {HOLDS: "hold", "some": "hold for some networks", FAILS: "do not hold", OPEN: "stay open"}
    sorts: dict[str, list[str]] = {name: [] for name in names.values()}
    for one in found:
        sort, _, _ = one.finding.verdict.partition(",")
        sorts[names.get(sort, names["some"])].append(one.panel)
    said = [
        f"{len(panels)} {name}" + (f" ({', '.join(dict.fromkeys(panels))})" if name != "hold" else "")
        for name, panels in sorts.items()
        if panels
    ]
    return f"Of {len(found)} claims about figures " + ", ".join(said) + "."
