"""Figure 4: pairs of networks that differ in one setting; is the gap larger where the sensitivity is?

In: the tables of a study. Out: a row of panels for each factor that has pairs, one for the generalization gap, one for
the Jacobian norm, one for transitions; x the good setting, y the other. Data sets stand apart: each has its own mark,
share above the diagonal, interval and verdict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.drawing.scatter import LINE_STYLE
from distnlc.analysis.sensitivity.axes import COLOURS, SQUARE, plain_log
from distnlc.analysis.sensitivity.cells import FACTORS, MEAN_OF_FEW, NAMES, PRESETS, left_out, size_of
from distnlc.analysis.sensitivity.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity.pairs import Pairs, pairs_of
from distnlc.analysis.sensitivity.thresholds import (
    FEW_POINTS,
    FEWEST_PAIRS,
    HIGHER_ACCURACY,
    OPTIMIZER_LOW,
    OPTIMIZER_TRANSITIONS,
    PAIRS,
)
from distnlc.analysis.statistics.shares import Share, share_above
from distnlc.analysis.tables import Tables

METRICS = {"gap": "generalization gap", "jacobian_norm": "Jacobian norm", "transitions": "transitions"}
LARGER = {"gap": "larger gap", "jacobian_norm": "larger Jacobian norm", "transitions": "more transitions"}
ROWS = {
    "labels": ("labels", "true labels", "random labels"),
    "augmentation": ("augmentation", "with augmentation", "without augmentation"),
    "activation": ("activation functions", "ReLU", "HardSigmoid"),
    "optimizer": ("optimizers", "SGD with momentum", "L-BFGS"),
}
"""factor -> what the pairs differ in, the good and the other setting in words"""


@dataclass(frozen=True)
class Comparison:
    """One quantity of the pairs of one factor on one data set."""

    factor: str
    dataset: str
    metric: str
    rows: pd.DataFrame
    paper_size: bool

    @property
    def share(self) -> Share:
        return share_above(self.rows[f"x_{self.metric}"], self.rows[f"y_{self.metric}"])

    @property
    def reliable(self) -> Share:
        """Of the pairs whose Jacobian norms are both carried by enough test points."""
        kept = self.rows[~mean_of_few(self.rows)]
        return share_above(kept[f"x_{self.metric}"], kept[f"y_{self.metric}"])

    @property
    def median_ratio(self) -> float:
        """y / x, of pairs with a positive x."""
        x, y = self.rows[f"x_{self.metric}"], self.rows[f"y_{self.metric}"]
        return float((y[x > 0] / x[x > 0]).median())

    @property
    def short(self) -> str:
        """`CIFAR10: 21 of 23 [0.73, 0.98]`."""
        found = self.share
        ties = f", {found.ties} tie{'s' * (found.ties > 1)}" if found.ties else ""
        interval = f" [{found.low:.2f}, {found.high:.2f}]" if found.n else ""
        return f"{NAMES.get(self.dataset, self.dataset)}: {found.count} of {found.n}{interval}{ties}"

    @property
    def sentence(self) -> str:
        """`Of 52 pairs that differ in labels alone, 52 have the larger Jacobian norm with random labels`."""
        found, (what, good, other) = self.share, ROWS[self.factor]
        return (
            f"Of {found.n} pairs on {NAMES.get(self.dataset, self.dataset)} that differ in {what} alone, {found.count} "
            f"have the {LARGER[self.metric]} with {other} than with {good}".replace("with without", "without").replace(
                "with with", "with"
            )
        )


def mean_of_few(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Pairs of which a Jacobian norm is carried by few test points."""
    return (rows[["x_jacobian_effective_points", "y_jacobian_effective_points"]] < FEW_POINTS).any(axis=1)


def every_pairs(tables: Tables) -> list[Pairs]:
    """The factors that any network is paired in."""
    networks = tables.networks
    return [pairs_of(networks, factor) for factor in FACTORS if networks[f"pair_{factor}"].notna().any()]


def comparisons(found: Pairs) -> list[Comparison]:
    """By data set and quantity."""
    return [
        Comparison(found.factor, str(dataset), metric, rows, found.paper_size)
        for dataset, rows in found.frame.groupby("dataset", sort=False)
        for metric in METRICS
    ]


def criteria(tables: Tables) -> list[Criterion]:
    """What is asked of the shares above the diagonal; none for data that have no limits of their own is left out."""
    found = []
    for of_factor in every_pairs(tables):
        for one in comparisons(of_factor):
            found += _judged(one)
        if of_factor.factor == "augmentation" and len(of_factor.frame):
            found.append(_higher_accuracy(of_factor))
    return found


