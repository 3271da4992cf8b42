"""Training saved by any initial metric: what is left out because of its value, against what the best network loses.

In: a finished study, which trained every architecture. Out: a strip per metric and part, whose colour is the error lost
at each share of the training saved, and a table. As in saving.py, where the NLC has its curve: architectures are
trained in the order of the metric, those that should be best first, up to a threshold. Which end should be best is what
the metric's proposers say; of metrics about which nothing is said, the end that goes with low errors, told by Spearman
in every resample anew. Architectures that lack a metric are left out for it, and counted beside its name.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from distnlc.analysis import report
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.heat_map import CELL, GROWING, heat_map
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc.metrics import all_metrics
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.nlc.saving import ENOUGH, SHARES, lost_at_shares, study_of
from distnlc.analysis.statistics.correlations import LEVEL, SEED, Floats
from distnlc.analysis.statistics.resampling import interval
from distnlc.analysis.statistics.shared_rows import Metric
from distnlc.analysis.tables import Tables
from distnlc.records import MEASUREMENTS

RESAMPLED = 300
"""of the architectures, for every metric"""
TOLD = 0.75
"""share of the training saved at which the table shows losses"""
RANDOM = "left out at random"
STRIP, LABELS, HEAD, FOOT = 2.3, 3.0, 0.5, 1.1
"""widths and heights in inches"""


@dataclass(frozen=True)
class Curve:
    """The error that saving by one metric loses in one part."""

    n: int
    lost: Floats
    """(RESAMPLED, SHARES) percentage points"""

    def at(self, share: float) -> tuple[float, float, float]:
        """The mean at a share of the training saved, with its interval."""
        values = self.lost[:, int(np.argmin(np.abs(SHARES - share)))]
        return float(values.mean()), *interval(values)


def curves(part: Part, measurements: pd.DataFrame | None) -> dict[str, Curve]:
    """Metric's name -> its curve; RANDOM too. Raises MissingRecordsError as `study_of`."""
    study_of(part)
    rows, metrics = all_metrics(part, measurements)
    rows = rows[rows[part.error].notna() & rows["epochs"].notna() & ~part.failed]
    error, epochs = (rows[name].to_numpy(dtype=np.float64) for name in (part.error, "epochs"))
    found = {RANDOM: Curve(len(rows), _at_random(error, epochs))}
    for metric in metrics:
        values = rows[metric.columns[0]].to_numpy(dtype=np.float64)
        known = ~np.isnan(values)
        if known.sum() >= ENOUGH and np.ptp(stats.rankdata(values[known])) > 0:
            lost = lost_by(metric, values[known], error[known], epochs[known])
            found[metric.name] = Curve(int(known.sum()), lost)
    return found


def lost_by(metric: Metric, values: Floats, error: Floats, epochs: Floats) -> Floats:
    """(RESAMPLED, SHARES) percentage points that resampled architectures lose if those with the worst values (n,) of
    the metric are not trained."""
    ranks, drawn = stats.rankdata(values), _drawn(error.size)
    worst = np.full(len(drawn), float(metric.expected))
    if not metric.expected:
        worst = _signs(ranks[drawn], stats.rankdata(error)[drawn])
    order = np.argsort(worst[:, None] * ranks[drawn], axis=1, kind="stable")
    drawn = np.take_along_axis(drawn, order, axis=1)
    return lost_at_shares(error[drawn], epochs[drawn])


def _at_random(error: Floats, epochs: Floats) -> Floats:
    drawn = _drawn(error.size)
    return lost_at_shares(error[drawn], epochs[drawn])


def _drawn(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(SEED).integers(n, size=(RESAMPLED, n))


def _signs(x: Floats, y: Floats) -> Floats:
    """(k,) the sign of the covariance of every row of x with that of y, both (k, n); 1 where it is 0."""
    together = np.einsum("kn,kn->k", x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True))
    return np.where(together < 0, -1.0, 1.0)


