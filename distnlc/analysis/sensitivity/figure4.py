"""Figure 4: pairs of networks that differ in one setting; is the gap larger where the sensitivity is?

In: the tables of a study. Out: a row of panels for each factor that has pairs, one for the generalization gap, one for
the Jacobian norm, one for transitions; x the good setting, y the other. Data sets stand apart: each has its own colour,
share above the diagonal, interval and verdict.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS, plain_log
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.drawing.scatter import LINE_STYLE
from distnlc.analysis.sensitivity.axes import SQUARE
from distnlc.analysis.sensitivity.cells import DATA_NAMES, PRESETS, left_out, size_of
from distnlc.analysis.sensitivity.comparisons import METRICS, ROWS, caveat, comparisons, every_pairs, mean_of_few
from distnlc.analysis.sensitivity.pairs import Pairs
from distnlc.analysis.sensitivity.thresholds import FEW_POINTS
from distnlc.analysis.statistics.shares import Share, share_above
from distnlc.analysis.tables import Tables

STEPS = (1, 2, 5, 10)
"""between the numbers at axes that are not logarithmic, times powers of ten"""


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError if no pair is complete."""
    every = [one for one in every_pairs(tables) if len(one.frame)]
    if not every:
        raise MissingRecordsError("no pair of networks of which both are finished and fitted")
    datasets = list(dict.fromkeys(name for one in every for name in one.frame["dataset"]))
    colours = dict(zip(datasets, COLOURS, strict=False))
    headings = [
        (f"{one.factor}: {name.removeprefix('generalization ')}", _heading(one, metric))
        for one in every
        for metric, name in METRICS.items()
    ]
    marks = [
        Line2D([], [], linestyle="", marker="o", color=colour, markersize=5, label=DATA_NAMES.get(name, name))
        for name, colour in colours.items()
    ]
    figure, panels = page(
        headings,
        height=SQUARE,
        width=SQUARE,
        columns=len(METRICS),
        marks=[*marks, Line2D([], [], **LINE_STYLE, label="y = x")],
    )
    remarks = []
    for place, one in enumerate(every):
        for axes, metric in zip(panels[3 * place : 3 * place + 3], METRICS, strict=True):
            zeros = _draw_pairs(axes, one, metric, colours)
            if zeros:
                counted = "1 pair with a zero is" if zeros == 1 else f"{zeros} pairs with a zero are"
                remarks.append(f"{ROWS[one.factor][0].capitalize()}, {METRICS[metric]}: {counted} not drawn.")
        remarks += _remarks(one)
    caption = (
        "Each point is a pair of networks that are equal but for one setting: x with the good one, y with the other; a "
        "mean over seeds (momentum: also over rates and batch sizes), bars are standard errors. Above each panel stand "
        "the pairs above the diagonal, with Wilson's 95 % interval."
    )
    return Drawing(caption, figure, table=numbers(every), remarks=remarks)


def _heading(one: Pairs, metric: str) -> list[str]:
    return [f"{each.data}: {each.counted}" for each in comparisons(one) if each.metric == metric]


def _draw_pairs(axes: Axes, one: Pairs, metric: str, colours: dict[str, str]) -> int:
    """The points of one panel; gives how many have no logarithm."""
    log = metric != "gap"
    _, good, other = ROWS[one.factor]
    frame = one.frame[one.frame[[f"x_{metric}", f"y_{metric}"]].notna().all(axis=1)]
    drawn = frame[(frame[f"x_{metric}"] > 0) & (frame[f"y_{metric}"] > 0)] if log else frame
    for dataset, rows in drawn.groupby("dataset", sort=False):
        x, y = rows[f"x_{metric}"], rows[f"y_{metric}"]
        axes.errorbar(
            x,
            y,
            xerr=rows[f"x_sem_{metric}"].fillna(0),
            yerr=rows[f"y_sem_{metric}"].fillna(0),
            linestyle="",
            marker="o",
            markersize=4,
            color=colours[str(dataset)],
            alpha=0.8,
            markeredgecolor="white",
            markeredgewidth=0.3,
            elinewidth=0.7,
        )
    _diagonal(axes, log)
    axes.set_xlabel(good, labelpad=1)
    axes.set_ylabel(other, labelpad=1)
    return len(frame) - len(drawn)


def _diagonal(axes: Axes, log: bool) -> None:
    """Equal limits on both axes, and y = x."""
    if log and axes.has_data():
        axes.set_xscale("log")
        axes.set_yscale("log")
    low = min(axes.get_xlim()[0], axes.get_ylim()[0])
    high = max(axes.get_xlim()[1], axes.get_ylim()[1])
    beside = (high / low) ** 0.04 if log else 0.04 * (high - low)  # points of one value lie at the very edge
    low, high = (low / beside, high * beside) if log else (low - beside, high + beside)
    axes.plot([low, high], [low, high], **LINE_STYLE, zorder=1)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    if log:
        plain_log(axes, "xy")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))


def _remarks(one: Pairs) -> list[str]:
    what = ROWS[one.factor][0].capitalize()
    said = [f"{what}: {size_of(one.frame)} {left_out(one.left_out, 'pair')} {caveat(one)}".rstrip()]
    few = int(mean_of_few(one.frame).sum())
    if few:
        said.append(
            f"{what}: in {few} pairs a Jacobian norm is carried by fewer than {FEW_POINTS} test points; without them: "
            + "; ".join(
                f"{each.data} {each.reliable.count} of {each.reliable.n}"
                for each in comparisons(one)
                if each.metric == "jacobian_norm"
            )
            + "."
        )
    return said


def numbers(every: Sequence[Pairs]) -> pd.DataFrame:
    """Shares, tests and ratios of all panels, and of the augmented the test accuracy."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in every:
        for each in comparisons(one):
            name = f"{ROWS[one.factor][0]}, {each.data}"
            rows[name, METRICS[each.metric]] = {
                **_cells_of_share(each.share),
                "median y / x": text.number(each.median_ratio),
                "without few-point means": f"{each.reliable.count} of {each.reliable.n}"
                if each.metric == "jacobian_norm"
                else "",
            }
        if one.factor == "augmentation":
            better = share_above(one.frame["y_test_accuracy"], one.frame["x_test_accuracy"])
            rows["augmentation", "test accuracy, x above y"] = _cells_of_share(better)
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["pairs", ""])
    return frame


def _cells_of_share(found: Share) -> dict[str, str]:
    return {
        "above": f"{found.count} of {found.n}",
        "95 % interval": f"[{found.low:.2f}, {found.high:.2f}]" if found.n else "–",
        "sign test p": text.probability(found.p) if found.n else "–",
        "ties": str(found.ties),
    }


FIGURE = report.Figure("figure4", "Figure 4: what changes the gap changes the sensitivity", draw, PRESETS)
