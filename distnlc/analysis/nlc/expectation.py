"""The place of a new network among those of a finished study: where its metrics lie, and the error to expect.

In: a study folder, and the network's metrics by name; a metric is a column, or one of the table `measurements`. Out:
the share of the study's architectures with a lower value, and the error that ridge regression on all metrics that both
have expects, with its 90% interval and which metrics alone disagree. The model is the ranking's
(statistics/learning.py). A study has several parts; a network is compared with one of them, by default the first on its
dataset. Where the text is silent: a value beyond the reference's is taken for the nearest of these, and named, since no
reference says how the error goes on; a metric disagrees if the error that all expect lies outside the 90% interval of
the one that it alone expects, so that one which tells little never does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.nlc.metrics import COLUMNS, METRICS, known_sizes
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.learning import joined_by, ridge
from distnlc.analysis.statistics.prediction import FAR, fit
from distnlc.analysis.statistics.shared_rows import Metric, shared_rows
from distnlc.analysis.tables import load
from distnlc.records import INITIAL, MEASUREMENTS
from distnlc.store import StoreError

FEWEST = 9
"""architectures: of fewer the interval is all of [0, 1]"""
RANKED = {metric.columns[0] for metric in METRICS}
"""columns that are metrics; others say how the network was measured, such as the size of its outputs"""


@dataclass(frozen=True)
class Place:
    """Where a value lies among others."""

    percentile: float
    """how many percent have a lower value, equal ones counted half"""
    median: float
    count: int
    """of the others"""


@dataclass(frozen=True)
class Alone:
    """The error that one metric alone expects."""

    name: str
    label: str
    error: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The error to expect of a network that is trained as the architectures of the part were."""

    of: str
    """the column: `test_error` or `train_error`"""
    error: float
    low: float
    high: float
    """ends of the 90% interval"""
    n: int
    """architectures that it was learned from"""
    left_out: dict[str, int]
    """reason -> architectures of the part that it was not learned from"""
    off_by: float
    """mean absolute error on these, each predicted without it; a fraction, as errors are"""
    far_off: float
    """share of these predictions that are off by more than FAR"""
    alone: tuple[Alone, ...]
    """what each of the metrics expects that it was learned from"""
    outside: tuple[str, ...]
    """labels of metrics that lie outside the architectures' range"""

    @property
    def disagreeing(self) -> tuple[Alone, ...]:
        """The metrics in whose 90% interval the error that all expect does not lie."""
        return tuple(each for each in self.alone if not each.low <= self.error <= each.high)

    def sentences(self) -> list[str]:
        """For people."""
        name, count = self.of.replace("_", " "), len(self.alone)
        said = [
            f"predicted {name}: {self.error:.3f} (90% interval {self.low:.3f} to {self.high:.3f}), by ridge regression "
            f"on {count} metrics of {self.n} architectures; on these, each predicted without it, it is off by "
            f"{100 * self.off_by:.1f} points on average, by more than {100 * FAR:.0f} for {self.far_off:.0%}"
        ]
        if self.disagreeing:
            others = ", ".join(
                f"{each.label} ({each.error:.3f}, {each.low:.3f} to {each.high:.3f})" for each in self.disagreeing
            )
            return [*said, f"{len(self.disagreeing)} of the {count} disagree, each by itself: {others}"]
        return [*said, f"none of the {count} disagrees with that by itself"]


@dataclass(frozen=True, kw_only=True)
class Value:
    """One metric of the network."""

    name: str
    label: str
    log: bool
    value: float


def find_part(folder: str | Path, *, dataset: str | None, part: str | None = None) -> Part:
    """The part of that name, else the first about that dataset (None: the user's own), else the first of all.

    Raises StoreError if the folder is no study, is empty or has no such part.
    """
    tables = load(folder, ["architectures", MEASUREMENTS])
    found = {each.name: each for each in parts_of(tables.architectures)}
    if not found:
        raise StoreError(f"{folder}: no architecture was measured yet, so that there is nothing to compare with")
    if part is not None and part not in found:
        raise StoreError(f"{folder}: no part {part!r}; its parts: {', '.join(found)}")
    first = next(iter(found.values()))
    chosen = found[part] if part is not None else next((e for e in found.values() if e.key[0] == dataset), first)
    return replace(chosen, rows=with_measurements(chosen.rows, tables.frames.get(MEASUREMENTS)))


def with_measurements(rows: pd.DataFrame, measurements: pd.DataFrame | None) -> pd.DataFrame:
    """The rows with a column for each initial metric of the table `measurements`; a value there stands before that of a
    column of its name, such as the depth, which a family's architectures have only there."""
    if measurements is None:
        return rows
    initial = measurements[measurements["stage"].eq(INITIAL) & measurements["unit_id"].isin(rows["unit_id"])]
    for name, values in initial.groupby("name"):
        column = rows["unit_id"].map(values.set_index("unit_id")["value"])
        rows = rows.assign(**{str(name): column.combine_first(known_sizes(rows[name])) if name in rows else column})
    return rows


def place(part: Part, metric: str, value: float) -> Place | None:
    """Where a value lies among those of the part's architectures; None if these do not have the metric."""
    if metric not in part.rows or math.isnan(value) or part.rows[metric].isna().all():
        return None
    return place_among(part.rows[metric].dropna(), value)


def place_among(known: "pd.Series[float]", value: float) -> Place:
    """The place among values of which none is missing."""
    return Place(float(stats.percentileofscore(known, value, kind="mean")), float(known.median()), len(known))


def expected_error(part: Part, values: Sequence[Value]) -> Expected | None:
    """The error to expect of a network with these metrics; None if none of them can be learned from, or fewer than
    FEWEST of the part's architectures have them and an error."""
    comparable = [
        each
        for each in values
        if each.name in part.rows
        and (each.name in RANKED or each.name not in COLUMNS)
        and not math.isnan(each.value)
        and part.rows[each.name].notna().any()
    ]
    metrics = [Metric(name=each.label, columns=(each.name,), log=each.log, expected=0, data="") for each in comparable]
    shared = shared_rows(part.rows, part.error, metrics, (), part.left_out(part.error))
    used = [each for each in comparable if each.name in shared.scaled]
    if len(shared.used) < FEWEST or not used:
        return None
    errors = shared.used[part.error].to_numpy(dtype=np.float64)
    columns = shared.scaled[[each.name for each in used]].to_numpy()
    wanted = np.array([_scaled(each) for each in used])
    lowest, highest = columns.min(axis=0), columns.max(axis=0)
    held = np.clip(wanted, lowest, highest)
    learned = fit(columns, errors, log_x=False, join=joined_by(ridge))
    error, low, high = (float(numbers[0]) for numbers in learned.at(held[None]))
    return Expected(
        of=part.error,
        error=error,
        low=low,
        high=high,
        n=learned.n,
        left_out=shared.left_out,
        off_by=learned.mean_absolute_error,
        far_off=learned.far_off,
        alone=tuple(_alone(*each, errors) for each in zip(used, held, columns.T, strict=True)),
        outside=tuple(each.label for each, value, by in zip(used, wanted, held, strict=True) if abs(value - by) > 1e-9),
    )


def _scaled(metric: Value) -> float:
    """The value as it is compared; one without a logarithm lies below all."""
    if not metric.log:
        return metric.value
    return math.log(metric.value) if metric.value > 0 else -math.inf


def _alone(metric: Value, value: float, column: Floats, errors: Floats) -> Alone:
    error, low, high = (float(each[0]) for each in fit(column, errors, log_x=False).at([value]))
    return Alone(metric.name, metric.label, error, low, high)
