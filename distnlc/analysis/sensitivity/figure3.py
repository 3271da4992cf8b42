"""Figure 3: the last hidden layer's boundaries in a plane through three training points, before and after training.

In: the maps of one part, the one with most fitted networks. Near: discs at the three points; opposite: discs as far
from the centre, since the density falls with the distance from it in any network (section A.3). Planes are resampled.
"""

import base64
import math
import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity import thresholds
from distnlc.analysis.sensitivity.cells import LARGER_PRESETS, is_fitted, left_out, size_of
from distnlc.analysis.sensitivity.figure2 import ANCHORS, written_ratio
from distnlc.analysis.sensitivity.thresholds import FEWEST_PAIRS, PAPER_POINTS
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.ratios import ratio_of_means
from distnlc.analysis.statistics.shares import Share, share_above
from distnlc.analysis.tables import Tables

STATES = {"initial": "before training", "trained": "after training"}
RADIUS = 0.8
"""distance of the three points from the centre"""
TICKS = (-1, -0.5, 0, 0.5, 1)
PLACES = ("near", "opposite", "centre", "elsewhere")


@dataclass(frozen=True)
class Regions:
    """The planes of one part."""

    part: str
    networks: pd.DataFrame
    """the fitted ones"""
    left_out: dict[str, int]
    rows: dict[str, pd.DataFrame]
    """state -> a row per plane"""

    @property
    def paper_size(self) -> bool:
        return bool((self.networks["train_points"] >= PAPER_POINTS).all())

    def ratio(self, state: str) -> Estimate:
        """Near to opposite."""
        rows = self.rows[state]
        near, opposite = (rows[name].to_numpy(dtype=float) for name in ("near", "opposite"))
        return ratio_of_means(near, opposite, np.arange(len(rows)))

    def lower(self, state: str) -> Share:
        """The share of planes whose density is lower near the points."""
        return share_above(self.rows[state]["near"], self.rows[state]["opposite"])


def regions_of(tables: Tables) -> Regions | None:
    """The part with most fitted networks that have maps; None if there is none."""
    networks, regions = tables.networks, tables.regions
    there = networks[networks["unit_id"].isin(regions["unit_id"].unique())]
    fitted = there[is_fitted(there)]
    if fitted.empty:
        return None
    part = str(fitted["part"].value_counts().index[0])
    own, misfits = fitted[fitted["part"] == part], int(((there["part"] == part) & ~is_fitted(there)).sum())
    rows = regions[regions["unit_id"].isin(own["unit_id"])]
    by_state = {state: rows[rows["state"] == state].sort_values(["unit_id", "plane"]) for state in STATES}
    return Regions(part, own, {"not fitted": misfits} if misfits else {}, by_state)


def criteria(tables: Tables) -> list[Criterion]:
    """What is asked of figure 3."""
    found = regions_of(tables)
    if found is None:
        return []
    before, after, lower = found.ratio("initial"), found.ratio("trained"), found.lower("trained")
    low, high, most, least = (
        each.at(found.paper_size) or 0.0
        for each in (thresholds.BEFORE_LOW, thresholds.BEFORE_HIGH, thresholds.AFTER, thresholds.PLANES_LOWER)
    )
    few = too_few(lower.n, FEWEST_PAIRS, "planes")
    return [
        Criterion(
            "3",
            f"before training density near the points to that opposite within [{low:g}, {high:g}]",
            decided(low <= before.value <= high, few),
            f"Ratio {written_ratio(before)}.",
            basis=thresholds.BEFORE_LOW.basis,
            why_open=few,
        ),
        Criterion(
            "3",
            f"after training density near the points to that opposite at most {most:g}",
            decided(after.value <= most, few),
            f"Ratio {written_ratio(after)}.",
            basis=thresholds.AFTER.basis,
            why_open=few,
        ),
        Criterion(
            "3",
            f"after training lower density near the points in a share of at least {least:g} of the planes",
            decided(lower.value >= least, few),
            f"{lower.count} of {lower.n} planes [{lower.low:.2f}, {lower.high:.2f}].",
            basis=thresholds.PLANES_LOWER.basis,
            why_open=few,
        ),
    ]


def unpacked(stored: str, grid: int) -> NDArray[np.uint8]:
    """The map of a row, (grid, grid). Raises ValueError if it is none."""
    data = zlib.decompress(base64.b64decode(stored, validate=True))
    return np.frombuffer(data, dtype=np.uint8).reshape(grid, grid)


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    found = regions_of(tables)
    if found is None:
        raise MissingRecordsError("no fitted network whose boundaries were mapped")
    headings = [
        (
            title,
            [
                f"near / opposite {written_ratio(found.ratio(state))}",
                f"lower near the points in {found.lower(state).count} of {found.lower(state).n} planes",
            ],
        )
        for state, title in STATES.items()
    ]
    figure, panels = page(headings, height=4.0, width=4.0)
    for state, axes in zip(STATES, panels, strict=True):
        stored = found.rows[state].dropna(subset=["boundaries"])
        if stored.empty:
            axes.text(0.5, 0.5, "no map was kept", transform=axes.transAxes, ha="center", color="0.5")
        else:
            first = stored.iloc[0]
            map_ = unpacked(first["boundaries"], int(first["grid"]))
            _draw_map(axes, map_)
        axes.grid(visible=False)
        axes.set_xticks(TICKS)
        axes.set_yticks(TICKS)
        axes.set_xlabel("p", labelpad=0)
        axes.set_ylabel("q", labelpad=0)
    remarks = [f"{size_of(found.networks)} {left_out(found.left_out, 'network')}"]
    if not found.paper_size and (found.networks["augmentation"] == "none").all():
        remarks.append(
            "The paper trains this network with augmentation; at small sizes networks then stay at 90 % training "
            "accuracy and the prototype saw nothing, so that these are trained without."
        )
    kept = next((frame["unit_id"].iloc[0] for frame in found.rows.values() if len(frame)), "")
    caption = (
        f"How many neurons of the last hidden layer change their region between neighbouring pixels (dark: many), in a "
        f"plane through three training points (orange squares), of network {kept}. Ratios: mean over "
        f"{len(found.rows['trained'])} planes of {len(found.networks)} networks, discs of radius 0.12 near the points "
        "by discs opposite them, planes resampled."
    )
    return Drawing(caption, figure, table=numbers(found), remarks=remarks)


def _draw_map(axes: Axes, map_: NDArray[np.uint8]) -> None:
    most = max(1, int(np.quantile(map_[map_ > 0], 0.98))) if map_.any() else 1
    axes.imshow(
        np.sqrt(map_.astype(float)),
        cmap="gray_r",
        vmin=0,
        vmax=math.sqrt(most),
        origin="lower",
        extent=(-1, 1, -1, 1),
        interpolation="nearest",
    )
    for angle in ANCHORS:
        x, y = RADIUS * math.cos(angle), RADIUS * math.sin(angle)
        axes.add_patch(
            Rectangle((x - 0.05, y - 0.05), 0.1, 0.1, fill=False, edgecolor=COLOURS[1], linewidth=2, zorder=3)
        )


def numbers(found: Regions) -> pd.DataFrame:
    """Densities over the planes."""
    rows = {
        title: {
            **{name: text.number(float(found.rows[state][name].mean())) for name in PLACES},
            "near / opposite": written_ratio(found.ratio(state)),
            "planes lower": f"{found.lower(state).count} of {found.lower(state).n}",
        }
        for state, title in STATES.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


FIGURE = report.Figure(
    "figure3", "Figure 3: boundaries of the last hidden layer, before and after training", draw, LARGER_PRESETS
)
