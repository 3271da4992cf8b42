"""Figure 5: what the NLC measures, on a function of one input (section A.1). A drawing of an idea: it needs no records.

A tangent can only be a good approximation of f while it stays inside the co-domain F, so a point x can speak for
the share diameter(F) / (|f'(x)| diameter(D)) of the domain D at most. The NLC is the inverse of that share, averaged
over the inputs, with the spread of inputs and outputs in the place of the two diameters.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.tables import Tables

DOMAIN = (0.0, 4 * np.pi)
CO_DOMAIN = (-1.0, 1.0)
CURVE = "#0072b2"


@dataclass(frozen=True)
class Point:
    """An input with its tangent to the curve f = sin."""

    name: str
    x: float
    colour: str

    @property
    def slope(self) -> float:
        return float(np.cos(self.x))

    @property
    def region(self) -> tuple[float, float]:
        """Between which inputs the tangent is inside the co-domain."""
        ends = sorted(self.x + (bound - np.sin(self.x)) / self.slope for bound in CO_DOMAIN)
        return float(ends[0]), float(ends[1])

    @property
    def share(self) -> float:
        """The share of the domain that the region covers: diameter(F) / (|f'(x)| diameter(D))."""
        return float(np.ptp(CO_DOMAIN) / (abs(self.slope) * np.ptp(DOMAIN)))

    def tangent(self, x: np.ndarray) -> np.ndarray:
        """The linear approximation of f around the point, at the inputs x."""
        return np.asarray(np.sin(self.x) + self.slope * (x - self.x))


POINTS = (Point("x₁", 2.5 * np.pi - 0.4, "#d5311e"), Point("x₂", 3 * np.pi + 0.25, "#7a7a00"))


def nonlinearity(points: int = 100_000) -> float:
    """NLC = Q f'(x) S x / S f(x) of f = sin for x uniform on the domain, on a grid of midpoints."""
    x = DOMAIN[0] + (np.arange(points) + 0.5) * np.ptp(DOMAIN) / points
    return float(np.sqrt(np.mean(np.cos(x) ** 2)) * np.std(x) / np.std(np.sin(x)))


def draw(_: Tables) -> Drawing:
    """The same for every study."""
    figure = Figure(figsize=(10.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    _draw_frame(axes)
    for point in POINTS:
        _draw_point(axes, point)
    rows = {
        f"{point.name} = {point.x:.2f}": {
            "|f'(x)|": f"{abs(point.slope):.2f}",
            "share of the domain covered": f"{point.share:.0%}",
            "regions to cover the domain": f"{1 / point.share:.1f}",
        }
        for point in POINTS
    }
    mean_square_slope = 0.5  # of a sine over whole periods
    average = np.sqrt(mean_square_slope) * np.ptp(DOMAIN) / np.ptp(CO_DOMAIN)
    return Drawing(
        "The curve is f(x) = sin(x) on a bounded domain D. Where a tangent has left the co-domain F (dashed), it "
        "cannot be near f any more; so each point's tangent can describe f inside the shaded interval at most, which "
        "covers the share diameter(F) / (|f'(x)| diameter(D)) of the domain. Around x₂ the tangent is close to f in "
        "most of its interval; around x₁ the interval is only an upper bound. The inverse of the share is the number "
        "of such intervals that cover the domain: the steeper f is for the sizes of its domain and co-domain, the "
        "less linear.",
        figure,
        table=pd.DataFrame.from_dict(rows, orient="index"),
        remarks=[
            f"Over all x of the domain, the quadratic mean of the number of regions is {text.number(average)}. The NLC "
            "takes the standard deviations of inputs and outputs for the two diameters, which every dataset and "
            f"network has: for x uniform on D, NLC = Q f'(x) · S x / S f(x) = {text.number(nonlinearity())}.",
        ],
    )


FIGURE = report.Figure("figure5", "Figure 5: the NLC in one dimension", draw)


def _draw_frame(axes: Axes) -> None:
    """The domain, the co-domain and the curve."""
    x = np.linspace(*DOMAIN, 600)
    axes.fill_between(DOMAIN, *CO_DOMAIN, color="0.955", linewidth=0, zorder=0)
    axes.plot(x, np.sin(x), color=CURVE, linewidth=2.2, zorder=4)
    axes.text(0.62 * np.pi, 1.05, "f(x) = sin(x)", color=CURVE, va="bottom", ha="center", fontsize=11)
    left, right = DOMAIN
    arrow = {"arrowstyle": "<->", "color": "0.25", "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (left, -1.85), (right, -1.85), arrowprops=arrow)
    axes.text((left + right) / 2, -1.9, f"domain D, diameter {np.ptp(DOMAIN):.1f}", ha="center", va="top", fontsize=10)
    axes.annotate("", (-0.35, -1), (-0.35, 1), arrowprops=arrow)
    axes.text(
        -0.5, 0, f"co-domain F, diameter {np.ptp(CO_DOMAIN):.0f}", rotation=90, ha="right", va="center", fontsize=10
    )
    for bound in CO_DOMAIN:
        axes.plot(DOMAIN, (bound, bound), color="0.6", linewidth=0.8, zorder=1)
    axes.set_xlim(left - 0.9, right + 0.4)
    axes.set_ylim(-2.15, 1.3)
    axes.axis("off")


def _draw_point(axes: Axes, point: Point) -> None:
    """A point, its tangent, and the interval in which that is inside the co-domain."""
    inside = np.array(point.region)
    beyond = inside + np.array([-1, 1]) * 0.14 / abs(point.slope)
    axes.fill_between(inside, *CO_DOMAIN, color=point.colour, alpha=0.14, linewidth=0, zorder=2)
    axes.plot(beyond, point.tangent(beyond), color=point.colour, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
    axes.plot(inside, point.tangent(inside), color=point.colour, linewidth=3, zorder=5, solid_capstyle="butt")
    axes.plot([point.x], [np.sin(point.x)], "o", color=point.colour, markersize=9, markeredgecolor="white", zorder=6)
    axes.plot(inside, [-1.18, -1.18], color=point.colour, linewidth=2, marker="|", markersize=9, zorder=5)
    axes.text(point.x - 0.2, np.sin(point.x) + 0.05, point.name, color=point.colour, ha="right", fontsize=12)
    said = f"{point.share:.0%} of D:\n{1 / point.share:.1f} of these cover it"
    axes.text(float(inside.mean()), -1.3, said, color=point.colour, ha="center", va="top", fontsize=11)
