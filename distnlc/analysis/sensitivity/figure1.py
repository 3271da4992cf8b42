"""Figure 1: the generalization gap against the number of weights, and against the training loss.

In: the tables of a study. The rows are those trained with true labels of the parts that also train with random ones,
on CIFAR10 where there is any. At small sizes nothing is asked: the weights span one decade. Where trainings stop once
they are fitted the losses span what the stop allows, so that the claims about losses get no verdict there.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from distnlc.analysis import report
from distnlc.analysis.drawing.axes import COLOURS, plain_log
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity.cells import PRESETS, Cells, cells_of, left_out, size_of
from distnlc.analysis.sensitivity.gap_figures import written
from distnlc.analysis.sensitivity.thresholds import FEWEST_ROWS, LOSS_CORRELATION, LOWEST_GAPS
from distnlc.analysis.statistics.correlations import Floats, TooFewRowsError
from distnlc.analysis.statistics.rank_correlations import RankCorrelation, rank_correlations
from distnlc.analysis.tables import Tables

COLUMNS = {"parameters": "number of weights", "train_loss": "training loss"}


def networks_of(tables: Tables) -> Cells | None:
    """The networks that the figure shows; None if there are none."""
    networks = tables.networks
    rows = networks[networks["pair_labels"].notna() & (networks["labels"] == "true")]
    if (rows["dataset"] == "cifar10").any():
        rows = rows[rows["dataset"] == "cifar10"]
    found = cells_of(rows) if len(rows) else None
    return found if found is not None and len(found.frame) else None


def correlations(cells: Cells) -> dict[str, RankCorrelation]:
    """Column -> its correlation with the gap; none for fewer than three networks."""
    frame = cells.frame
    columns = np.array([frame[name].to_numpy(dtype=float) for name in COLUMNS])
    try:
        found = rank_correlations(columns, frame["gap"].to_numpy(dtype=float), frame["cluster"])
    except TooFewRowsError:
        return {}
    return dict(zip(COLUMNS, found, strict=True))


def criteria(tables: Tables) -> list[Criterion]:
    """The paper's three claims, asked for at its size alone."""
    cells = networks_of(tables)
    if cells is None:
        return []
    frame, few = cells.frame, too_few(len(cells.frame), FEWEST_ROWS, "networks")
    gap, weights, loss = (frame[name].to_numpy(dtype=float) for name in ("gap", "parameters", "train_loss"))
    lowest = np.argsort(gap, kind="stable")[: max(1, math.ceil(LOWEST_GAPS * gap.size))]
    upper, middle_loss = int((weights[lowest] > np.median(weights)).sum()), float(np.median(loss))
    best = float(loss[lowest[0]])
    known, most = correlations(cells), LOSS_CORRELATION.paper or 0.0
    rho = known.get("train_loss")
    stopped = "" if cells.paper_size else "where a training stops once it is fitted, the stop sets its loss"
    claims: Sequence[tuple[str, bool, str, str]] = (
        (
            f"the {LOWEST_GAPS:.0%} with the lowest gaps lie in the upper half of the numbers of weights",
            upper == lowest.size,
            f"{upper} of {lowest.size}.",
            few,
        ),
        (
            f"the training loss does not order networks, |Spearman| below {most:g}",
            rho is not None and abs(rho.value) < most,
            f"{written(rho)}." if rho else "Too few networks.",
            few or stopped,
        ),
        (
            "the network with the lowest gap has a training loss above the median",
            best > middle_loss,
            f"Its loss is {best:.2g}, the median {middle_loss:.2g}.",
            few or stopped,
        ),
    )
    return [
        Criterion(
            "1",
            claim,
            decided(holds, why_open),
            evidence,
            asked=cells.paper_size,
            basis=LOSS_CORRELATION.basis if "order" in claim else "",
            why_open=why_open,
        )
        for claim, holds, evidence, why_open in claims
    ]


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    cells = networks_of(tables)
    if cells is None:
        raise MissingRecordsError("no fitted network with true labels of a part that also trains with random ones")
    known = correlations(cells)
    headings = [(f"gap against {name}", [_said(known, column)]) for column, name in COLUMNS.items()]
    figure, panels = page(headings, height=3.0)
    remarks = [f"{size_of(cells.frame)} {left_out(cells.left_out, 'network')}"]
    for (column, name), axes in zip(COLUMNS.items(), panels, strict=True):
        kept = cells.frame[cells.frame[column] > 0]
        if len(kept) < len(cells.frame):
            remarks.append(f"{len(cells.frame) - len(kept)} networks with a {name} of zero are not drawn.")
        axes.errorbar(
            kept[column],
            kept["gap"],
            yerr=kept["sem_gap"].fillna(0),
            xerr=None if column == "parameters" else kept["sem_train_loss"].fillna(0),
            linestyle="",
            marker="o",
            markersize=4.5,
            color=COLOURS[0],
            alpha=0.75,
            markeredgecolor="white",
            markeredgewidth=0.3,
            elinewidth=0.7,
        )
        axes.set_xlabel(name)
        axes.set_ylabel("generalization gap")
        axes.set_xscale("log")
        plain_log(axes, "x")
    if not cells.paper_size:
        remarks.append(
            "No verdict is asked for at this size: the numbers of weights span a factor of "
            f"{_span(cells.frame, 'parameters')} and the training losses one of {_span(cells.frame, 'train_loss')}, "
            "while the paper's fixed number of steps spreads them over nine decades."
        )
    caption = (
        "Generalization gap of networks that are fitted, against the number of weights (left) and the training loss "
        "(right), both in log scale; means over seeds where there are several, bars are standard errors."
    )
    return Drawing(caption, figure, remarks=remarks)


def _said(known: dict[str, RankCorrelation], column: str) -> str:
    return written(known[column]) if column in known else "fewer than 3 networks"


def _span(frame: pd.DataFrame, column: str) -> str:
    values: Floats = frame[column].to_numpy(dtype=float)
    values = values[values > 0]
    return f"{values.max() / values.min():.3g}" if values.size else "–"


FIGURE = report.Figure("figure1", "Figure 1: the generalization gap, network size and training loss", draw, PRESETS)
