"""Figure 2: all blocks of the Hessian of a strided LeNet under four initializations, in rms singular values.

In: the blocks of the experiment `blocks`, mean squares over set-ups. A map shows the root of ||H_ij||^2 by the root of
both sizes' product, over the geometric mean of its diagonal: the one normalization in which flat has a meaning off the
diagonal (additions A13). The diagonal is judged in squared singular values, by largest over smallest.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import log_y
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.scaling import figure1, thresholds
from distnlc.analysis.scaling.parts import INITS, OURS, PRESETS, Part, inits_of, largest, needed, others
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.imbalance import geometric_mean, largest_over_smallest
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables


@dataclass(frozen=True)
class Hessian:
    """All blocks under one initialization."""

    init: str
    squares: Floats
    """(set-ups, L, L) mean squared singular values, symmetric"""
    gauss_newton: Floats
    """the same of the Gauss-Newton part"""
    planned: float
    """largest over smallest gamma by shapes alone"""

    @property
    def diagonal(self) -> Floats:
        """(set-ups, L)."""
        return np.diagonal(self.squares, axis1=1, axis2=2)

    @property
    def imbalance(self) -> Estimate:
        """Largest over smallest of the diagonal."""
        return largest_over_smallest(self.diagonal)

    @property
    def map(self) -> Floats:
        """(L, L) rms singular values over the geometric mean of the diagonal."""
        values = np.sqrt(self.squares.mean(axis=0))
        return np.asarray(values / geometric_mean(np.diagonal(values)))

    @property
    def off_diagonal(self) -> float:
        """Geometric mean of the map off its diagonal."""
        return float(geometric_mean(self.map[np.triu_indices(len(self.map), 1)]))

    def gauss_newton_share(self, diagonal: bool) -> float:
        """The Gauss-Newton part's mean share of the squares of the blocks on the diagonal, or off it."""
        places = np.diag_indices(len(self.map)) if diagonal else np.triu_indices(len(self.map), 1)
        every, own = (each.mean(axis=0)[places] for each in (self.squares, self.gauss_newton))
        return float(np.mean(own / every))


def hessians(tables: Tables, part: Part) -> list[Hessian]:
    """By initialization, the geometric one first."""
    rows = part.rows(tables, "blocks")
    return [
        Hessian(
            init,
            _symmetric(own, "square"),
            _symmetric(own, "gauss_newton"),
            float(part.units.loc[part.units["init"] == init, "offline_imbalance"].iloc[0]),
        )
        for init in inits_of(rows)
        for own in [rows[rows["init"] == init]]
    ]


def _symmetric(rows: pd.DataFrame, column: str) -> Floats:
    """(set-ups, L, L) from the blocks on and above the diagonal."""
    layers = int(rows["column"].max()) + 1
    setups = {setup: place for place, setup in enumerate(sorted(rows["setup"].unique()))}
    found = np.full((len(setups), layers, layers), np.nan)
    at = rows["setup"].map(setups).to_numpy(dtype=int)
    row, column_of = (rows[name].to_numpy(dtype=int) for name in ("row", "column"))
    found[at, row, column_of] = found[at, column_of, row] = rows[column].to_numpy(dtype=float)
    return found[~np.isnan(found).any(axis=(1, 2))]


def few_of(part: Part, setups: int) -> str:
    """Why no verdict is given; empty if one is."""
    few = too_few(setups, thresholds.FEWEST_BLOCK_SETUPS, "set-ups")
    return few or too_few(int(part.setting["samples"]), thresholds.FEWEST_BLOCK_SAMPLES, "points of each set-up")


def criteria(tables: Tables) -> list[Criterion]:
    """A flat diagonal for the geometric initialization alone, and the others as far from it as shapes say."""
    part = largest(tables, "blocks")
    found = [] if part is None else [(one, few_of(part, len(one.squares))) for one in hessians(tables, part)]
    criteria = []
    for one, few in found:
        where, value = f"Figure 2, {one.init}", one.imbalance
        said = f"{text.bracketed(value, 3)}, by shapes alone {text.number(one.planned)}."
        if one.init == OURS:
            flat = f"largest by smallest block of the diagonal at most {thresholds.FLAT.high:g}"
            criteria.append(_criterion(where, flat, thresholds.FLAT.holds(value.value), said, thresholds.FLAT, few))
            criteria.append(_off_diagonal(one, few))
        else:
            holds = thresholds.BY_PLAN.holds(value.value / one.planned) and value.value > thresholds.UNEVEN
            claim = (
                f"largest by smallest block of the diagonal within a factor {thresholds.BY_PLAN.high:g} of what "
                f"shapes say, and above {thresholds.UNEVEN:g}"
            )
            criteria.append(_criterion(where, claim, holds, said, thresholds.BY_PLAN, few))
    return criteria + _exact_blocks(tables)


def _criterion(where: str, claim: str, holds: bool, said: str, limit: thresholds.Range, few: str) -> Criterion:
    return Criterion(where, claim, decided(holds, few), said, basis=limit.prototype, why_open=few, noun="")


def _off_diagonal(one: Hessian, few: str) -> Criterion:
    limit, value = thresholds.OFF_DIAGONAL, one.off_diagonal
    claim = f"geometric mean off the diagonal {limit} times that of the diagonal"
    return _criterion(f"Figure 2, {one.init}", claim, limit.holds(value), f"{text.number(value)}.", limit, few)