def draw(tables: Tables) -> Drawing:
    """One map per part. Raises MissingRecordsError if no part has enough trained architectures."""
    found, missing = dict[str, dict[str, Curve]](), list[str]()
    for part in parts_of(tables.architectures):
        try:
            found[part.title] = curves(part, tables.frames.get(MEASUREMENTS))
        except MissingRecordsError as error:
            missing.append(str(error))
    if not found:
        raise MissingRecordsError("; ".join(missing) or "no architecture was trained")
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    names.sort(key=lambda name: float(np.mean([each[name].lost.mean() for each in found.values() if name in each])))
    caption = (
        "Architectures are trained in the order of one metric, those that should be best by it first, and the rest is "
        "not trained. Saved: the epochs of all runs of the rest, as a share of all. Colour: the lowest error among the "
        f"trained minus the lowest of all, in percentage points, mean over {RESAMPLED} resamples of the architectures; "
        f"the metric that loses least on average stands first. In brackets in the table: {LEVEL:.0%} intervals; n: "
        "architectures that have the metric, where not all have it. The end of a metric that is trained first is that "
        "of its proposers, and for metrics about which nothing is said the end that goes with low errors in these same "
        "architectures, which favours them a little."
    )
    remarks = [_remark(title, each) for title, each in found.items()]
    return Drawing(caption, _figure(found, names), table=_table(found, names), remarks=remarks + missing)


def _figure(found: dict[str, dict[str, Curve]], names: list[str]) -> Figure:
    height, breadth = CELL * len(names), LABELS + len(found) * (STRIP + 0.15) + 0.1
    whole = HEAD + height + FOOT
    figure = Figure(figsize=(breadth, whole))
    strips = {
        title: np.array(
            [each[name].lost.mean(axis=0)[:-1] if name in each else np.full(SHARES.size - 1, np.nan) for name in names]
        )
        for title, each in found.items()
    }
    norm = SymLogNorm(linthresh=0.5, vmin=0, vmax=max(float(np.nanmax(strip)) for strip in strips.values()))
    for position, (title, strip) in enumerate(strips.items()):
        left = LABELS + position * (STRIP + 0.15)
        axes = figure.add_axes((left / breadth, FOOT / whole, STRIP / breadth, height / whole))
        _draw_strips(axes, strip, names if not position else [""] * len(names), norm)
        axes.set_title(_wrapped(title), parse_math=False, loc="left", fontsize=8.5, fontweight="bold")
    bar = figure.add_axes((LABELS / breadth, 0.42 / whole, STRIP / breadth, 0.1 / whole))
    figure.colorbar(axes.images[0], cax=bar, orientation="horizontal")
    ticks = [tick for tick in (0, 0.5, 2, 10, 50) if norm.vmax is not None and tick <= norm.vmax]
    bar.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    bar.set_xlabel("best error lost, percentage points", fontsize=8)
    return figure


def _draw_strips(axes: Axes, strip: Floats, names: list[str], norm: Normalize) -> None:
    heat_map(axes, strip, names, [], norm=norm, colours=GROWING)
    shares = (0.0, 0.25, 0.5, 0.75)
    axes.set_xticks([share * (SHARES.size - 1) for share in shares], [f"{share:.0%}" for share in shares], fontsize=8)
    axes.set_xlabel("training saved", fontsize=8)
    for line in range(1, len(names)):
        axes.axhline(line - 0.5, color="white", linewidth=1.5)


def _wrapped(title: str) -> str:
    """A title, on two lines where it is long."""
    return title if len(title) < 30 else title.replace(", ", ",\n", 1)


def _table(found: dict[str, dict[str, Curve]], names: list[str]) -> pd.DataFrame:
    rows = {}
    for name in names:
        cells = {}
        for title, each in found.items():
            curve, text = each.get(name), "–"
            if curve is not None:
                few = f" (n = {curve.n})" if curve.n < each[RANDOM].n else ""
                text = "{:.1f} [{:.1f}, {:.1f}]".format(*curve.at(TOLD)) + few
            cells[f"{title}: points lost at {TOLD:.0%} saved"] = text
        rows[name] = cells
    return pd.DataFrame.from_dict(rows, orient="index")


def _remark(title: str, found: dict[str, Curve]) -> str:
    """The metric that loses least, beside chance."""
    best = min((name for name in found if name != RANDOM), key=lambda name: found[name].at(TOLD)[0])
    (lost, low, high), (chance, *_) = found[best].at(TOLD), found[RANDOM].at(TOLD)
    fewer = sum(found[name].at(TOLD)[0] < chance for name in found if name != RANDOM)
    return (
        f"{title}: with {TOLD:.0%} of the training saved, {fewer} of {len(found) - 1} metrics lose less of the best "
        f"error than chance, which loses {chance:.1f} percentage points on average; least, as told in hindsight, loses "
        f"{best}, {lost:.1f} [{low:.1f}, {high:.1f}]."
    )


FIGURE = report.Figure("saving_by_metric", "What each metric saves", draw, ("waveform-small", "paper"))
