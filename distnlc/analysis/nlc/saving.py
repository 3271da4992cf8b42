"""Training saved by the NLC: what is left out because of a high initial NLC, against what the best network loses.

In: a finished study, which trained every architecture. Out: a curve per part, and a table. Architectures are trained
in the order of their initial NLC, the lowest first, up to a threshold. Saved: the epochs of all runs of the others,
as a share of all epochs. Lost: the lowest error among the trained minus the lowest of all, in percentage points. A
study has one best network, by chance; what other architectures would lose is told by resampling them (mean and
interval), beside leaving out as much training at random. The table has ranges that a spec can ask for (`train_if`).
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.statistics.correlations import LEVEL, RESAMPLES, SEED, Floats, usable_rows
from distnlc.analysis.statistics.resampling import interval
from distnlc.analysis.tables import Tables

NAMED = (1.0, 5.0)
"""the range of the remarks, named before any result: the paper finds its best networks between 1 and 3"""
RANGES = ((1.0, 2.0), NAMED, (1.0, 10.0), (1.0, 100.0), (2.0, 5.0))
MARKED = (2.0, 5.0, 10.0, 100.0)
"""thresholds that are marked on the curve"""
SHARES: Floats = np.linspace(0, 1, 201)
"""of the training saved, where curves are evaluated"""
ENOUGH = 8
"""architectures; of fewer there is no curve"""


@dataclass(frozen=True)
class Study:
    """The architectures of one part that have all three, in the order of their initial NLC; each (n,)."""

    title: str
    nlc: Floats
    error: Floats
    epochs: Floats
    left_out: dict[str, int]
    rows: pd.DataFrame
    """their rows"""

    def inside(self, low: float, high: float) -> NDArray[np.bool_]:
        """Which architectures have an NLC in a range."""
        return (low <= self.nlc) & (self.nlc <= high)

    def saved(self, kept: NDArray[np.bool_]) -> float:
        """Share of the epochs that training only the kept ones saves."""
        return float(self.epochs[~kept].sum() / self.epochs.sum())

    def lost(self, kept: NDArray[np.bool_]) -> float:
        """Percentage points by which the best of the kept is worse than the best of all; nan if none is kept."""
        return 100 * float(self.error[kept].min() - self.error.min()) if kept.any() else math.nan


@dataclass(frozen=True)
class Elsewhere:
    """The percentage points that resampled architectures lose, (RESAMPLES, ...)."""

    by_nlc: Floats
    """at SHARES, the lowest NLC trained first"""
    at_random: Floats
    """at SHARES, trained in random order"""
    ranges: Floats
    """in RANGES; nan where a resample has no architecture in the range"""


def study_of(part: Part) -> Study:
    """Raises MissingRecordsError if fewer than ENOUGH architectures have NLC, error and epochs, or if the study has
    left out some by `train_if` already: what that lost nobody knows."""
    rows = part.rows
    if part.skipped.any():
        raise MissingRecordsError(
            f"{part.title}: {part.skipped.sum()} architectures were skipped by train_if, and only a study that trains "
            "all tells what the NLC saves"
        )
    error = part.error_name
    kept, left_out = usable_rows(
        rows["init_nlc"].to_numpy(dtype=np.float64),
        rows[part.error].where(rows["epochs"].notna()).to_numpy(dtype=np.float64),
        log_x=False,
        log_y=False,
        excluded={"unit failed": part.failed},
        names=("initial NLC", f"{error} or epochs"),
    )
    if kept.sum() < ENOUGH:
        raise MissingRecordsError(
            f"{part.title}: {kept.sum()} trained architectures with initial NLC and {error}, at least {ENOUGH} are "
            "needed to tell what the NLC saves"
        )
    used = rows[kept].sort_values("init_nlc", kind="stable")
    nlc, errors, epochs = (used[name].to_numpy(dtype=np.float64) for name in ("init_nlc", part.error, "epochs"))
    return Study(part.title, nlc, errors, epochs, left_out, used)


def elsewhere(study: Study) -> Elsewhere:
    """The same for resampled architectures, as if another study had drawn them; fixed seed."""
    rows = np.random.default_rng(SEED).integers(study.nlc.size, size=(RESAMPLES, study.nlc.size))
    at_random = lost_at_shares(study.error[rows], study.epochs[rows])
    rows.sort(axis=1)  # the study is in the order of the NLC
    error = study.error[rows]
    ranges = np.empty((RESAMPLES, len(RANGES)))
    for place, bounds in enumerate(RANGES):
        lowest = np.where(study.inside(*bounds)[rows], error, np.inf).min(axis=1)
        ranges[:, place] = 100 * (np.where(np.isfinite(lowest), lowest, np.nan) - error.min(axis=1))
    return Elsewhere(lost_at_shares(error, study.epochs[rows]), at_random, ranges)


def lost_at_shares(error: Floats, epochs: Floats) -> Floats:
    """(..., SHARES) percentage points lost at each share if training stops at the last architecture that still fits in.

    error, epochs: (..., n) in the order of training. The first is always trained.
    """
    trained = np.cumsum(epochs, axis=-1) / epochs.sum(axis=-1, keepdims=True)
    best, ascending = np.minimum.accumulate(error, axis=-1), (1 - SHARES + 1e-12)[::-1]
    # From which share of the training on there is room for each architecture, and so how many each share has room for.
    first = np.searchsorted(ascending, trained).reshape(-1, error.shape[-1])
    flat = first + (SHARES.size + 1) * np.arange(len(first))[:, None]
    counts = np.bincount(flat.ravel(), minlength=len(first) * (SHARES.size + 1)).reshape(len(first), -1)
    fitting = counts.cumsum(axis=1)[:, -2::-1].reshape(*error.shape[:-1], SHARES.size)
    return 100 * (np.take_along_axis(best, np.maximum(fitting - 1, 0), axis=-1) - best[..., -1:])


def draw(tables: Tables) -> Drawing:
    """One panel per part. Raises MissingRecordsError if no part has enough trained architectures."""
    studies, missing = list[Study](), list[str]()
    for part in parts_of(tables.architectures):
        try:
            studies.append(study_of(part))
        except MissingRecordsError as error:
            missing.append(str(error))
    if not studies:
        raise MissingRecordsError("; ".join(missing) or "no architecture was trained")
    columns = min(len(studies), 2)
    rows = math.ceil(len(studies) / columns)
    figure = Figure(figsize=(5.6 * columns, 4.4 * rows + 0.4), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    frames, remarks = [], list[str]()
    for position, study in enumerate(studies):
        others = elsewhere(study)
        axes = figure.add_subplot(rows, columns, position + 1)
        _draw_panel(axes, study, others)
        frames.append(_frame(study, others))
        remarks.append(_remark(study, others))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 * columns - 1, frameon=False, fontsize=9)
    caption = (
        "Architectures are trained in the order of their initial NLC, the lowest first. Saved: the epochs of all runs "
        "of those left out, as a share of all epochs. Lost: the lowest error among the trained minus the lowest of "
        f"all, in percentage points; for other architectures the mean and {LEVEL:.0%} interval over {RESAMPLES:,} "
        "resamples of this study's. The lowest of many errors is forgiving: it is found, or nearly, among few "
        "architectures too, so the table also has the mean error of those that are trained."
    )
    table = pd.concat(frames)
    return Drawing(caption, figure, table=table, remarks=remarks + missing)


FIGURE = report.Figure("saving", "What the NLC saves", draw, ("waveform-small", "paper"))


def _draw_panel(axes: Axes, study: Study, others: Elsewhere) -> None:
    saved = 100 * SHARES
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(others.by_nlc, [tail, 1 - tail], axis=0)
    axes.fill_between(saved, low, high, color="#0072b2", alpha=0.15, linewidth=0)
    axes.plot(saved, others.at_random.mean(axis=0), color="0.45", linestyle="--", label="left out at random, mean")
    axes.plot(
        saved, others.by_nlc.mean(axis=0), color="#0072b2", label=f"other architectures, mean and {LEVEL:.0%} interval"
    )
    own = lost_at_shares(study.error, study.epochs)
    axes.plot(saved, own, color="#1a1a1a", linewidth=1.6, label="this study (points: up to that NLC)")
    for threshold in MARKED:
        kept = study.nlc <= threshold
        if kept.any() and not kept.all():
            point = 100 * study.saved(kept), study.lost(kept)
            axes.plot(*point, color="#1a1a1a", marker="o", markersize=4.5)
            axes.annotate(f"{threshold:g}", point, xytext=(0, -11), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xlim(0, 100)
    # Linear up to one point, where the question is decided; by logarithm above, where too little is trained.
    axes.set_yscale("symlog", linthresh=1, linscale=1.5)
    axes.set_ylim(-0.16, 100)
    axes.set_yticks([0, 0.5, 1, 10, 100], ["0", "0.5", "1", "10", "100"])
    axes.set_xlabel("training saved, % of all epochs")
    axes.set_ylabel("best error lost, percentage points")
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(study.title, loc="left", fontsize=11, fontweight="bold")


def _frame(study: Study, others: Elsewhere) -> pd.DataFrame:
    """One row per range, ready to show."""
    rows = {}
    for number, (low, high) in enumerate(RANGES):
        kept = study.inside(low, high)
        name = f"{study.title}: NLC {low:g} to {high:g}"
        if not kept.any():
            rows[name] = [f"0 of {kept.size}", "100%", *["–"] * 5]
            continue
        saved, values = study.saved(kept), others.ranges[:, number]
        rows[name] = [
            f"{kept.sum()} of {kept.size}",
            f"{saved:.0%}",
            f"{100 * study.error[kept].mean():.1f} ({100 * study.error.mean():.1f})",
            f"{100 * study.error[kept].min():.1f} ({100 * study.error.min():.1f})",
            f"{study.lost(kept):.1f}",
            _mean_interval(values),
            f"{_random(others, saved):.1f}",
        ]
    columns = [
        *("trained", "epochs saved", "mean error (of all), %", "lowest error (of all), %"),
        *("lost, points", "by other architectures", "at random"),
    ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _remark(study: Study, others: Elsewhere) -> str:
    low, high = NAMED
    kept = study.inside(low, high)
    of = f"{study.title}: of {kept.size} architectures ({text.reasons(study.left_out)})"
    if not kept.any():
        return f"{of} none has an NLC between {low:g} and {high:g}."
    saved, mean, mean_kept = study.saved(kept), 100 * study.error.mean(), 100 * study.error[kept].mean()
    return (
        f"{of} {kept.sum()} have an NLC between {low:g} and {high:g}. Training them alone (train_if: init_nlc between "
        f"{low:g} and {high:g}) saves {saved:.0%} of the epochs, takes the mean error from {mean:.1f}% to "
        f"{mean_kept:.1f}% and loses {study.lost(kept):.1f} percentage points of the lowest; other architectures would "
        f"lose {_mean_interval(others.ranges[:, RANGES.index(NAMED)])}, as much training left out at random "
        f"{_random(others, saved):.1f}."
    )


def _mean_interval(values: Floats) -> str:
    low, high = interval(values)
    return f"{np.nanmean(values):.1f} [{low:.1f}, {high:.1f}]"


def _random(others: Elsewhere, saved: float) -> float:
    return float(np.interp(saved, SHARES, others.at_random.mean(axis=0)))
