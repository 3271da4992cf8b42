"""The cost of a cheaper search: the share of the grid's epochs that it trains, against the test error that it loses.

In: the folder of a study that tried every rate (the grid), and those of studies of the same architectures by other
searches. Out: a `Tradeoff` for each, and a figure. Architectures are joined by `architecture_id`, since unit ids depend
on the search. Share: the epochs of all runs together, of the grid's. Loss: test error of the chosen run minus that of
the grid's, mean over the architectures, with its bootstrap interval. The script analysis/search_tradeoff.py writes
both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.statistics.correlations import LEVEL, RESAMPLES, SEED, Floats
from distnlc.analysis.tables import load
from distnlc.records import FAILED
from distnlc.store import StoreError, read_spec_fields

TITLE = "What a cheaper search of the learning rate costs"
GOAL_SHARE, GOAL_POINTS = 0.4, 0.5
"""the goal of a search: at most this share of the epochs, at most so many percentage points lost"""

SEARCH = {f"search.{name}" for name in ("method", "coarse", "wave", "waves", "rungs")} | {"training.population"}
FREE = SEARCH | {"search.edge", "sampling.count", "data.root"}
"""fields in which compared studies may differ: the search, and what changes no chosen run"""


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """One search beside the grid, over the architectures that finished in both; points are percentage points."""

    setting: str
    architectures: int
    share: float
    points: float
    low: float
    high: float
    worst: float
    n_in: int
    """architectures of either study"""
    left_out: str


def compare(grid_folder: Path, folder: Path) -> Tradeoff:
    """One study beside the grid. Raises StoreError if they cannot be compared, MissingRecordsError if none joins."""
    grid_fields, fields = read_spec_fields(grid_folder), read_spec_fields(folder)
    if fields.get("parts"):
        raise StoreError(f"{folder}: expected a study without parts, since each part has its own search")
    if grid_fields["search"]["method"] != "grid" or grid_fields["search"].get("rungs"):
        raise StoreError(f"{grid_folder}: expected a study that tried every rate, but found {setting(grid_fields)}")
    expected, found = _conditions(grid_fields), _conditions(fields)
    # A field that one study lacks is younger than it, and its default changes nothing.
    differing = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    if differing:
        raise StoreError(
            f"{folder}: expected a study that differs from {grid_folder} in its search alone, but different are: "
            f"{', '.join(differing)}"
        )
    columns = ["architecture_id", "status", "epochs", "test_error"]
    joined = pd.merge(
        load(grid_folder).architectures[columns],
        load(folder).architectures[columns],
        on="architecture_id",
        how="outer",
        suffixes=("_grid", "_other"),
    )
    reasons = _reasons(joined)
    both = joined[reasons == ""]
    if both.empty:
        raise MissingRecordsError(f"{folder}: no architecture of it finished in {grid_folder} too")
    lost = 100 * (both["test_error_other"] - both["test_error_grid"]).to_numpy(dtype=float)
    low, high = mean_interval(lost)
    counts = reasons[reasons != ""].value_counts(sort=False)
    return Tradeoff(
        setting=setting(fields),
        architectures=len(both),
        share=float(both["epochs_other"].sum() / both["epochs_grid"].sum()),
        points=float(lost.mean()),
        low=low,
        high=high,
        worst=float(lost.max()),
        n_in=len(joined),
        left_out=", ".join(f"{count} ({reason})" for reason, count in counts.items()) or "none",
    )


def _conditions(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that must be equal for a comparison, with their values."""
    flat = {
        f"{section}.{name}": value
        for section in ("data", "sampling", "training", "search")
        for name, value in fields[section].items()
    }
    return {name: value for name, value in flat.items() if name not in FREE} | {
        name: fields[name] for name in ("seed", "dtype")
    }


def _reasons(joined: pd.DataFrame) -> "pd.Series[str]":
    """Why an architecture is left out; empty if it is not. Each counts once, under the first reason that holds."""
    reasons = pd.Series("", index=joined.index)
    for side, name in (("grid", "the grid"), ("other", "the other search")):
        status = joined[f"status_{side}"]
        reasons[(reasons == "") & status.isna()] = f"not in the study of {name}"
        reasons[(reasons == "") & (status == FAILED)] = f"unit failed in {name}"
        reasons[(reasons == "") & joined[f"test_error_{side}"].isna()] = f"no test error in {name}"
    return reasons


def mean_interval(values: Floats) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of values (n,); of a single value nan."""
    if values.size < 2:
        return float("nan"), float("nan")
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, confidence_level=LEVEL, method="percentile", rng=SEED
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def setting(fields: Mapping[str, Any]) -> str:
    """A study's search in words: `refine 32 + 1 x 4, halved at epochs 5, 20, 40 (populations of 20)`."""
    search = fields["search"]
    words = f"grid of {search['rates']}"
    if search["method"] == "refine":
        words = f"refine {search['coarse']} + {search['waves']} x {search['wave']}"
    if rungs := search.get("rungs"):  # studies from before there were rungs lack the field
        at = ", ".join(str(rung) for rung in rungs)
        words += f", halved at epochs {at} (populations of {fields['training']['population']})"
    return words


def draw(found: Sequence[Tradeoff]) -> Drawing:
    """One point per search; the dashed corner is the goal."""
    figure = Figure(figsize=(7.8, 4.6 + 0.22 * len(found)), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color="0.45", linewidth=0.9)
    axes.plot([0, 100 * GOAL_SHARE, 100 * GOAL_SHARE], [GOAL_POINTS, GOAL_POINTS, 0], color="0.45", linestyle="--")
    for number, one in enumerate(found):
        interval = [[one.points - one.low], [one.high - one.points]]
        axes.errorbar(
            100 * one.share,
            one.points,
            yerr=None if one.architectures < 2 else interval,
            marker="os^Dv<>P"[number % 8],
            color=f"C{number % 10}",
            capsize=3,
            linestyle="",
            label=f"{one.setting}: {100 * one.share:.0f}% of the epochs, {written(one)}",
        )
    axes.set_xlim(0, 105)
    axes.set_xlabel("epochs of all runs, % of the grid's")
    axes.set_ylabel("test error lost, percentage points")
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower left", frameon=False, fontsize=8.5)
    axes.set_title(TITLE, loc="left", fontsize=11, fontweight="bold")
    caption = (
        "Test error of the chosen run minus that of the full grid's, mean over the architectures with its "
        f"{LEVEL:.0%} bootstrap interval, against the share of the grid's epochs that were trained. Dashed: the goal."
    )
    return Drawing(caption, figure)


def written(one: Tradeoff) -> str:
    """`+0.06 [-0.04, +0.17] points`."""
    interval = f" [{one.low:+.2f}, {one.high:+.2f}]" if one.architectures > 1 else ""
    return f"{one.points:+.2f}{interval} points"


def lines(found: Sequence[Tradeoff]) -> list[str]:
    """The table for a terminal, one line per search."""
    return [
        f"{one.setting}: {100 * one.share:.1f}% of the epochs, {written(one)}, worst {one.worst:+.1f}; "
        f"{one.architectures} of {one.n_in} architectures, left out: {one.left_out}"
        for one in found
    ]