def _judged(one: Comparison) -> Iterator[Criterion]:
    limit, found = PAIRS[one.factor][one.metric], one.share
    where = f"4, {ROWS[one.factor][0]}, {NAMES.get(one.dataset, one.dataset)}"
    few = too_few(found.n, FEWEST_PAIRS, "pairs")
    evidence = f"{one.sentence}{said_of(found)}; median ratio {text.number(one.median_ratio)}."
    least = limit.at(one.paper_size)
    name = METRICS[one.metric]
    if least is not None:
        low = OPTIMIZER_LOW.at(one.paper_size) if one.factor == "optimizer" else None
        holds = found.value >= least and (low is None or found.low >= low)
        claim = f"{name} above the diagonal in a share of at least {least:g}"
        claim += f", the interval from {low:g} up" * (low is not None)
        yield Criterion(where, claim, decided(holds, few), evidence, basis=limit.prototype, why_open=few)
    elif one.factor == "optimizer":
        most = OPTIMIZER_TRANSITIONS.paper or 0.0
        claim = f"transitions fail: above the diagonal in a share of at most {most:g}"
        yield Criterion(
            where,
            claim,
            decided(found.value <= most, few),
            evidence,
            asked=one.paper_size,
            basis=limit.prototype,
            why_open=few,
        )


def _higher_accuracy(of_factor: Pairs) -> Criterion:
    """Whether augmented networks generalize better, which makes their smaller gap meaningful."""
    rows = of_factor.frame
    found = share_above(rows["y_test_accuracy"], rows["x_test_accuracy"])
    least = HIGHER_ACCURACY.at(of_factor.paper_size) or 0.0
    few = too_few(found.n, FEWEST_PAIRS, "pairs")
    return Criterion(
        "4, augmentation",
        f"higher test accuracy with augmentation in a share of at least {least:g}",
        decided(found.count >= least * found.n, few),
        f"Of {found.n} pairs {found.count} have the higher test accuracy with augmentation{said_of(found)}.",
        basis=HIGHER_ACCURACY.prototype,
        why_open=few,
    )


def said_of(found: Share) -> str:
    """Interval, test and ties of a share, to be put behind it."""
    if not found.n:
        return ""
    ties = f", {found.ties} tie{'s' * (found.ties > 1)} left out" if found.ties else ""
    return f" (95 % interval [{found.low:.2f}, {found.high:.2f}], sign test {text.p_value(found.p)}{ties})"


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError if no pair is complete."""
    every = [one for one in every_pairs(tables) if len(one.frame)]
    if not every:
        raise MissingRecordsError("no pair of networks of which both are finished and fitted")
    datasets = list(dict.fromkeys(name for one in every for name in one.frame["dataset"]))
    colours = dict(zip(datasets, COLOURS, strict=False))
    headings = [
        (f"{ROWS[one.factor][0]}: {name}", [each.short for each in comparisons(one) if each.metric == metric])
        for one in every
        for metric, name in METRICS.items()
    ]
    marks = [
        Line2D([], [], linestyle="", marker="o", color=colour, markersize=5, label=NAMES.get(name, name))
        for name, colour in colours.items()
    ]
    figure, panels = page(
        headings, height=SQUARE, width=SQUARE, columns=len(METRICS), marks=[*marks, Line2D([], [], **LINE_STYLE, label="y = x")]
    )
    remarks = []
    for place, one in enumerate(every):
        for axes, metric in zip(panels[3 * place : 3 * place + 3], METRICS, strict=True):
            zeros = _draw_pairs(axes, one, metric, colours)
            if zeros:
                remarks.append(f"{ROWS[one.factor][0]}, {METRICS[metric]}: {zeros} pairs with a zero are not drawn.")
        remarks += _remarks(one)
    caption = (
        "Each point is a pair of networks that are equal but for one setting: x with the good one, y with the other. "
        "A point is a mean over seeds (momentum: also over rates and batch sizes), bars are standard errors. Above each "
        "panel: pairs above the diagonal, with Wilson's 95 % interval."
    )
    return Drawing(caption, figure, table=numbers(every), remarks=remarks)


def _draw_pairs(axes: Axes, one: Pairs, metric: str, colours: dict[str, str]) -> int:
    """The points of one panel; gives how many have no logarithm."""
    log, zeros = metric != "gap", 0
    _, good, other = ROWS[one.factor]
    for dataset, rows in one.frame.groupby("dataset", sort=False):
        x, y = rows[f"x_{metric}"], rows[f"y_{metric}"]
        if log:
            kept = (x > 0) & (y > 0)
            zeros += int((~kept & x.notna() & y.notna()).sum())
            rows, x, y = rows[kept], x[kept], y[kept]
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
    return zeros


def _diagonal(axes: Axes, log: bool) -> None:
    """Equal limits on both axes, and y = x."""
    if log and axes.has_data():
        axes.set_xscale("log")
        axes.set_yscale("log")
    low = min(axes.get_xlim()[0], axes.get_ylim()[0])
    high = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([low, high], [low, high], **LINE_STYLE, zorder=1)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    if log:
        plain_log(axes, "xy")


def _remarks(one: Pairs) -> list[str]:
    said = [f"{ROWS[one.factor][0].capitalize()}: {size_of(one.frame)} {left_out(one.left_out, 'pair')}"]
    few = int(mean_of_few(one.frame).sum())
    if few:
        said.append(
            f"{ROWS[one.factor][0].capitalize()}: in {few} pairs a {MEAN_OF_FEW}; without them: "
            + "; ".join(
                f"{NAMES.get(each.dataset, each.dataset)} {each.reliable.count} of {each.reliable.n}"
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
            name = f"{ROWS[one.factor][0]}, {NAMES.get(each.dataset, each.dataset)}"
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


FIGURE = report.Figure(
    "figure4", "Figure 4: what changes the gap changes the sensitivity", draw, PRESETS
)