def _exact_blocks(tables: Tables) -> list[Criterion]:
    """The same diagonal of the set-ups of figure 1, which are more."""
    part = largest(tables, "ratio")
    if part is None:
        return []
    layers = figure1.layers_of(tables, part, "hessian")
    value = largest_over_smallest(layers.other)
    claim = f"largest by smallest block of figure 1's set-ups at most {thresholds.FLAT.high:g}"
    holds, few = thresholds.FLAT.holds(value.value), figure1.few_of(part, len(layers.other))
    return [_criterion(f"Figure 2, {OURS}", claim, holds, f"{text.bracketed(value, 3)}.", thresholds.FLAT, few)]


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    part = needed(tables, "blocks")
    found = hessians(tables, part)
    few = few_of(part, len(found[0].squares))
    maps = [one.map for one in found]
    scale = LogNorm(min(each.min() for each in maps), max(each.max() for each in maps))
    headings: list[Any] = [(one.init, [f"diagonal: largest by smallest {_imbalance(one)}"]) for one in found]
    headings += [
        ("Diagonal blocks", ["mean squared singular value, relative"]),
        ("Largest by smallest of the diagonal", ["bars: 95 % intervals; crosses: by shapes alone"]),
    ]
    marks = [Line2D([], [], color=INITS[one.init], marker="o", markersize=4, label=one.init) for one in found]
    figure, axes = page(headings, height=3.0, width=3.6, marks=marks)
    for one, each in zip(found, axes, strict=False):
        _map(each, one, scale)
    _diagonals(axes[-2], found)
    _imbalances(axes[-1], found)
    caption = (
        f"Blocks of the Hessian by two layers of a strided LeNet without biases, {len(found[0].squares)} set-ups of "
        f"{part.setting['samples']} points each: rms singular value, over the geometric mean of its diagonal; colours "
        f"in log scale, the same in all maps, from {text.number(scale.vmin or 0, 2)} to "
        f"{text.number(scale.vmax or 0, 2)}. All initializations share their random numbers, which makes the maps "
        "exact rescalings of one another."
    )
    remarks = [answer(found), "The paper: an equally weighted diagonal for the geometric initialization alone."]
    remarks += [f"No verdict at this size: {few}."] if few else []
    return Drawing(caption, figure, table=_numbers(found), remarks=[*remarks, *others(tables, part, "blocks")])


def answer(found: list[Hessian]) -> str:
    """A sentence on how flat the diagonal is under each initialization, and which is the flattest."""
    listed = ", ".join(f"{one.init} {_imbalance(one)} (by shapes alone {text.number(one.planned)})" for one in found)
    flattest = min(found, key=lambda one: one.imbalance.value)
    return f"Largest by smallest diagonal block of the Hessian: {listed}; flattest is {flattest.init}."


def _imbalance(one: Hessian) -> str:
    return text.bracketed(one.imbalance, 3)


def _map(axes: Axes, one: Hessian, scale: LogNorm) -> None:
    values = one.map
    axes.imshow(values, norm=scale, cmap="viridis", aspect="auto")
    middle = np.sqrt((scale.vmin or 1) * (scale.vmax or 1))
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > middle else "white"
        axes.text(
            column,
            row,
            f"{value:.2f}" if value < 10 else text.number(value),
            ha="center",
            va="center",
            fontsize=8.5,
            color=colour,
        )
    places = np.arange(len(values))
    axes.set_xticks(places, places + 1)
    axes.set_yticks(places, places + 1)
    axes.set_xlabel("layer")
    axes.set_ylabel("layer")
    axes.grid(visible=False)


def _diagonals(axes: Axes, found: list[Hessian]) -> None:
    for one in found:
        values = one.diagonal.mean(axis=0)
        places = np.arange(1, len(values) + 1)
        axes.plot(places, values / geometric_mean(values), "o-", color=INITS[one.init], markersize=4, lw=1.4)
        axes.set_xticks(places)
    axes.set_xlabel("layer")
    log_y(axes)


def _imbalances(axes: Axes, found: list[Hessian]) -> None:
    for place, one in enumerate(found):
        value = one.imbalance
        ends = np.nan_to_num([[value.value - value.low], [value.high - value.value]])
        axes.errorbar(place, value.value, yerr=ends, fmt="o", color=INITS[one.init], capsize=4, markersize=5)
        axes.plot(place + 0.18, one.planned, "x", color="0.2", markersize=7)
    axes.set_xticks(range(len(found)), [one.init for one in found])
    axes.set_xlim(-0.5, len(found) - 0.5)
    log_y(axes)


def _numbers(found: list[Hessian]) -> pd.DataFrame:
    rows = {}
    for one in found:
        values = one.diagonal.mean(axis=0)
        rows[one.init] = {
            "diagonal over its geometric mean": ", ".join(
                text.number(value) for value in values / geometric_mean(values)
            ),
            "largest by smallest": _imbalance(one),
            "by shapes alone": text.number(one.planned),
            "off by on the diagonal": text.number(one.off_diagonal),
            "Gauss-Newton share, diagonal": text.number(one.gauss_newton_share(True), 2),
            "off it": text.number(one.gauss_newton_share(False), 2),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


FIGURE = report.Figure("figure2", "Figure 2: blocks of the Hessian under four initializations", draw, PRESETS)
