"""Claims that can be checked without training (section 7), as one table.

In: the rows of all checks. One holds if it is within its relative tolerance of the target, or within three standard
errors where it has none; an exact one without either must be equal to rounding. `at most` and `at least` are judged by
the same margin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.statistics.means import NEAR
from distnlc.analysis.tables import Tables

TITLE = "Claims checked without training"
PRESETS = ("gradients-noise", "gradients-small", "gradients")
MANY = 100
"""standard errors, beyond which a difference is not counted"""
ROUNDING = 1e-9
"""relative, of an exact value"""


OUTSIDE = "its conditions not fulfilled"
"""part of the name of a check of a claim where its conditions do not hold"""


@dataclass(frozen=True)
class Check:
    """One claim with what was measured."""

    family: str
    case: str
    measured: float
    target: float
    error: float
    tolerance: float
    relation: str

    @property
    def margin(self) -> float:
        """By how much the measured value may miss the target."""
        if not math.isnan(self.tolerance):
            return self.tolerance * abs(self.target)
        return ROUNDING * max(abs(self.target), 1) if math.isnan(self.error) else NEAR * self.error

    @property
    def holds(self) -> bool:
        """False for what is not finite."""
        off = self.measured - self.target
        if not math.isfinite(self.measured):
            return False
        return {"equal": abs(off) <= self.margin, "at most": off <= self.margin, "at least": off >= -self.margin}[
            self.relation
        ]

    @property
    def named(self) -> str:
        return f"{self.family}, {self.case} ({text.number(self.measured, 4)} beside {text.number(self.target, 4)})"

    @property
    def judged_by(self) -> str:
        if not math.isnan(self.tolerance):
            return text.percent(self.tolerance)
        return "rounding" if math.isnan(self.error) else f"{NEAR:.0f} standard errors"


def checks_of(tables: Tables) -> list[Check]:
    """All rows, families in the order of the study's parts. Raises MissingRecordsError if there are none."""
    if tables.checks.empty:
        raise MissingRecordsError("no check is finished")
    order = {name: place for place, name in enumerate(tables.spec.get("parts") or {})}
    rows = sorted(tables.checks.itertuples(), key=lambda row: order.get(str(row.part), len(order)))
    return [_check(row) for row in rows]


def tabulate(tables: Tables) -> Table:
    """A section for each family. Raises MissingRecordsError."""
    found = checks_of(tables)
    families = dict.fromkeys(one.family for one in found)
    overview = pd.DataFrame.from_dict(
        {name: _summary([one for one in found if one.family == name]) for name in families}, "index"
    )
    sections = [("", overview)]
    for name in families:
        of_family = [one for one in found if one.family == name]
        sections.append((name, pd.DataFrame([_row(one) for one in of_family], index=[one.case for one in of_family])))
    caption = (
        "Difference: measured - target, in standard errors where there is one. A claim is judged by its tolerance, by "
        f"{NEAR:.0f} standard errors where it has none, or to rounding where it is exact."
    )
    return Table(caption, sections, remarks(found))


def remarks(found: Sequence[Check]) -> list[str]:
    """How many hold, and which do not."""
    holding = sum(one.holds for one in found)
    said = [f"{holding} of {len(found)} checks hold, in {len({one.family for one in found})} families."]
    others = [one for one in found if not one.holds]
    outside = [one for one in others if OUTSIDE in one.case]
    if outside:
        said.append(f"Not, outside the claim's own conditions: {'; '.join(one.named for one in outside)}.")
    if len(others) > len(outside):
        said.append(f"Not: {'; '.join(one.named for one in others if one not in outside)}; unexplained.")
    return said


def _check(row: Any) -> Check:
    values = (row.measured, row.target, row.standard_error, row.tolerance)
    measured, target, error, tolerance = (math.nan if pd.isna(value) else float(value) for value in values)
    return Check(row.check, row.case, measured, target, error, tolerance, row.relation)


def _summary(found: Sequence[Check]) -> dict[str, str]:
    return {"checks": str(len(found)), "hold": str(sum(one.holds for one in found))}


def _counted(errors: float) -> str:
    """A bound that is kept by far says no more than that."""
    return (
        f"{errors:+.1f}" if abs(errors) < MANY else f"{'>' if errors > 0 else '<'} {math.copysign(MANY, errors):+.0f}"
    )


def _row(one: Check) -> dict[str, str]:
    off = one.measured - one.target
    in_errors = "–" if math.isnan(one.error) or one.error == 0 else _counted(off / one.error)
    return {
        "measured": text.number(one.measured, 5),
        "standard error": text.number(one.error, 2),
        "relation": one.relation,
        "target": f"{one.target:.5g}",
        "difference": "0" if off == 0 else f"{off:+.2g}",
        "in standard errors": in_errors,
        "judged by": one.judged_by,
        "verdict": "holds" if one.holds else "does not hold",
    }
