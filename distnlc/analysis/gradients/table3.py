"""Table 3: residual networks as dynamical systems, their gradient scale and what it would be without dilution.

In: networks on noise with blocks of one linear layer. Out: decimal logarithms beside print; the corrected ones with
averages over networks first, with single networks, and by the exact inverse.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.gradients import correction, paper
from distnlc.analysis.gradients.correction import Blocks, by_formula, exactly
from distnlc.analysis.gradients.networks import DEPTHS, Group, groups_of
from distnlc.analysis.statistics.means import NEAR, Estimate, mean_and_error, rounding
from distnlc.analysis.tables import Tables

TITLE = "Table 3: dynamical systems, with and without dilution, in decimal logarithms"


@dataclass(frozen=True)
class Cell:
    """One network of table 3."""

    group: Group
    stated: paper.Diluted
    blocks: Blocks | None

    @property
    def name(self) -> str:
        return f"{paper.MATRICES_3[self.group.setting[2]]}, {paper.name_of(self._plain)}"

    @property
    def _plain(self) -> paper.Setting:
        nonlinearity, normalization, *_ = self.group.setting
        return paper.gaussian(nonlinearity, normalization)

    @property
    def gsc(self) -> tuple[float, float]:
        """Decimal logarithm of the mean over networks, and its standard error."""
        mean, error = mean_and_error(self.group.column("gsc_input")[:, None])
        return math.log10(mean[0]), float(error[0] / mean[0]) / math.log(10)

    @property
    def off(self) -> float:
        """Measured - printed."""
        return self.gsc[0] - float(self.stated.gsc)

    @property
    def difference(self) -> float:
        """In standard errors; nan for a single network."""
        error = self.gsc[1]
        theirs = error * math.sqrt(self.group.size / paper.NETWORKS)
        return self.off / math.hypot(error, theirs, rounding(self.stated.gsc))

    @property
    def near(self) -> bool:
        return abs(self.off) <= paper.TABLE_3_NEAR

    @property
    def verdict(self) -> str:
        """Undecided where more networks could bring it nearer."""
        if not self.judged:
            return "–"
        if self.near:
            return "agrees"
        error = self.gsc[1]
        if math.isnan(error) or abs(self.off) - paper.TABLE_3_NEAR <= 2 * error:
            return "undecided"
        return f"beyond {paper.TABLE_3_NEAR}"

    @property
    def judged(self) -> bool:
        return self.group.comparable


def cells(tables: Tables) -> list[Cell]:
    """The networks of table 3 that this study has, in its order. Raises MissingRecordsError if there are none."""
    found: dict[tuple[str, str, str], Cell] = {}
    for group in groups_of(tables):
        nonlinearity, normalization, matrices, skip, width = group.setting
        key = (nonlinearity, normalization, matrices)
        fits = skip == "identity" and group.block_layers == 1 and width == "100" and group.linear_layers in DEPTHS
        if fits and group.size and key in paper.TABLE_3:
            found.setdefault(key, Cell(group, paper.TABLE_3[key], correction.blocks_of(group)))
    if not found:
        raise MissingRecordsError("no finished network on noise with a setting of table 3")
    return [found[key] for key in paper.TABLE_3 if key in found]


def tabulate(tables: Tables) -> Table:
    """The gradient scales, then the corrected ones. Raises MissingRecordsError."""
    every = cells(tables)
    corrected = {one.name: _corrected(one, one.blocks) for one in every if one.blocks is not None}
    sections = [
        (
            "log10 of the gradient scale at the input",
            pd.DataFrame.from_dict({one.name: _gsc(one) for one in every}, "index"),
        )
    ]
    if corrected:
        sections.append(("log10 of the dilution-corrected gradient scale", pd.DataFrame.from_dict(corrected, "index")))
    caption = (
        "Corrected: growth r_b and dilution k_b of every block are averaged over networks, then r_b becomes "
        "1 + (k_b² + 1)(r_b - 1); the final normalization's step counts. Exact: the inverse of "
        "r_b = √((k_b² + r²) / (k_b² + 1)) instead. Intervals: 95 %, networks resampled. Single networks: every "
        "network corrected alone, mean of the logarithm over those where it is defined."
    )
    return Table(caption, sections, remarks(every))


def remarks(every: Sequence[Cell]) -> list[str]:
    """How many agree, and what is missing."""
    judged = [one for one in every if one.judged]
    said = []
    if judged:
        near = [one for one in judged if one.near]
        rest = "; ".join(f"{one.name} {one.off:+.3f} ({one.verdict})" for one in judged if not one.near)
        said.append(
            f"{len(near)} of {len(judged)} gradient scales of table 3 lie within {paper.TABLE_3_NEAR} of the printed "
            f"decimal logarithms{f'; beyond: {rest}' if rest else ''}."
        )
    if far := [one for one in judged if abs(one.difference) > NEAR]:
        said.append(
            f"Beyond {NEAR:.0f} standard errors: {'; '.join(f'{one.name} ({one.difference:+.1f})' for one in far)}; "
            "the print's construction of these matrices is a reading, otherwise unexplained."
        )
    if other := [one for one in every if not one.judged]:
        said.append(
            f"Not judged, their batch norm is over another number of points than {paper.POINTS:,}: "
            f"{', '.join(one.name for one in other)}."
        )
    there = {one.group.setting[:3] for one in every}
    if missing := [key for key in paper.TABLE_3 if key not in there]:
        named = (f"{paper.MATRICES_3[key[2]]} {paper.name_of(paper.gaussian(*key[:2]))}" for key in missing)
        said.append(f"Without a finished network: {', '.join(named)}.")
    return said


def _gsc(one: Cell) -> dict[str, str]:
    value, error = one.gsc
    return {
        "networks": str(one.group.size),
        "points": f"{one.group.points:,}",
        "printed": one.stated.gsc,
        "measured": f"{value:.3f}",
        "standard error": text.number(error, 2),
        "measured - printed": f"{one.off:+.3f}",
        "in standard errors": "–" if math.isnan(one.difference) or not one.judged else f"{one.difference:+.1f}",
        "verdict": one.verdict,
        "elsewhere": f"{one.stated.measured:.3f}",
    }


def _corrected(one: Cell, blocks: Blocks) -> dict[str, str]:
    singly, undefined = blocks.singly(by_formula)
    formula, exact = blocks.total(by_formula), blocks.total(exactly)
    off = formula.value - float(one.stated.corrected)
    return {
        "printed": one.stated.corrected,
        "corrected [95 %]": bracketed(formula),
        "exact [95 %]": bracketed(exact),
        "single networks": f"{_number(singly)} ({undefined} undefined)",
        "elsewhere": text.number(one.stated.measured_corrected),
        "corrected - printed": "–" if math.isnan(off) else f"{off:+.2f}",
    }


def bracketed(found: Estimate) -> str:
    """Two decimals; without an interval the value alone."""
    if np.isnan(found.low):
        return _number(found.value)
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
