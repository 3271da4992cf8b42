"""Figure 2: sensitivity along ellipses, of which those through training points dip where the points are.

In: the curves of one part, the one with most fitted networks. Statistics compare the three bins at the anchors with the
middles between them (0, 2 pi/3, 4 pi/3, each with two bins on either side): ratios of means over networks and ellipses,
networks resampled; and the share of ellipses whose mean is lower at the anchors.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS, plain_log
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity import thresholds
from distnlc.analysis.sensitivity.axes import SQUARE
from distnlc.analysis.sensitivity.cells import LARGER_PRESETS, is_fitted, left_out, size_of
from distnlc.analysis.sensitivity.drawings import draw_ellipse
from distnlc.analysis.sensitivity.gap_figures import bracketed
from distnlc.analysis.sensitivity.thresholds import FEWEST_PAIRS, PAPER_POINTS, Threshold
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate, mean_and_error
from distnlc.analysis.statistics.ratios import ratio_of_means
from distnlc.analysis.statistics.shares import Share, share_above
from distnlc.analysis.tables import Tables

KINDS = {"random": COLOURS[6], "different": COLOURS[1], "same": COLOURS[0]}
"""kind of ellipse -> colour, in the order of the levels that the figure shows"""
WORDS = {
    "random": "random ellipses",
    "different": "ellipses through three classes",
    "same": "ellipses through one class",
}
METRICS = {"jacobian_norm": "Jacobian norm", "transitions": "transitions"}
ANCHORS, MIDDLES = (math.pi / 3, math.pi, 5 * math.pi / 3), (0.0, 2 * math.pi / 3, 4 * math.pi / 3)
BESIDE = 2
"""bins on either side of a middle that count as the middle"""
LIMITS: dict[tuple[str, str], Threshold] = {
    ("jacobian_norm", "different"): thresholds.JACOBIAN_DIFFERENT,
    ("jacobian_norm", "same"): thresholds.JACOBIAN_SAME,
    ("transitions", "different"): thresholds.TRANSITIONS_DIFFERENT,
    ("transitions", "same"): thresholds.TRANSITIONS_SAME,
}


@dataclass(frozen=True)
class Curves:
    """The ellipses of one part."""

    part: str
    networks: pd.DataFrame
    """the fitted ones"""
    left_out: dict[str, int]
    others: Sequence[str]
    """further parts with ellipses"""
    angles: Floats
    """(bins,)"""
    values: dict[tuple[str, str], Floats]
    """metric, kind -> (ellipses, bins)"""
    owners: dict[str, NDArray[np.str_]]
    """kind -> (ellipses,) the network of each"""

    @property
    def paper_size(self) -> bool:
        return bool((self.networks["train_points"] >= PAPER_POINTS).all())

    @property
    def width(self) -> float:
        """The width of a bin, in radians."""
        return 2 * math.pi / self.angles.size

    def kinds(self) -> list[str]:
        return [kind for kind in KINDS if kind in self.owners]

    def ends(self, metric: str, kind: str) -> tuple[Floats, Floats]:
        """(ellipses,) each: means at the anchors and at the middles."""
        values = self.values[metric, kind]
        return values[:, self._near(ANCHORS, 0)].mean(axis=1), values[:, self._near(MIDDLES, BESIDE)].mean(axis=1)

    def _near(self, where: Sequence[float], reach: int) -> NDArray[np.bool_]:
        """Bins within `reach` bins of one of the angles."""
        far = np.abs((self.angles[:, None] - np.array(where) + math.pi) % (2 * math.pi) - math.pi)
        return np.asarray((far <= (reach + 0.5) * self.width).any(axis=1))

    def ratio(self, metric: str, kind: str) -> Estimate:
        """Anchors to middles."""
        return ratio_of_means(*self.ends(metric, kind), self.owners[kind])

    def lower(self, metric: str, kind: str) -> Share:
        """The share of ellipses that are lower at the anchors."""
        return share_above(*self.ends(metric, kind))

    def level(self, metric: str, kind: str) -> float:
        return float(self.values[metric, kind].mean())

    def averaged(self, metric: str, kind: str) -> tuple[Floats, Floats]:
        """(bins,) each: mean over networks of their mean over ellipses, and its standard error."""
        frame = pd.DataFrame(self.values[metric, kind]).groupby(self.owners[kind]).mean()
        return mean_and_error(frame.to_numpy())


def curves_of(tables: Tables) -> Curves | None:
    """The part with most fitted networks that have curves; None if there is none."""
    networks, curves = tables.networks, tables.curves
    there = networks[networks["unit_id"].isin(curves["unit_id"].unique())]
    fitted = there[is_fitted(there)]
    if fitted.empty:
        return None
    counts = fitted["part"].value_counts()
    part = str(counts.index[0])
    own = fitted[fitted["part"] == part]
    rows = curves[curves["unit_id"].isin(own["unit_id"])]
    values, owners = {}, {}
    for kind, of_kind in rows.groupby("kind"):
        for metric in METRICS:
            table = of_kind.pivot(index=["unit_id", "ellipse"], columns="bin", values=metric).dropna()
            values[metric, str(kind)] = table.to_numpy(dtype=float)
        owners[str(kind)] = table.index.get_level_values("unit_id").to_numpy(dtype=str)
    angles = rows.groupby("bin")["angle"].first().sort_index().to_numpy(dtype=float)
    misfits = int(((there["part"] == part) & ~is_fitted(there)).sum())
    return Curves(
        part=part,
        networks=own,
        left_out={"not fitted": misfits} if misfits else {},
        others=[str(name) for name in counts.index[1:]],
        angles=angles,
        values=values,
        owners=owners,
    )


def criteria(tables: Tables) -> list[Criterion]:
    """What is asked of figure 2."""
    curves = curves_of(tables)
    if curves is None:
        return []
    few = too_few(len(curves.networks), FEWEST_PAIRS, "networks")
    return [*_dips(curves, few), *_flat(curves, few), *_levels(curves, few)]


def _dips(curves: Curves, few: str) -> Iterator[Criterion]:
    for (metric, kind), limit in LIMITS.items():
        if kind not in curves.owners:
            continue
        found, lower = curves.ratio(metric, kind), curves.lower(metric, kind)
        asked = limit.at(curves.paper_size)
        most = asked if asked is not None else limit.paper or 0.0
        yield Criterion(
            f"2, {METRICS[metric]}",
            f"{WORDS[kind]}, anchors to middles at most {most:g}, the interval below 1",
            decided(found.value <= most and found.high < 1, few),
            f"Ratio {written_ratio(found)}; lower at the anchors on {lower.count} of {lower.n} ellipses"
            f"{'' if found.high < 1 else ', not established: the interval reaches 1'}{_beyond(found.value, limit)}.",
            asked=asked is not None,
            basis=limit.basis,
            why_open=few,
        )


def _beyond(ratio: float, limit: Threshold) -> str:
    """What is said of a ratio that only the small limit allows."""
    paper = limit.paper or 0.0
    return f"; above {paper:g}, which is asked at the paper's size" if ratio > paper else ""


def _flat(curves: Curves, few: str) -> Iterator[Criterion]:
    if "random" not in curves.owners:
        return
    low, high, most = (
        each.at(curves.paper_size) or 0.0
        for each in (thresholds.RANDOM_LOW, thresholds.RANDOM_HIGH, thresholds.RANDOM_SPAN)
    )
    for metric, name in METRICS.items():
        found = curves.ratio(metric, "random")
        yield Criterion(
            f"2, {name}",
            f"random ellipses flat, anchors to middles within [{low:g}, {high:g}]",
            decided(low <= found.value <= high, few),
            f"Ratio {written_ratio(found)}.",
            basis=thresholds.RANDOM_LOW.basis,
            why_open=few,
        )
        mean, _ = curves.averaged(metric, "random")
        span = float(mean.max() / mean.min()) if mean.min() > 0 else math.inf
        yield Criterion(
            f"2, {name}",
            f"random ellipses flat, largest by smallest bin of the averaged curve at most {most:g}",
            decided(span <= most, few),
            f"Ratio {span:.2f}.",
            basis=thresholds.RANDOM_SPAN.basis,
            why_open=few,
        )


def _levels(curves: Curves, few: str) -> Iterator[Criterion]:
    if len(curves.kinds()) < len(KINDS):
        return
    for metric, name in METRICS.items():
        levels = [curves.level(metric, kind) for kind in KINDS]
        said = ", ".join(f"{kind} {text.number(level)}" for kind, level in zip(KINDS, levels, strict=True))
        yield Criterion(
            f"2, {name}",
            "means in the order random, three classes, one class",
            decided(levels == sorted(levels, reverse=True) and len(set(levels)) == len(levels), few),
            f"Means: {said}.",
            basis="the same order in all of the prototype's networks of 8 and 10 weight matrices",
            why_open=few,
        )


def written_ratio(found: Estimate) -> str:
    """`0.62 [0.50, 0.70]`, or `0.0028 [0.0011, 0.0052]`."""
    low, high = (
        f"{each:.2f}" if each >= 0.1 or math.isnan(each) else text.number(each, 2) for each in (found.low, found.high)
    )
    value = f"{found.value:.2f}" if found.value >= 0.1 else text.number(found.value, 2)
    return value if math.isnan(found.low) else f"{value} [{low}, {high}]"


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    curves = curves_of(tables)
    if curves is None:
        raise MissingRecordsError("no fitted network that was measured along ellipses")
    headings = [
        ("an ellipse", ["through three points"]),
        *((name, [_short(curves, metric, kind) for kind in curves.kinds()]) for metric, name in METRICS.items()),
    ]
    marks = [Line2D([], [], color=KINDS[kind], linewidth=1.6, label=WORDS[kind]) for kind in curves.kinds()]
    figure, (left, *panels) = page(headings, height=SQUARE, width=SQUARE, columns=3, marks=marks)
    draw_ellipse(left)
    for metric, axes in zip(METRICS, panels, strict=True):
        _draw_curves(axes, curves, metric)
    panels[0].set_ylabel("mean Jacobian norm", labelpad=1)
    panels[1].set_ylabel("transitions per radian", labelpad=1)
    remarks = [f"{size_of(curves.networks)} {left_out(curves.left_out, 'network')}"]
    if curves.others:
        remarks.append(f"Of the part {curves.part}; not drawn: {', '.join(curves.others)}.")
    caption = (
        f"Means over {len(curves.networks)} networks (bands: standard errors over networks) of "
        f"{', '.join(f'{len(curves.owners[kind])} {kind}' for kind in curves.kinds())} ellipses. Transitions: those in "
        f"a bin by its width of 2π / {curves.angles.size}. Ratio: mean of the three bins at the anchors (dotted lines) "
        "by that of the middles between them, networks resampled."
    )
    return Drawing(caption, figure, table=numbers(curves), remarks=remarks)


def _short(curves: Curves, metric: str, kind: str) -> str:
    return f"{kind}: ratio {written_ratio(curves.ratio(metric, kind))}"


def _draw_curves(axes: Axes, curves: Curves, metric: str) -> None:
    scale = curves.width if metric == "transitions" else 1.0
    closed = np.append(curves.angles, 2 * math.pi)
    for kind in curves.kinds():
        mean, error = (np.append(each, each[0]) / scale for each in curves.averaged(metric, kind))
        low = np.maximum(mean - error, mean / 10)  # on a log axis a band that reaches zero has no lower end
        axes.fill_between(closed, low, mean + error, color=KINDS[kind], alpha=0.2, linewidth=0)
        axes.plot(closed, mean, color=KINDS[kind], linewidth=1.3)
    for angle in ANCHORS:
        axes.axvline(angle, color="0.6", linestyle=":", linewidth=0.9, zorder=1)
    axes.set_xticks(ANCHORS, ["π/3", "π", "5π/3"])
    axes.set_xlim(0, 2 * math.pi)
    axes.set_xlabel("angle t", labelpad=1)
    axes.set_yscale("log")
    plain_log(axes, "y")


def numbers(curves: Curves) -> pd.DataFrame:
    """Means, ratios and shares of both quantities."""
    rows = {}
    for metric, name in METRICS.items():
        for kind in curves.kinds():
            anchors, middles = curves.ends(metric, kind)
            lower = curves.lower(metric, kind)
            scale = curves.width if metric == "transitions" else 1.0
            rows[name, kind] = {
                "anchors": text.number(float(anchors.mean()) / scale),
                "middles": text.number(float(middles.mean()) / scale),
                "ratio": written_ratio(curves.ratio(metric, kind)),
                "whole curve": text.number(curves.level(metric, kind) / scale),
                "lower at the anchors": bracketed(Estimate(lower.value, lower.low, lower.high)),
                "ellipses": str(len(anchors)),
            }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["quantity", "ellipses"])
    return frame


FIGURE = report.Figure("figure2", "Figure 2: sensitivity along ellipses through data", draw, LARGER_PRESETS)
