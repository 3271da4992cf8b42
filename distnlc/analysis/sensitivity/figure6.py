"""Figures 6 and App. 9: the Jacobian norm against the loss, point by point, one colour for each network.

In: the tables of a study. The norm tells misclassified from correct points, but neither linearly nor one-to-one: among
correct points it rises with the loss, among misclassified ones it falls.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS, plain_log
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity import thresholds
from distnlc.analysis.sensitivity.cells import LARGER_PRESETS, PRESETS, left_out, size_of
from distnlc.analysis.sensitivity.points import IN_APP9, PointsOf, PointsPanel, panels
from distnlc.analysis.sensitivity.thresholds import FEWEST_ROWS
from distnlc.analysis.tables import Tables

MARKS = tuple(
    Line2D([], [], linestyle="", marker=marker, color="0.3", markersize=size, label=label)
    for marker, size, label in ((".", 6, "correct"), ("x", 4, "misclassified"))
)
Judge = Callable[[PointsOf], bool]
Show = Callable[[PointsOf], float]


def criteria(tables: Tables) -> list[Criterion]:
    """What is asked of every network of figures 6 and App. 9."""
    return [one for panel in panels(tables) for one in _judged(panel)]


def _judged(panel: PointsPanel) -> Iterator[Criterion]:
    low, high = (
        each.at(panel.paper_size) or 0.0 for each in (thresholds.CORRECT_CORRELATION, thresholds.WRONG_CORRELATION)
    )

    def criterion(
        claim: str, judge: Judge, show: Sequence[tuple[str, Show]], basis: str, asked: bool = True
    ) -> Criterion:
        points = [each.loss.size for each in panel.networks]
        few = too_few(min(points), FEWEST_ROWS, "points")
        holding = [judge(each) for each in panel.networks]
        said = "; ".join(f"{name} {_listed(panel.networks, value)}" for name, value in show)
        where = f"{'App. 9' if panel.dataset in IN_APP9 else '6'}, {panel.title}"
        evidence = f"In {sum(holding)} of {len(holding)} networks: {said}."
        return Criterion(where, claim, decided(all(holding), few), evidence, asked, basis, few)

    yield criterion(
        f"among correct points Spearman of loss and Jacobian norm at least {low:g}",
        lambda one: one.correlation(wrong=False) >= low,
        [("Spearman", lambda one: one.correlation(wrong=False))],
        thresholds.CORRECT_CORRELATION.basis,
    )
    yield criterion(
        f"among misclassified points Spearman below {high:g} (not one-to-one)",
        lambda one: one.correlation(wrong=True) < high,
        [("Spearman", lambda one: one.correlation(wrong=True))],
        thresholds.WRONG_CORRELATION.basis,
    )
    yield criterion(
        "more points misclassified in the top than in the bottom tenth of Jacobian norms",
        lambda one: one.tenth(top=True) > one.tenth(top=False),
        [("top", lambda one: one.tenth(top=True)), ("bottom", lambda one: one.tenth(top=False))],
        "0.39 to 0.52 against 0 on MNIST, 0.69 to 0.81 against 0.50 to 0.58 on CIFAR10",
    )
    if panel.dataset == "mnist":
        least = thresholds.MNIST_AUC.at(panel.paper_size) or 0.0
        yield criterion(
            f"Jacobian norm tells misclassified points with an AUC of at least {least:g}",
            lambda one: one.auc >= least,
            [("AUC", lambda one: one.auc)],
            thresholds.MNIST_AUC.basis,
        )
    more, orders = thresholds.TOP_WRONG.paper or 0.0, thresholds.ORDERS_BELOW.paper or 0.0
    yield criterion(
        "more than half of the top tenth of Jacobian norms misclassified, and at most half of all points",
        lambda one: one.tenth(top=True) > more >= one.error,
        [("top tenth", lambda one: one.tenth(top=True)), ("of all points", lambda one: one.error)],
        thresholds.TOP_WRONG.basis,
        asked=panel.paper_size and panel.dataset == "mnist",
    )
    yield criterion(
        f"some misclassified point {orders:g} orders of magnitude below the median of the correct ones",
        lambda one: orders_below(one) >= orders,
        [("orders", orders_below)],
        thresholds.ORDERS_BELOW.basis,
        asked=panel.paper_size and panel.dataset in {"mnist", "cifar10"},
    )


def orders_below(one: PointsOf) -> float:
    """Orders of magnitude from the correct points' median down to the smallest norm of a misclassified point."""
    ratio = one.smallest_wrong
    if math.isnan(ratio):
        return ratio
    return -math.log10(ratio) if ratio > 0 else math.inf


