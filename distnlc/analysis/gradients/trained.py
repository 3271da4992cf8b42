"""Trainings as claims ask for them: those of a figure, pairs of networks, slopes over layers.

In: the finished trainings. Out: the runs that a figure shows, and claims that several figures share.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.claims import Case, Finding, counted
from distnlc.analysis.gradients.runs import Run, best_of, shown
from distnlc.analysis.statistics.correlations import Floats

BATCH_RELU = [("relu", "batch")]
WITHIN = 0.02
"""of the error, by which a Taylor reduction that keeps it may raise it"""


@dataclass(frozen=True)
class Runs:
    """All trainings of a study."""

    every: Sequence[Run]

    def of(self, figure: int, protocol: str = "", without: Sequence[tuple[str, str]] = ()) -> list[Run]:
        """Those that a figure shows, or of its networks by one protocol."""
        rows = [row for row in paper.TABLE_2 if row.figure == figure and row.setting[:2] not in without]
        found = [best_of(self.every, row, protocol) if protocol else shown(self.every, row) for row in rows]
        return [run for run in found if run is not None]

    def at(self, key: tuple[str, ...], protocol: str = "") -> Run | None:
        """The training of one row of table 2 that a figure shows, or by one protocol."""
        row = next(row for row in paper.TABLE_2 if row.setting[:4] == key)
        return best_of(self.every, row, protocol) if protocol else shown(self.every, row)

    def pairs(
        self, pairs: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], protocol: str = ""
    ) -> list[tuple[Run, Run]]:
        """Both trainings of those pairs of which there are both."""
        found = [(self.at(one, protocol), self.at(other, protocol)) for one, other in pairs]
        return [(one, other) for one, other in found if one is not None and other is not None]


def missing(figure: int, protocol: str = "") -> str:
    names = "; ".join(paper.name_of(row.setting) for row in paper.TABLE_2 if row.figure == figure)
    return f"{protocol + ' ' if protocol else ''}trainings of {names}"


def slope(across: Floats, values: Floats) -> tuple[float, float]:
    """Of the logarithm of positive values (L,) over linear layers, and its standard error."""
    usable = (values > 0) & np.isfinite(values)
    across, log_values = across[usable] - across[usable].mean(), np.log(values[usable])
    if log_values.size < 3:
        return np.nan, np.nan
    square = across @ across
    found = across @ log_values / square
    left = log_values - log_values.mean() - found * across
    return float(found), float(np.sqrt(left @ left / (log_values.size - 2) / square))


def updates_of(runs: Runs, figure: int) -> Iterator[tuple[Run, Floats, Floats, Floats]]:
    for run in runs.of(figure, "custom"):
        linear, updates, inverse = run.scale_at_updates()
        if linear.size >= 3:
            yield run, linear, updates, inverse


def shallow(figure: int) -> Callable[[Runs], Finding]:
    """Below the most that it can be: the lowest layer's gradient passes all linear layers but its own."""

    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(figure):
            _, depth = run.over_epochs("effective_depth_1e6")
            if depth.size:
                most = run.linear_layers - 1
                cases.append((bool(depth.max() < most), f"{run.name} {depth.max():.0f} of at most {most}"))
        return counted(cases, missing(figure))

    return judge


def below(one: float, other: float) -> bool | None:
    """Whether an error is the lower one; None for equal ones, such as two of 0."""
    return None if one == other else one < other


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def depth_of(run: Run) -> int | None:
    return None if pd.isna(run.row.effective_depth) else int(run.row.effective_depth)
