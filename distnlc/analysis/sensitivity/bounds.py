"""Figure App. 11: the Jacobian norm of single points beside the bounds (5) and (6) and the approximation (7).

In: the tables of a study. The bounds are those of `metrics.per_point_bounds` on losses, which this room does without
torch. They rest on equally long, orthogonal gradients of the logits: (5) is strict for half of the points only, and (7)
is no upper bound. That is why brackets are widened.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import stats

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity import thresholds
from distnlc.analysis.sensitivity.cells import PRESETS, size_of
from distnlc.analysis.sensitivity.points import PointsOf, of_bounds
from distnlc.analysis.sensitivity.thresholds import FACTOR_7, FEWEST_ROWS, PAPER_POINTS, WIDENED
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.tables import Tables


@dataclass(frozen=True)
class Bounds:
    """What the norms of one network's points are bounded by, each (n,) over losses."""

    low: Floats
    """(5) below ||J_y||, and (6) below ||J||"""
    high: Floats
    """(5) above ||J_y||"""
    norm: Floats
    """(7), ||J|| if the other classes were equally probable"""


def bounds(losses: Floats, logit_scale: float, classes: int) -> Bounds:
    """Equations (5) to (7) at losses (n,) of at least 0; logit_scale: M."""
    others, root = classes - 1, math.sqrt(logit_scale)
    probability, complement = np.exp(-losses), -np.expm1(-losses)
    shape = root * probability * complement
    norm = root / others * complement * np.sqrt(classes**2 * probability**2 + classes - 2)
    return Bounds(math.sqrt(classes / others) * shape, math.sqrt(2) * shape, norm)


@dataclass(frozen=True)
class Agreement:
    """How one network's points lie to the bounds, as shares of its points."""

    network: PointsOf
    inside: float
    """||J_y|| within (5)"""
    widened: float
    """within (5) widened by WIDENED on either side"""
    shape: float
    """Spearman of ||J_y|| with the shape of (5)"""
    above: float
    """||J|| at least (6)"""
    near: float
    """||J|| within FACTOR_7 of (7)"""
    median: float
    """of ||J|| / (7)"""


def agreement(one: PointsOf) -> Agreement:
    """How points agree with the bounds: those with a positive loss, which both sides need for a quotient."""
    kept = one.loss > 0
    loss, norm, class_norm = one.loss[kept], one.norm[kept], one.class_norm[kept]
    found = bounds(loss, one.logit_scale, one.classes)
    ratio = norm / np.maximum(found.norm, np.finfo(float).tiny)
    varies = loss.size > 2 and np.ptp(class_norm) and np.ptp(found.low)
    return Agreement(
        network=one,
        inside=_share((class_norm >= found.low) & (class_norm <= found.high)),
        widened=_share((class_norm >= found.low / WIDENED) & (class_norm <= found.high * WIDENED)),
        shape=float(stats.spearmanr(class_norm, found.low)[0]) if varies else math.nan,
        above=_share(norm >= found.low),
        near=_share((ratio >= 1 / FACTOR_7) & (ratio <= FACTOR_7)),
        median=float(np.median(ratio)) if ratio.size else math.nan,
    )


