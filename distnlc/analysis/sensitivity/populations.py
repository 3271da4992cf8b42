"""The networks of figures 1, 5 and App. 8: fitted, with true labels, without augmentation; one panel per data set.

In: the tables of a study. Parts that serve another figure (ellipses, maps, single points, augmentation, optimizers) are
no population; data of another crop or another number of training images are another panel.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.sensitivity.cells import DATA_NAMES, Cells, cells_of
from distnlc.analysis.sensitivity.thresholds import FEW_POINTS
from distnlc.analysis.statistics.correlations import Floats, TooFewRowsError
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.rank_correlations import (
    RankCorrelation,
    difference,
    partial_rank_correlations,
    rank_correlations,
)
from distnlc.analysis.tables import Tables

ELSEWHERE = ("ellipses", "regions", "augmentation", "optimizers", "points", "bounds")
"""how the names of parts begin that serve another figure"""
KEY = ["dataset", "crop", "train_points"]
"""what makes a panel"""
METRICS = ("jacobian_norm", "logit_jacobian_norm", "transitions")
METRIC_NAMES = {
    "jacobian_norm": "Jacobian norm",
    "logit_jacobian_norm": "Jacobian norm of the logits",
    "transitions": "transitions",
}


@dataclass(frozen=True)
class Population:
    """One panel's networks."""

    name: str
    """`CIFAR10`"""
    dataset: str
    cells: Cells

    @property
    def frame(self) -> pd.DataFrame:
        return self.cells.frame

    def where(self, figure: str) -> str:
        """The panel's name among the criteria."""
        return f"{figure}, {self.name}"


@dataclass(frozen=True)
class Ordered:
    """How the metrics order the gaps of one panel, all of the same cells."""

    plain: dict[str, RankCorrelation]
    given_size: dict[str, RankCorrelation]
    """given the logarithm of the number of weights"""
    reliable: RankCorrelation | None
    """the Jacobian norm's, without means that few points carry; None if there are none or too few rows are left"""
    per_neuron: RankCorrelation
    """that of transitions divided by the number of hidden neurons"""
    by_depth: dict[int, tuple[float, int]]
    """depth -> Spearman of the Jacobian norm among its cells, and how many these are"""

    def lead(self, other: str) -> Estimate:
        """Spearman of the Jacobian norm less that of another metric."""
        return difference(self.plain["jacobian_norm"], self.plain[other])


def populations(tables: Tables) -> list[Population]:
    """The panels with a fitted cell, MNIST-like data last as in the paper."""
    networks = tables.networks
    rows = networks[
        (networks["labels"] == "true")
        & (networks["augmentation"] == "none")
        & (networks["loss"] == "cross-entropy")
        & ~networks["part"].astype(str).str.startswith(ELSEWHERE)
    ]
    found = [
        Population(_name(*own.iloc[0][KEY]), str(own["dataset"].iloc[0]), cells_of(own))
        for _, own in rows.groupby(KEY, dropna=False)
    ]
    several = {one.dataset for one in found if sum(other.dataset == one.dataset for other in found) > 1}
    found = [
        one if one.dataset in several else Population(DATA_NAMES.get(one.dataset, one.dataset), one.dataset, one.cells)
        for one in found
    ]
    return sorted((one for one in found if len(one.frame)), key=lambda one: ("mnist" in one.dataset, one.name))


def needed(tables: Tables) -> list[Population]:
    """Raises MissingRecordsError."""
    found = populations(tables)
    if not found:
        raise MissingRecordsError("no fitted network with true labels of a part that varies networks")
    return found


def _name(dataset: str, crop: float, train_points: float) -> str:
    cropped = f" {crop:.0f} x {crop:.0f}" if crop > 0 else ""
    return f"{DATA_NAMES.get(dataset, dataset)}{cropped}, {train_points:,.0f} images"


def ordered(population: Population) -> Ordered:
    """Spearman of each metric with the gap. Raises TooFewRowsError for fewer than three cells with all metrics."""
    frame = population.frame
    frame = frame[frame[[*METRICS, "gap"]].notna().all(axis=1)]
    cells = frame["cluster"].to_numpy()
    gap, metrics = frame["gap"].to_numpy(dtype=float), _arrays(frame, METRICS)
    density = metrics[-1:] / frame["neurons"].to_numpy(dtype=float)
    *plain, per_neuron = rank_correlations(np.vstack([metrics, density]), gap, cells)
    size = np.log(frame["parameters"].to_numpy(dtype=float))
    given = partial_rank_correlations(metrics, gap, size, cells)
    return Ordered(
        plain=dict(zip(METRICS, plain, strict=True)),
        given_size=dict(zip(METRICS, given, strict=True)),
        reliable=_reliable(frame),
        per_neuron=per_neuron,
        by_depth={
            int(own["depth"].iloc[0]): (float(own["jacobian_norm"].corr(own["gap"], method="spearman")), len(own))
            for _, own in frame.groupby("depth")
            if len(own) > 2
        },
    )


def _reliable(frame: pd.DataFrame) -> RankCorrelation | None:
    kept = frame[~(frame["jacobian_effective_points"] < FEW_POINTS)]
    if len(kept) == len(frame):
        return None
    try:
        (found,) = rank_correlations(_arrays(kept, METRICS[:1]), kept["gap"].to_numpy(dtype=float), kept["cluster"])
    except TooFewRowsError:
        return None
    return found


def _arrays(frame: pd.DataFrame, columns: tuple[str, ...]) -> Floats:
    """(m, n)."""
    return frame[list(columns)].to_numpy(dtype=float).T
