"""Claims of the paper that records decide, one for a panel of a figure: what it says, and how it is judged.

A claim about several networks is judged for each and counted; one of which the records are missing stays open, and
says what is missing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import pandas as pd

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


def counted(cases: Sequence[tuple[bool, str]], missing: str) -> Finding:
    """A finding on several cases, each with whether the claim holds and its numbers; open if there are none."""
    if not cases:
        return Finding(OPEN, f"Missing: {missing}.")
    holding = sum(holds for holds, _ in cases)
    verdict = HOLDS if holding == len(cases) else FAILS if not holding else f"holds for {holding} of {len(cases)}"
    return Finding(verdict, "; ".join(evidence if holds else f"not {evidence}" for holds, evidence in cases) + ".")


def frame(found: Sequence[Judged]) -> pd.DataFrame:
    """A row for each claim."""
    rows = [
        {"claim": one.said, "verdict": one.finding.verdict, "what the records show": one.finding.evidence}
        for one in found
    ]
    return pd.DataFrame(rows, index=[one.panel for one in found])


def tally(found: Sequence[Judged]) -> str:
    """`12 claims hold, 2 hold in part (2A, 5F), 1 does not (4A), 3 stay open`."""
    sorts = {"hold": [], "hold for some networks": [], "do not hold": [], "stay open": []}  # type: dict[str, list[str]]
    names = {HOLDS: "hold", FAILS: "do not hold", OPEN: "stay open"}
    for one in found:
        sorts[names.get(one.finding.verdict, "hold for some networks")].append(one.panel)
    said = [
        f"{len(panels)} {name}" + (f" ({', '.join(dict.fromkeys(panels))})" if name != "hold" else "")
        for name, panels in sorts.items()
        if panels
    ]
    return f"Of {len(found)} claims about figures " + ", ".join(said) + "."