def _listed(networks: Sequence[PointsOf], value: Show) -> str:
    return ", ".join(f"{value(one):.2f}" for one in networks)


def draw_panels(tables: Tables, app9: bool) -> Drawing:
    """One of the two figures. Raises MissingRecordsError."""
    found = [one for one in panels(tables) if (one.dataset in IN_APP9) == app9]
    if not found:
        of = "Fashion-MNIST or CIFAR100" if app9 else "MNIST, CIFAR10 or other data"
        raise MissingRecordsError(f"no fitted network on {of} of which single points were measured")
    headings = [(one.title, [_heading(one)]) for one in found]
    figure, page_axes = page(headings, height=3.2, marks=MARKS)
    remarks = []
    for one, axes in zip(found, page_axes, strict=True):
        remarks += _draw_points(axes, one)
        about = pd.DataFrame([each.about for each in one.networks])
        more = f" The first {len(one.networks)} of {one.fitted} fitted networks." * (one.fitted > len(one.networks))
        remarks.append(f"{one.title}: {size_of(about)} {left_out(one.left_out, 'network')}{more}")
    caption = (
        "Frobenius norm of the Jacobian of the class probabilities against the loss, both in log scale, one point per "
        "test point and one colour per network; crosses are misclassified points."
    )
    return Drawing(caption, figure, table=numbers(found), remarks=remarks)


def _heading(one: PointsPanel) -> str:
    return f"Spearman of correct points {spread(one, False)}, of misclassified ones {spread(one, True)}"


def spread(panel: PointsPanel, wrong: bool) -> str:
    """From which to which Spearman the networks' correct or misclassified points have: `0.86 to 0.97`."""
    known = [value for value in (one.correlation(wrong) for one in panel.networks) if not math.isnan(value)]
    if not known:
        return "–"
    low, high = min(known), max(known)
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"


def _draw_points(axes: Axes, panel: PointsPanel) -> list[str]:
    """The points of one panel; says how many are not drawn."""
    hidden = 0
    for one, colour in zip(panel.networks, COLOURS, strict=False):
        kept = one.positive
        hidden += int((~kept).sum())
        for wrong, marker, size in ((0, ".", 10), (1, "x", 9)):
            own = kept & (one.wrong == wrong)
            axes.scatter(
                one.loss[own],
                one.norm[own],
                s=size,
                marker=marker,
                color=colour,
                alpha=0.5,
                linewidths=0.7 if wrong else 0,
                rasterized=True,
            )
    axes.set_xlabel(f"{panel.loss} loss of the point", labelpad=1)
    axes.set_ylabel("Jacobian norm", labelpad=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_log(axes, "xy")
    return [f"{panel.title}: {hidden} points with a loss or norm of zero are not drawn."] if hidden else []


def numbers(found: Sequence[PointsPanel]) -> pd.DataFrame:
    """A row for each network."""
    rows = {}
    for panel in found:
        for one in panel.networks:
            rows[panel.title, f"{one.name} ({one.unit[:7]})"] = {
                "Spearman, all": text.coefficient(one.correlation()),
                "correct": text.coefficient(one.correlation(False)),
                "misclassified": text.coefficient(one.correlation(True)),
                "wrong in top tenth": f"{one.tenth(True):.2f}",
                "bottom tenth": f"{one.tenth(False):.2f}",
                "all": f"{one.error:.2f}",
                "AUC": text.coefficient(one.auc),
                "smallest wrong / median correct": text.number(one.smallest_wrong, 2),
            }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["panel", "network"])
    return frame


FIGURE6 = report.Figure(
    "figure6",
    "Figure 6: Jacobian norm and loss of single points",
    lambda tables: draw_panels(tables, app9=False),
    PRESETS,
)
FIGURE_APP9 = report.Figure(
    "figureApp9",
    "Figure App. 9: the same on Fashion-MNIST and CIFAR100",
    lambda tables: draw_panels(tables, app9=True),
    LARGER_PRESETS[1:],
)
