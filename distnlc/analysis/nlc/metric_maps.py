"""Pictures of the ranking: each metric in each part, and which metrics say the same.

In: a finished study. Out: two figures. Both take the rows and metrics of the table `best_metric`: in every part the
architectures that have all metrics; a metric that many lack stands on those that have it. How metrics go with each
other is told by initial networks alone, so that parts which train the same ones again are not counted for that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy import stats
from scipy.cluster import hierarchy

from distnlc.analysis import report
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.heat_map import CELL, heat_map
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc.metrics import compared
from distnlc.analysis.nlc.parts import Part, of_own_networks, parts_of
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.redundancy import SAME, Redundancy, average, redundancy
from distnlc.analysis.statistics.shared_rows import ENOUGH
from distnlc.analysis.tables import Tables
from distnlc.records import MEASUREMENTS

LETTER, HEAD = 0.065, 0.15
"""width of a letter in inches, and the room above a map"""
PAIRED = 20
"""architectures on which a metric that many lack is compared with the others; few make any two alike"""
COLUMN = 0.62
"""width of a column that numbers stand in, in inches"""


@dataclass(frozen=True)
class _PartMetrics:
    """One part's metrics: Spearman with the error, and with each other."""

    title: str
    n: int
    with_error: dict[str, float]
    names: list[str]
    between: Floats
    """over the rows that have both; nan where fewer than ENOUGH do"""


def _parts(tables: Tables, parts: Sequence[Part]) -> list[_PartMetrics]:
    """Raises MissingRecordsError if no part has enough architectures."""
    found = []
    for part in parts:
        shared, metrics = compared(part, tables.frames.get(MEASUREMENTS))
        used, names = shared.used, {metric.columns[0]: metric.name for metric in metrics}
        columns = [column for column in names if column in shared.scaled]
        if len(used) < ENOUGH or len(columns) < 2 or used[part.error].nunique() < 2:
            continue
        with_error = {names[each]: _spearman(shared.scaled[each], used[part.error]) for each in columns}
        for metric in shared.apart:
            having = shared.finished[shared.finished[metric.columns[0]].notna()]
            with_error[metric.name] = _spearman(having[metric.columns[0]], having[part.error])
        apart = [each.columns[0] for each in shared.apart if used[each.columns[0]].notna().sum() >= PAIRED]
        every = pd.concat([shared.scaled[columns], used[apart]], axis=1).astype(np.float64)
        between = every.corr("spearman", min_periods=ENOUGH).to_numpy()
        found.append(
            _PartMetrics(part.title, len(used), with_error, [names[each] for each in (*columns, *apart)], between)
        )
    if not found:
        raise MissingRecordsError(f"no part has {ENOUGH} trained architectures that differ in two metrics")
    return found


def draw_parts(tables: Tables) -> Drawing:
    """Metrics by parts. Raises MissingRecordsError."""
    parts = _parts(tables, parts_of(tables.architectures))
    frame = pd.DataFrame({part.title: part.with_error for part in parts})
    strength = frame.abs().mean(axis=1) - frame.isna().any(axis=1)  # those that every part ranks come first
    frame = frame.loc[strength.sort_values(ascending=False, kind="stable").index]
    width, height = COLUMN * len(parts), CELL * len(frame)
    figure, axes = _map_page(width, height, list(frame.index), list(frame.columns))
    written = [["" if math.isnan(value) else f"{value:.2f}" for value in row] for row in frame.to_numpy()]
    heat_map(axes, frame.to_numpy(), list(frame.index), list(frame.columns), norm=Normalize(-1, 1), written=written)
    caption = (
        "Spearman's correlation of each initial metric with the error, in every part; the largest mean size first, "
        "then the metrics that some part does not rank. "
        "Red: high values of the metric go with high errors, blue: with low ones. Grey: the part does not rank "
        "the metric. Intervals, and what chance can make, stand in the table."
    )
    return Drawing(caption, figure)


def draw_redundancy(tables: Tables) -> Drawing:
    """The clustered map. Raises MissingRecordsError."""
    parts = _parts(tables, of_own_networks(parts_of(tables.architectures)))
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    studies = []
    for part in parts:
        places = [names.index(name) for name in part.names]
        whole = np.full((len(names), len(names)), np.nan)
        whole[np.ix_(places, places)] = part.between
        studies.append(whole)
    found = redundancy(average(studies, [part.n for part in parts]))
    caption = (
        "Spearman's correlations between initial metrics, over the architectures of each part and averaged over "
        f"{'the part' if len(parts) == 1 else f'{len(parts)} parts of different networks'} by their number of "
        f"architectures; a metric that many lack, over those that have it, if these are {PAIRED} or more. Metrics that "
        "order architectures alike (red), or in reverse (blue), stand together: average linkage of 1 - |Spearman|, "
        "drawn at the right."
    )
    groups = [", ".join(names[each] for each in group) for group in found.groups]
    remark = (
        f"Metrics that say nearly the same (|Spearman| of {SAME} or more by average linkage): {'; '.join(groups)}."
        if groups
        else f"No two metrics say nearly the same (|Spearman| of {SAME} or more)."
    )
    return Drawing(caption, _redundancy_figure(found, names), remarks=[remark])


def _redundancy_figure(found: Redundancy, names: list[str]) -> Figure:
    side, tree = CELL * len(names) + 0.2, 1.3
    figure, axes = _map_page(side, side, names, names, right=tree + 0.2)
    ordered, labels = found.correlations[np.ix_(found.order, found.order)], [names[each] for each in found.order]
    heat_map(axes, ordered, labels, labels, norm=Normalize(-1, 1))
    whole = figure.get_size_inches()
    place = axes.get_position()
    beside = figure.add_axes((place.x1 + 0.08 / whole[0], place.y0, tree / whole[0], place.height))
    joined = hierarchy.dendrogram(found.tree, no_plot=True)
    for across, down in zip(joined["dcoord"], joined["icoord"], strict=True):
        beside.plot(across, (np.array(down) - 5) / 10, color="0.25", linewidth=1)
    beside.axvline(1 - SAME, color="0.6", linestyle=":", linewidth=1)
    beside.set_ylim(len(names) - 0.5, -0.5)
    beside.set_xlim(0, 1)
    beside.set_xticks([0, 0.5, 1], ["1", "0.5", "0"], fontsize=8)
    beside.set_xlabel("|Spearman|", fontsize=8)
    beside.set_yticks([])
    beside.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _map_page(
    width: float, height: float, rows: list[str], columns: list[str], right: float = 0.3
) -> tuple[Figure, Axes]:
    """A figure with one map of that size in inches, and room for the names of its rows and its tilted columns."""
    left, foot = (0.2 + LETTER * max(map(len, names)) for names in (rows, columns))
    foot /= math.sqrt(2)
    breadth, whole = max(left, foot) + width + right, HEAD + height + foot
    figure = Figure(figsize=(breadth, whole))
    axes = figure.add_axes((max(left, foot) / breadth, foot / whole, width / breadth, height / whole))
    return figure, axes


def _spearman(x: "pd.Series[float]", y: "pd.Series[float]") -> float:
    return float("nan") if x.nunique() < 2 or y.nunique() < 2 else float(stats.spearmanr(x, y).statistic)


PARTS = report.Figure(
    "metrics_by_part",
    "Does the ranking of metrics hold elsewhere?",
    draw_parts,
    ("paper-small", "paper"),
    beside="best_metric",
)
REDUNDANCY = report.Figure(
    "redundancy", "Which metrics say the same?", draw_redundancy, ("waveform-small", "paper"), beside="best_metric"
)
