"""What changes a metric without changing how well the network learns: the movements of all metrics, and theory's.

In: metrics of a sample of architectures before and after each change. Out: of each metric under each change the
median, lowest and highest after / before, and whether that is a movement. `confounders.py` shows them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from distnlc.analysis.nlc_initial.parts import needed
from distnlc.analysis.tables import Tables
from distnlc.studies.nlc_initial.records import METRICS

COSINES = ("init_input_cosine", "init_output_cosine", "init_cosine_correlation")
GRADIENT = ("init_gradient_component", "init_gradient_length")
SLOPES = ("init_jacobian_norm", "init_local_lipschitz")
CHANGES = {
    "input_scale": "input × 10",
    "output_scale": "output × 10",
    "output_scale_alone": "output × 10, raw loss",
    "duplicates": "features × 4",
    "equal_duplicates": "features × 4, tied",
    "input_constant": "input + 10",
    "width": "width × 2",
}
THEORY: Mapping[str, Mapping[str, float]] = {
    "input_scale": dict.fromkeys(GRADIENT + SLOPES, 1 / 10),
    "output_scale": dict.fromkeys(SLOPES, 10),
    "output_scale_alone": dict.fromkeys(GRADIENT + SLOPES, 10),
    "duplicates": {"init_linear_region": 2, "init_gradient_component": 1 / 2},
    "equal_duplicates": {
        "init_nlc": 1 / 2,
        "init_linear_region": 2 * 2,
        "init_relative_diameter": 2,
        "init_gradient_component": 1 / 4,
        "init_gradient_length": 1 / 2,
        **dict.fromkeys(SLOPES, 1 / 2),
    },
    "input_constant": {"init_input_cosine": 10**2 / (10**2 + 1), "init_cosine_correlation": math.nan},
    "width": {},
}
"""After / before, or after - before for cosines, where the change moves the metric; nan: the data decide by how much.

Copies: a random direction of length 1 has half as much in each of four times as many features. Weights of their own
have the old ones' W W^T, so that a linear region that is not relative to the inputs' radius doubles; tied weights have
a quarter of W W^T, which is another factor of two. A constant c, once large, leaves of the cosine of two inputs
1 - (their distance across the constant)^2 / (2 d c^2): the pairs have another order, and their correlation with the
outputs' cosines moves up or down."""
TOLERANCE = 0.01


class Summary(NamedTuple):
    """One metric's movements over the architectures that have a value: after / before, after - before for cosines."""

    median: float
    lowest: float
    highest: float
    architectures: int
    beyond: int
    """of these, those that move by more than TOLERANCE"""


@dataclass(frozen=True)
class Movements:
    """How all metrics moved."""

    summary: Mapping[tuple[str, str], "Summary"]
    """(change, metric) -> how the metric moved over the architectures"""
    deviations: Mapping[str, float]
    """metric -> standard deviation over initializations of a typical (the median) architecture: of the natural
    logarithm, and of the value itself for cosines"""
    left_out: Sequence[str]
    """metrics of other versions of this kind, which are measured no more"""

    @property
    def metrics(self) -> list[str]:
        """Those that have a value under some change, in the order of METRICS."""
        return [name for name in METRICS if any(self.of(change, name).architectures for change in CHANGES)]

    def of(self, change: str, metric: str) -> "Summary":
        """How the metric moved; without a value where it was not measured."""
        return self.summary.get((change, metric), Summary(math.nan, math.nan, math.nan, 0, 0))

    def median(self, change: str, metric: str) -> float:
        """The movement of the median architecture."""
        return self.of(change, metric).median

    def moves(self, change: str, metric: str) -> bool:
        """Whether the median architecture's metric moves by more than 1 %, or 0.01 for cosines.

        Twice the width needs new weights; there it must move by more than the standard deviation over initializations.
        """
        median = pd.Series([self.median(change, metric)], dtype=float)
        return bool(_distance(metric, median).iloc[0] > self.limit(change, metric))

    def limit(self, change: str, metric: str) -> float:
        """How far it may go and still stay; nan for the width where there is one initialization."""
        return self.deviations[metric] if change == "width" else TOLERANCE


def movements(tables: Tables) -> Movements:
    """Compares the metrics before and after each change. Raises MissingRecordsError."""
    units = pd.concat(needed(tables, "confounders", "width"))[["unit_id", "architecture"]]
    found = tables.movements.merge(units, on="unit_id")
    rows = found[found["metric"].isin(METRICS)]
    deviations: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for (metric, _), narrow in rows[rows["change"] == "width"].groupby(["metric", "architecture"]):
        deviations[str(metric)].append(_deviation(str(metric), narrow["before"]))
    # an architecture with several initializations moves as its medians do
    medians = rows.groupby(["change", "metric", "architecture"], as_index=False)[["before", "after"]].median()
    summary = {}
    for (change, metric), pairs in medians.groupby(["change", "metric"]):
        moved = _moved(str(metric), pairs["before"], pairs["after"]).dropna()
        beyond = int((_distance(str(metric), moved) > TOLERANCE).sum())
        summary[str(change), str(metric)] = Summary(moved.median(), moved.min(), moved.max(), len(moved), beyond)
    typical = {metric: float(pd.Series(values).median()) for metric, values in deviations.items()}
    return Movements(summary, typical, sorted(set(found["metric"]) - set(METRICS)))


def _distance(metric: str, moved: "pd.Series[float]") -> "pd.Series[float]":
    """How far after is from before: the logarithm of a ratio, the difference of cosines."""
    return moved.abs() if metric in COSINES else moved.map(math.log).abs()


def _moved(metric: str, before: "pd.Series[float]", after: "pd.Series[float]") -> "pd.Series[float]":
    """nan where there is no ratio, since a value is 0 or not finite."""
    if metric in COSINES:
        return after - before
    return (after / before).where(before.between(0, math.inf, "neither") & after.between(0, math.inf, "neither"))


def _deviation(metric: str, values: "pd.Series[float]") -> float:
    if metric in COSINES:
        return float(values.std())
    return float(np.log(values).std()) if values.between(0, math.inf, "neither").all() else math.nan