def _share(holds: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> float:
    return float(holds.mean()) if holds.size else math.nan


def criteria(tables: Tables) -> list[Criterion]:
    """What is asked of every network of App. 11."""
    return list(_judged([agreement(one) for one in of_bounds(tables)]))


def _judged(found: list[Agreement]) -> Iterator[Criterion]:
    if not found:
        return
    few = too_few(min(one.network.loss.size for one in found), FEWEST_ROWS, "points")
    paper_size = all(one.network.about["train_points"] >= PAPER_POINTS for one in found)
    asked: tuple[tuple[str, thresholds.Threshold, Callable[[Agreement], float]], ...] = (
        (f"||J_y|| within (5) widened by {WIDENED:g}, share of points", thresholds.INSIDE_5, lambda one: one.widened),
        ("||J|| above (6), share of points", thresholds.ABOVE_6, lambda one: one.above),
        (f"||J|| within a factor {FACTOR_7:g} of (7), share of points", thresholds.NEAR_7, lambda one: one.near),
        ("Spearman of ||J_y|| with the shape of (5)", thresholds.SHAPE_5, lambda one: one.shape),
    )
    for name, limit, value in asked:
        least = limit.at(paper_size) or 0.0
        values = [value(one) for one in found]
        said = f"In {len(values)} networks: {', '.join(f'{each:.3f}' for each in values)}"
        evidence = f"{said}{_short_of(min(values), limit)}."
        holds = all(each >= least for each in values)
        yield Criterion(
            "App. 11", f"{name} at least {least:g}", decided(holds, few), evidence, basis=limit.basis, why_open=few
        )


def _short_of(worst: float, limit: thresholds.Threshold) -> str:
    """What is said of a network that only the small limit allows."""
    paper = limit.paper or 0.0
    return f"; below {paper:g}, which is asked at the paper's size" if worst < paper else ""


def draw(tables: Tables) -> Drawing:
    """Draws the points of the first network; the numbers are about all. Raises MissingRecordsError."""
    networks = of_bounds(tables)
    if not networks:
        raise MissingRecordsError("no fitted network, trained with cross-entropy, of which single points were measured")
    first, found = networks[0], [agreement(one) for one in networks]
    of_first = found[0]
    headings = [
        (
            "true class: ||J_y|| and (5)",
            [
                f"within (5): {of_first.inside:.1%}, widened by {WIDENED:g}: {of_first.widened:.1%}",
                f"Spearman with the shape of (5): {of_first.shape:.3f}",
            ],
        ),
        (
            "all classes: ||J||, (6) and (7)",
            [
                f"above (6): {of_first.above:.1%}",
                f"within a factor {FACTOR_7:g} of (7): {of_first.near:.1%}, median ratio {of_first.median:.2f}",
            ],
        ),
    ]
    marks = [
        Line2D([], [], linestyle="", marker="o", markersize=4, color=COLOURS[0], label="a test point"),
        Line2D([], [], color=COLOURS[1], linewidth=1.5, label="bounds (5), lower bound (6)"),
        Line2D([], [], color=COLOURS[2], linewidth=1.5, linestyle="--", label="approximation (7)"),
    ]
    figure, panels = page(headings, height=3.4, marks=marks)
    for axes, values, above in zip(panels, (first.class_norm, first.norm), (False, True), strict=True):
        _draw_bounds(axes, first, values, above)
        inset = axes.inset_axes((0.55, 0.56, 0.43, 0.42))
        _draw_bounds(inset, first, values, above, log=True)
    panels[0].set_ylabel("||J_y||", labelpad=1)
    panels[1].set_ylabel("||J||", labelpad=1)
    for axes in panels:
        axes.set_xlabel("cross-entropy loss of the point", labelpad=1)
    about = pd.DataFrame([one.about for one in networks])
    caption = (
        f"{first.loss.size} test points of {first.name} (network {first.unit[:7]}) and the bounds by the loss alone, "
        f"with M = {text.number(first.logit_scale)} from the same points. Insets: both axes in log scale. The numbers "
        f"below are of all {len(networks)} networks."
    )
    return Drawing(caption, figure, table=numbers(found), remarks=[size_of(about)])


def _draw_bounds(axes: Axes, one: PointsOf, values: Floats, above: bool, log: bool = False) -> None:
    kept = (one.loss > 0) & (values > 0)
    loss = one.loss[kept]
    size = 3 if log else 6
    axes.scatter(loss, values[kept], s=size, color=COLOURS[0], alpha=0.4, linewidths=0, rasterized=True)
    across = np.geomspace(loss.min(), loss.max(), 200) if log else np.linspace(0, loss.max(), 400)
    found = bounds(across, one.logit_scale, one.classes)
    for curve in (found.low,) if above else (found.low, found.high):
        axes.plot(across, curve, color=COLOURS[1], linewidth=1.3)
    if above:
        axes.plot(across, found.norm, color=COLOURS[2], linewidth=1.3, linestyle="--")
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
        positive = values[kept]
        axes.set_ylim(positive.min() / 3, positive.max() * 3)
        axes.tick_params(labelsize=6.5, length=2, pad=1)
        axes.patch.set_alpha(0.92)
    else:
        axes.set_xlim(0, None)
        # the inset needs room above points that stay high
        axes.set_ylim(0, values.max() / 0.52 if above else 1.05 * max(values.max(), found.high.max()))


def numbers(found: list[Agreement]) -> pd.DataFrame:
    """A row for each network."""
    rows = {
        f"{one.network.name} ({one.network.unit[:7]})": {
            "within (5)": f"{one.inside:.3f}",
            f"widened by {WIDENED:g}": f"{one.widened:.3f}",
            "Spearman, shape of (5)": f"{one.shape:.3f}",
            "above (6)": f"{one.above:.3f}",
            f"within a factor {FACTOR_7:g} of (7)": f"{one.near:.3f}",
            "median ||J|| / (7)": f"{one.median:.2f}",
            "M": text.number(one.network.logit_scale),
            "error": f"{one.network.error:.2f}",
        }
        for one in found
    }
    return pd.DataFrame.from_dict(rows, orient="index")


FIGURE = report.Figure("figureApp11", "Figure App. 11: single points between the bounds of appendix A.3", draw, PRESETS)
