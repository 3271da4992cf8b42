"""The paper's scatter figures, declared: 1, 2, 3A to 3F, 4, 9A to 9C and 10. Points are architectures, panels parts.

The paper shows most of them for CIFAR10 only; here every dataset of the study has its panel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.scatter import Axis, Cloud, Group, Line, axis, plotted, scatter
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

NEAR = 10.0
"""figure 1: the factor within which points are near the line"""


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
    table: Callable[[Sequence[Cloud], Axis, Axis], pd.DataFrame] | None = None

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
                stated.get(part.key, ()),
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
        values = [panel.stated for panel in drawing.panels]
        captions = [
            drawing.caption,
            paper.SIZE if any(values) else "",
            "It is lost which of its two values is this figure's." if any(len(each) > 1 for each in values) else "",
            self.caption,
        ]
        remarks = [
            f"{part.title}: {compared(part, panel.correlation, panel.stated)}"
            for part, panel in zip(parts, drawing.panels, strict=True)
            if outside(panel.correlation, panel.stated)
        ]
        table = self.table(clouds, x, y) if self.table else None
        return replace(drawing, caption=" ".join(filter(None, captions)), remarks=remarks, table=table)


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


def products(clouds: Sequence[Cloud], x: Axis, y: Axis) -> pd.DataFrame:
    """Median and middle 80% of k * NLC per part, and how many architectures lie within a factor NEAR of the line."""
    rows = {}
    for cloud in clouds:
        points = plotted(cloud, x, y)
        values = points[x.column] * points[y.column]
        low, high = values.quantile([0.1, 0.9])
        rows[cloud.title] = {
            "median of k · NLC": text.number(float(values.median())),
            "middle 80%": f"{text.number(float(low))} to {text.number(float(high))}",
            f"within a factor {NEAR:g} of 1": f"{values.between(1 / NEAR, NEAR).sum()} of {len(values)}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


UNCHANGED = Line("unchanged by training", slope=1)
CIFAR10 = ("paper-small", "cifar10", "paper")
"""presets that give figures of which the paper shows CIFAR10"""

SCATTERS = (
    Scatter(
        name="figure1",
        title="Figure 1: initial NLC and the diameter of linearly approximable regions",
        x="init_nlc",
        y="init_relative_diameter",
        criterion=None,
        panels=of_own_networks,
        line=Line("k = 1 / NLC", slope=-1),
        caption="The paper states no number; its points lie close to the dashed line over nine decades. A relative "
        "diameter k is not positive where even 1e-9 is too far for the linear approximation, and not finite where 1e9 "
        "is not (section E.1).",
        table=products,
    ),
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
