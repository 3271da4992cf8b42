"""The place of a new network among those of a finished study: where its metrics lie, and the error to expect.

In: a study folder, and a metric's value of the network; the metric is a column, or one of the table `measurements`.
Out: the share of the study's architectures with a lower value, and the error that `prediction` expects from the initial
NLC and the output bias, with its 90% interval. (With the bias the interval is narrower: networks of high bias fail at
any NLC, as figure 2 shows.) A study has several parts; a network is compared with one of them, by default the first on
its dataset.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.statistics.prediction import fit
from distnlc.analysis.tables import load
from distnlc.records import INITIAL, MEASUREMENTS
from distnlc.store import StoreError

FEWEST = 9
"""architectures: of fewer the interval is all of [0, 1]"""


@dataclass(frozen=True)
class Expected:
    """The error to expect of a network that is trained as the architectures of the part were."""

    error: float
    low: float
    high: float
    """ends of the 90% interval"""
    n: int
    """architectures that it was learned from"""
    lowest_nlc: float
    highest_nlc: float
    """of those architectures"""


def find_part(folder: str | Path, *, dataset: str | None, part: str | None = None) -> Part:
    """The part of that name, else the first about that dataset (None: the user's own), else the first of all.

    Raises StoreError if the folder is no study, is empty or has no such part.
    """
    tables = load(folder)
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
        rows = rows.assign(**{str(name): column.combine_first(rows[name]) if name in rows else column})
    return rows


def percentile(part: Part, metric: str, value: float) -> float | None:
    """How many percent of the part's architectures have a lower value, equal ones counted half; None if unknown."""
    known = part.rows[metric].dropna() if metric in part.rows else part.rows.iloc[:0]
    return None if known.empty or math.isnan(value) else float(stats.percentileofscore(known, value, kind="mean"))


def expected_error(part: Part, nlc: float, bias: float) -> Expected | None:
    """The error to expect of a network with this initial NLC and output bias; None if one of them has no logarithm, or
    fewer than FEWEST of the part's architectures have both and an error."""
    columns = part.rows[["init_nlc", "init_bias"]].to_numpy(dtype=float)
    usable = np.isfinite(columns).all(axis=1) & (columns > 0).all(axis=1) & part.rows[part.error].notna().to_numpy()
    if usable.sum() < FEWEST or not (0 < nlc < math.inf and 0 < bias < math.inf):
        return None
    learned = fit(columns[usable], part.rows[part.error][usable], log_x=True)
    error, low, high = (float(numbers[0]) for numbers in learned.at([[nlc, bias]]))
    known = columns[usable, 0]
    return Expected(error, low, high, n=learned.n, lowest_nlc=float(known.min()), highest_nlc=float(known.max()))
