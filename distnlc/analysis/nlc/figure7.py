"""Figure 7: which of the starting rates was the best one: how often each run of the sweep was chosen.

Panel A is about the runs chosen by validation error (the paper shows CIFAR10), B about those chosen by training error.
Architectures that are not better than guessing are left out: their rate was not chosen meaningfully. If the ends of
the range, shaded, are empty, the range was wide enough (sections B.1 and E.2). That can be told only where every rate
was tried and every run trained to its end; of sweeps that were cut short the figure says so.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.nlc.paper import ENDS, VALIDATION
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.nlc.sweeps import Sweep, sweep_of, unchecked
from distnlc.analysis.report import Figure
from distnlc.analysis.statistics.correlations import usable_rows
from distnlc.analysis.tables import Tables


@dataclass(frozen=True)
class Chosen:
    """The chosen runs of one part."""

    title: str
    criterion: str
    indices: "pd.Series[int]"
    """one per architecture that is better than guessing; 1 = the smallest rate"""
    sweep: Sweep
    n_in: int
    left_out: str

    @property
    def at_ends(self) -> int:
        """How many architectures have their best rate in the first or last ENDS."""
        return int(((self.indices <= ENDS) | (self.indices > self.sweep.rates - ENDS)).sum())


def draw(tables: Tables) -> Drawing:
    """One histogram per part. Raises MissingRecordsError."""
    found = [chosen(part, tables.runs) for part in parts_of(tables.architectures)]
    if not any(len(one.indices) for one in found):
        reasons = "; ".join(f"{one.title}: {one.left_out}" for one in found) or "the study has no rows"
        raise MissingRecordsError(f"no architecture is better than guessing ({reasons})")
    headings = [(one.title, [f"n = {len(one.indices)} of {one.n_in}", one.left_out]) for one in found]
    figure, page_axes = page(headings, height=2.2)
    for one, axes in zip(found, page_axes, strict=True):
        _draw_panel(axes, one)
    remarks = [
        f"{one.title}: the best rate of {one.at_ends} of {len(one.indices)} architectures lies among the first or last "
        f"{ENDS}, so a wider range might have given them a lower error"
        + (" (the paper has none there)." if one.criterion == VALIDATION else ".")
        for one in found
        if one.at_ends
    ]
    remarks += unchecked({one.title: one.sweep for one in found})
    caption = (
        "How many architectures have their best run at each index of the range of starting rates, 1 being the smallest "
        f"rate. Shaded: the first and last {ENDS}. Only architectures that are better than guessing."
    )
    return Drawing(caption, figure, table=_table(found), remarks=remarks)


FIGURE = Figure("figure7", "Figure 7: the index of the chosen run", draw, ("paper-small", "paper"))


def chosen(part: Part, runs: pd.DataFrame) -> Chosen:
    """The chosen runs of the part's architectures that are better than guessing."""
    run, error = (part.rows[column].to_numpy(dtype=float) for column in ("best_run", part.error))
    kept, left_out = usable_rows(
        run,
        error,
        log_x=False,
        log_y=False,
        excluded=part.learned_only().left_out("best_run", part.error),
        names=("chosen run", "error"),
    )
    return Chosen(
        title=part.title,
        criterion=part.key[2],
        indices=pd.Series(run[kept].astype(int) + 1),
        sweep=sweep_of(runs[runs["unit_id"].isin(part.rows["unit_id"])]),
        n_in=len(run),
        left_out=text.reasons(left_out),
    )


def _draw_panel(axes: Axes, one: Chosen) -> None:
    for low, high in ((0.5, ENDS + 0.5), (one.sweep.rates - ENDS + 0.5, one.sweep.rates + 0.5)):
        axes.axvspan(low, high, color="0.9", linewidth=0)
    index, count = np.unique(one.indices, return_counts=True)
    axes.bar(index, count, width=1, color="#0072b2", edgecolor="white", linewidth=0.4)
    axes.set_xlim(0.5, max(one.sweep.rates, 1) + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(f"index of the chosen run ({one.criterion.replace('-', ' ')})")
    axes.set_ylabel("architectures")


def _table(found: list[Chosen]) -> pd.DataFrame:
    rows = {
        one.title: {
            "starting rates": str(one.sweep.rates),
            "tried": str(one.sweep.tried),
            "runs stopped early": f"{one.sweep.pruned} of {one.sweep.runs}",
            "lowest index": str(one.indices.min()) if len(one.indices) else "–",
            "highest index": str(one.indices.max()) if len(one.indices) else "–",
            f"first or last {ENDS}": str(one.at_ends),
            "paper": "none" if one.criterion == VALIDATION else "–",
            "rows used": f"{len(one.indices)} of {one.n_in}",
            "left out": one.left_out.removeprefix("left out: "),
        }
        for one in found
    }
    return pd.DataFrame.from_dict(rows, orient="index")
