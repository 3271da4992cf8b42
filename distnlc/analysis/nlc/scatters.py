"""The paper's scatter figures, declared: 2, 3A to 3F, 4, 9A to 9C and 10. Points are architectures, panels parts.

The paper shows most of them for CIFAR10 only; here every dataset of the study has its panel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.scatter import Cloud, Group, Line, axis, scatter
from distnlc.analysis.nlc import paper
from distnlc.analysis.nlc.comparison import compared, outside
from distnlc.analysis.nlc.paper import EVERY, TRAINING, VALIDATION
from distnlc.analysis.nlc.parts import Part, of_own_networks, parts_of, pooled
from distnlc.analysis.report import Figure
from distnlc.analysis.tables import Tables
from distnlc.studies.nlc.records import ArchitectureRow

GROUPS = (
    Group("others", "#1a1a1a", "o"),
    Group("skip connections", "#0072b2", "s"),
    Group(f"high bias (initial output bias > {paper.HIGH_BIAS:.0f})", "#d5311e", "^"),
)
"""as in the paper, in drawing order, the rarest on top"""


def group_of(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Index into GROUPS for every row, shape (n,)."""
    skips = (rows["skip_strength"] > 0).to_numpy()
    high_bias = (rows["init_bias"] > paper.HIGH_BIAS).to_numpy()
    return np.where(high_bias, 2, np.where(skips, 1, 0))


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """One figure: two columns of `architectures` against each other, one panel per part."""

    name: str
    title: str
    x: str
    y: str
    criterion: str | None = VALIDATION
    """only the parts with this criterion and optimizer; None: all"""
    optimizer: str | None = None
    panels: Callable[[Sequence[Part]], Sequence[Part]] = list
    """what becomes of these parts"""
    presets: tuple[str, ...] = ("paper-small", "paper")
    zoomed: bool = False
    """whether the range of the NLC where networks learn is shown enlarged"""
    line: Line | None = None
    """through every panel"""
    caption: str = ""

    @property
    def figure(self) -> Figure:
        return Figure(self.name, self.title, self.draw, self.presets)

    def draw(self, tables: Tables) -> Drawing:
        """Raises MissingRecordsError."""
        parts = parts_of(tables.architectures, criterion=self.criterion, optimizer=self.optimizer)
        return self.of(self.panels(parts), {})

    def of(self, parts: Sequence[Part], lines: Mapping[str, Line]) -> Drawing:
        """One panel per part, with a line of its own where there is one for its title. Raises MissingRecordsError."""
        x, y = axis(ArchitectureRow, self.x), axis(ArchitectureRow, self.y)
        stated = paper.STATED.get(self.name, {})
        clouds = [
            Cloud(
                part.title,
                part.rows,
                part.left_out(self.x, self.y),
                stated[part.key].r if part.key in stated else None,
                lines.get(part.title, self.line),
            )
            for part in parts
        ]
        drawing = scatter(
            clouds,
            x,
            y,
            groups=GROUPS,
            group_of=group_of,
            noun="architecture",
            inset=paper.INSET if self.zoomed else None,
        )
        captions = [drawing.caption, paper.SIZE if any(part.key in stated for part in parts) else "", self.caption]
        remarks = [
            f"{part.title}: {compared(part, panel.correlation, value)}"
            for part, panel in zip(parts, drawing.panels, strict=True)
            if (value := stated.get(part.key)) is not None and outside(panel.correlation, value)
        ]
        return replace(drawing, caption=" ".join(filter(None, captions)), remarks=remarks)


def pooled_first(parts: Sequence[Part]) -> list[Part]:
    """All datasets trained with SGD together, then each part; a single such dataset stands for all of them."""
    by_sgd = [part for part in parts if part.key[1] == "sgd"]
    if len(by_sgd) > 1:
        return [pooled(by_sgd), *parts]
    return [replace(part, key=(EVERY, *part.key[1:])) if part in by_sgd else part for part in parts]


def halves(parts: Sequence[Part]) -> list[Part]:
    """Each part's architectures without and with skip connections."""
    split = []
    for part in parts:
        skips = part.rows["skip_strength"] > 0
        split.append(replace(part, title=f"{part.title}, no skip connections", rows=part.rows[~skips]))
        split.append(replace(part, title=f"{part.title}, skip connections", rows=part.rows[skips]))
    return split


UNCHANGED = Line("unchanged by training", slope=1)
CIFAR10 = ("paper-small", "cifar10", "paper")
"""presets that give figures of which the paper shows CIFAR10"""

SCATTERS = (
    Scatter(
        name="figure2",
        title="Figure 2: initial NLC and test error",
        x="init_nlc",
        y="test_error",
        optimizer="sgd",
        zoomed=True,
    ),
    Scatter(
        name="figure3a",
        title="Figure 3A: initial output bias and test error",
        x="init_bias",
        y="test_error",
        presets=CIFAR10,
    ),
    Scatter(
        name="figure3b",
        title="Figure 3B: NLC before and after training",
        x="init_nlc",
        y="trained_nlc",
        presets=CIFAR10,
        line=UNCHANGED,
    ),
    Scatter(
        name="figure3c",
        title="Figure 3C: NLC after training and test error",
        x="trained_nlc",
        y="test_error",
        presets=CIFAR10,
    ),
    Scatter(
        name="figure3d",
        title="Figure 3D: initial NLC and training error",
        x="init_nlc",
        y="train_error",
        criterion=TRAINING,
        presets=("paper-small", "waveform-training-error", "paper"),
    ),
    Scatter(
        name="figure3e",
        title="Figure 3E: NLC after training and the perturbation that keeps the error",
        x="trained_nlc_test",
        y="trained_perturbation",
        panels=pooled_first,
        caption="A perturbation is not finite where none changes the error, as where a network always gives one class, "
        "and not positive where even k = 1e-9 does.",
    ),
    Scatter(
        name="figure3f",
        title="Figure 3F: initial NLC and test error with Adam",
        x="init_nlc",
        y="test_error",
        optimizer="adam",
        presets=("paper-small", "waveform-adam", "paper"),
        zoomed=True,
    ),
    Scatter(name="figure4", title="Figure 4: depth and test error", x="depth", y="test_error", presets=CIFAR10),
    Scatter(
        name="figure9a",
        title="Figure 9A: output bias before and after training",
        x="init_bias",
        y="trained_bias",
        presets=CIFAR10,
        line=UNCHANGED,
    ),
    Scatter(
        name="figure9b",
        title="Figure 9B: output bias after training and test error",
        x="trained_bias",
        y="test_error",
        presets=CIFAR10,
    ),
    Scatter(
        name="figure9c",
        title="Figure 9C: initial output bias and initial NLC",
        x="init_bias",
        y="init_nlc",
        criterion=None,
        panels=of_own_networks,
        presets=CIFAR10,
    ),
    Scatter(
        name="figure10",
        title="Figure 10: initial NLC and test error, without and with skip connections",
        x="init_nlc",
        y="test_error",
        optimizer="sgd",
        panels=halves,
        zoomed=True,
    ),
)
