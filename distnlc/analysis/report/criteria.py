"""Claims judged by the rows: what is asked, what was found, and whether it holds.

A claim that is asked for at this size is accepted or not. One that the paper makes and that is not asked for at this
size is reported all the same: a negative where the rows do not show it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

HOLDS, FAILS, OPEN = "holds", "does not hold", "no verdict"


@dataclass(frozen=True)
class Criterion:
    """One claim about one panel of a figure."""

    where: str
    """figure and panel: `4, labels`; with an empty noun in full: `Table 1, max pooling`"""
    claim: str
    holds: bool | None
    """None: no verdict is written"""
    evidence: str
    """the numbers behind it"""
    asked: bool = True
    """whether it is asked for at this size; else it is the paper's claim alone"""
    basis: str = ""
    """what the threshold rests on"""
    why_open: str = ""
    """why there is no verdict"""
    noun: str = "Figure"
    """what `where` begins with the number of; empty where it says that itself"""

    @property
    def figure(self) -> str:
        """`4`, or `Table 1`."""
        return self.where.split(",")[0]

    @property
    def place(self) -> str:
        """`Figure 4, labels`."""
        return f"{self.noun} {self.where}".strip()

    @property
    def verdict(self) -> str:
        if self.holds is None:
            return f"{OPEN}: {self.why_open}" if self.why_open else OPEN
        return HOLDS if self.holds else FAILS

    @property
    def sentence(self) -> str:
        return f"{self.place}, {self.claim}: {self.verdict}. {self.evidence}"


def too_few(n: int, fewest: int, noun: str) -> str:
    """Why so few decide nothing; empty if they are enough."""
    return "" if n >= fewest else f"{n or 'no'} {noun}, at least {fewest} decide"


def decided(holds: bool, why_open: str) -> bool | None:
    """The verdict, or None where there is a reason for none."""
    return None if why_open else bool(holds)


def failing(found: Iterable[Criterion]) -> list[Criterion]:
    """Those asked for that do not hold."""
    return [one for one in found if one.asked and one.verdict == FAILS]


def negatives(found: Iterable[Criterion]) -> list[Criterion]:
    """Claims of the paper, not asked for at this size, that the rows do not show."""
    return [one for one in found if not one.asked and one.holds is False]


def sections(found: Sequence[Criterion]) -> list[tuple[str, pd.DataFrame]]:
    """The table of all, what is asked for first."""
    sorts = (
        ("Asked for at this size", [one for one in found if one.asked]),
        ("Claims of the paper, not asked for at this size", [one for one in found if not one.asked]),
    )
    return [(title, frame(rows)) for title, rows in sorts if rows]


def frame(found: Iterable[Criterion]) -> pd.DataFrame:
    """A row for each."""
    every = list(found)
    rows = [
        {"claim": one.claim, "verdict": one.verdict, "found": one.evidence, "the limit rests on": one.basis or "–"}
        for one in every
    ]
    return pd.DataFrame(rows, index=[one.where for one in every])


def tally(found: Sequence[Criterion]) -> list[str]:
    """Sentences on how many of the criteria asked for hold, and which negatives there are."""
    asked, others = [one for one in found if one.asked], [one for one in found if not one.asked]
    said = []
    if asked:
        said.append(_how_many_hold(asked))
    if others:
        shown, undecided = (sum(one.holds is holds for one in others) for holds in (True, None))
        said.append(
            f"Of {len(others)} further claims of the paper, which are not asked for at this size, the rows show "
            f"{shown or 'none'}{f'; {undecided} have no verdict' if undecided else ''}."
        )
    return said


def _how_many_hold(asked: Sequence[Criterion]) -> str:
    """`All 37 criteria hold.`, or `35 of 37 criteria hold, 1 does not (figure 4), 1 stays open (figure 6).`"""
    holding, broken, left_open = ([one for one in asked if one.holds is holds] for holds in (True, False, None))
    if len(holding) == len(asked) > 1:
        return f"All {len(asked)} criteria hold."
    noun, one_holds = "criteria" if len(asked) > 1 else "criterion", 1 in (len(holding), len(asked))
    said = [f"{len(holding) or 'None'} of {len(asked)} {noun} hold{'s' * one_holds}"]
    if broken:
        said.append(f"{len(broken)} {'does' if len(broken) == 1 else 'do'} not{_named(broken)}")
    if left_open:
        said.append(f"{len(left_open)} stay{'s' * (len(left_open) == 1)} open{_named(left_open)}")
    return ", ".join(said) + "."


def _named(found: Sequence[Criterion]) -> str:
    """The figures that they are about."""
    if not found:
        return ""
    figures, noun = dict.fromkeys(one.figure for one in found), found[0].noun.lower()
    return f" ({noun}{'s' * (len(figures) > 1)} {', '.join(figures)})" if noun else f" ({', '.join(figures)})"
