"""Table 1: gradient scale at the input, spread and sign diversity at the top of every network on noise, beside print.

In: the finished networks on noise. Of rows whose gradient scale spreads much, it is that of the part with the most
networks; everything else is of the networks with the most points, since sign diversity depends on their number. With
batch norm the number of points is part of what is measured: other numbers than the paper's are shown and not judged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.comparison import Compared, compared, counted
from distnlc.analysis.gradients.networks import Group, groups_of
from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import RESAMPLES, SEED
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables

TITLE = "Table 1: networks on noise beside the paper"
QUANTILES = (0.5, 0.05, 0.95)
TOO_FEW = 5
"""networks, of which a stated spread is itself not well known"""


@dataclass(frozen=True)
class Found:
    """One row of table 1 with the networks that this study has of it."""

    row: paper.Row
    groups: Sequence[Group]
    """by their number of points, the most first"""

    @property
    def name(self) -> str:
        return f"{self.row.number} {paper.name_of(self.row.setting)}"

    @property
    def large(self) -> Group:
        """The networks with the most points."""
        return self.groups[0]

    @property
    def many(self) -> Group:
        """The networks that the gradient scale is taken of."""
        spread = self.row.number in paper.MANY_SMALL
        return max(self.groups, key=lambda group: group.size) if spread else self.large

    def gsc(self, group: Group) -> Compared:
        return compared(self.name, self.row.gsc, group.column("gsc_input"), paper.NETWORKS, self.row.spread)

    @property
    def std(self) -> Compared:
        stated = paper.MISPRINTS.get(self.row.number, self.row.std)
        return compared(self.name, stated, self.large.column("std_top"), paper.NETWORKS)

    @property
    def sign_diversity(self) -> Compared:
        values = self.large.column("sign_diversity_top")
        return compared(self.name, self.expected_sign_diversity, values, paper.NETWORKS)

    @property
    def expected_sign_diversity(self) -> str:
        """As printed; of symmetric neurons what 0.50 is over as many points as there were."""
        if float(self.row.sign_diversity) < 0.5 or self.large.points >= paper.POINTS:
            return self.row.sign_diversity
        return f"{paper.sign_diversity_of_symmetric(self.large.points):.2f}"

    @property
    def judged(self) -> bool:
        return self.many.comparable


def found(tables: Tables) -> list[Found]:
    """The rows of table 1 of which a network is finished. Raises MissingRecordsError if there are none."""
    groups = [group for group in groups_of(tables) if group.size and group.row is not None]
    rows = [Found(row, [group for group in groups if group.row is row]) for row in paper.TABLE_1]
    if not (there := [one for one in rows if one.groups]):
        raise MissingRecordsError("no finished network on noise with a setting of table 1")
    return there


def tabulate(tables: Tables) -> Table:
    """Gradient scale, spread and sign diversity, each with its verdicts. Raises MissingRecordsError."""
    every = found(tables)
    sections = [
        ("Gradient scale at the input, GSC(L, 0)", _of(every, lambda one: _gsc(one, one.many))),
        ("Spread of what enters the highest activation", _of(every, _std)),
        ("Sign diversity of what enters the highest activation", _of(every, _sign_diversity)),
    ]
    if others := {
        f"{one.name}, {group.points:,} points": _gsc(one, group)
        for one in every
        for group in one.groups
        if group is not one.many
    }:
        sections.insert(1, ("Gradient scale from other numbers of points", pd.DataFrame.from_dict(others, "index")))
    if spread := [one for one in every if one.row.number in paper.WITH_QUANTILES and one.many.size > 1]:
        sections.insert(1, ("Quantiles over networks of the gradient scale", _of(spread, _quantiles)))
    caption = (
        "Difference: (measured - stated) / its standard error, which holds that of the measured mean, that of the "
        f"print's mean over {paper.NETWORKS} networks and the rounding of its last digit. Both spreads over networks "
        "are one: the spec's or this study's, whichever is of more networks; one of few networks counts by Student's "
        "t. Elsewhere: an independent measurement, with its networks x points."
    )
    return Table(caption, sections, remarks(every))


def remarks(every: Sequence[Found]) -> list[str]:
    """How many rows agree, what is not counted and why, what is missing."""
    judged = [one for one in every if one.judged]
    said = [
        *counted([one.gsc(one.many) for one in judged], "Gradient scales of table 1"),
        *counted([one.std for one in every], "Spreads at the top"),
        *counted([one.sign_diversity for one in every], "Sign diversities at the top"),
    ]
    for one in every:
        if one.row.number in paper.MISPRINTS:
            said.append(
                f"Row {one.row.number} prints a spread of {one.row.std}, which cannot be behind layer norm (at most "
                f"1): read as {paper.MISPRINTS[one.row.number]}, the point misplaced."
            )
    if other := [one for one in every if not one.judged]:
        sizes = ", ".join(sorted({f"{one.many.points:,}" for one in other}))
        said.append(
            f"Not judged: {_numbers(other)}, with batch norm over {sizes} points instead of {paper.POINTS:,}, which "
            "is part of the definition: fewer points give larger gradient scales."
        )
    if few := [one for one in judged if max(one.row.spread[1], one.many.size) < TOO_FEW]:
        said.append(f"Spreads known from fewer than {TOO_FEW} networks, which Student's t allows for: {_numbers(few)}.")
    if fewer := [one for one in every if one.large.points < paper.POINTS and float(one.row.sign_diversity) == 0.5]:
        said.append(
            f"A sign diversity of symmetric neurons is 0.5 - 0.4 / sqrt(points): beside 0.50 of {_numbers(fewer)} "
            "stands what that is for as many points as there were."
        )
    if infinite := {one.name: sum(group.not_finite for group in one.groups) for one in every}:
        named = [f"{count} of {name}" for name, count in infinite.items() if count]
        said += [f"Left out, their gradient scale is not finite: {', '.join(named)}."] if named else []
    if missing := sorted({row.number for row in paper.TABLE_1} - {one.row.number for one in every}):
        said.append(f"Rows without a finished network: {', '.join(map(str, missing))}.")
    return said


def _of(every: Sequence[Found], cells: Callable[[Found], dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict({one.name: cells(one) for one in every}, orient="index")


def _gsc(one: Found, group: Group) -> dict[str, str]:
    cells = {"printed": one.row.gsc} | _unstated(one.gsc(group))
    if not group.comparable:
        cells |= {"difference": "–", "verdict": "other points"}
    elsewhere = one.row.measured
    if (second := paper.ALSO_MEASURED.get(one.row.number)) and second.points == group.points:
        elsewhere = second
    of = f"{elsewhere.networks} x {elsewhere.points:,}"
    cells["elsewhere"] = f"{text.number(elsewhere.value, 4)} ± {text.number(elsewhere.error, 2)} ({of})"
    return {"networks": str(group.size), "points": f"{group.points:,}"} | cells


def _std(one: Found) -> dict[str, str]:
    printed = one.row.std if one.row.number not in paper.MISPRINTS else f"{one.row.std} (misprint)"
    return {"printed": printed} | _unstated(one.std) | {"elsewhere": text.number(one.row.measured_std)}


def _sign_diversity(one: Found) -> dict[str, str]:
    return (
        {"printed": one.row.sign_diversity, "of so many points": one.expected_sign_diversity}
        | _unstated(one.sign_diversity)
        | {"elsewhere": text.number(one.row.measured_sign_diversity)}
    )


def _unstated(one: Compared) -> dict[str, str]:
    """A comparison without the stated value, which stands under a name of its own."""
    return {name: value for name, value in one.shown.items() if name != "stated"}


def _quantiles(one: Found) -> dict[str, str]:
    """Each with its bootstrap interval over networks."""
    values = np.sort(one.many.column("gsc_input"))
    draws = np.random.default_rng(SEED).integers(values.size, size=(RESAMPLES, values.size))
    resampled = np.quantile(values[draws], QUANTILES, axis=1)
    ours = np.quantile(values, QUANTILES)
    cells = {"networks": str(values.size)}
    stated = paper.QUANTILES.get(one.row.number, ("–",) * len(QUANTILES))
    for name, value, low_high, theirs in zip(("median", "5 %", "95 %"), ours, resampled, stated, strict=True):
        low, high = resampling.interval(low_high)
        cells[f"{name} [95 % interval]"] = text.bracketed(Estimate(float(value), low, high), 3)
        cells[f"{name} elsewhere"] = theirs
    return cells


def _numbers(every: Sequence[Found]) -> str:
    rows = [str(one.row.number) for one in every]
    return f"row{'s' * (len(rows) > 1)} {', '.join(rows)}"


def whole(every: Sequence[Found]) -> tuple[int, int, int]:
    """Judged rows within 3 standard errors, judged rows, and those beyond 5, of the gradient scale."""
    values = [value for one in every if one.judged and (value := one.gsc(one.many)).known]
    return sum(value.near for value in values), len(values), sum(value.far for value in values)
