"""Bottleneck networks trained on CIFAR10 in place of ImageNet: with scaled blocks and without.

In: the trainings of the experiment `resnet`, one rate each. Seeds share weights and order between both schemes, so that
differences are paired.
"""

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.scaling import paper
from distnlc.analysis.scaling.parts import Part, parts
from distnlc.analysis.statistics.means import estimate
from distnlc.analysis.statistics.paired import paired_difference
from distnlc.analysis.tables import Tables

TITLE = "Residual networks trained on CIFAR10"
SCHEMES = {True: "scaled blocks", False: "unscaled blocks"}
COLUMNS = {"train_loss": "training loss", "train_error": "training error"}


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError."""
    every = parts(tables, "resnet")
    if not every:
        raise MissingRecordsError("no finished unit of the experiment resnet")
    sections = [(part.name if len(every) > 1 else "", _frame(tables, part)) for part in every]
    caption = (
        "Means over seeds at the end of training, over all training points, with 95 % t-intervals; difference: scaled "
        "less unscaled of the same seeds. This is a small network on small images: the paper trains ResNet-50 on "
        f"ImageNet, {paper.TOP1}, which is not reproduced here."
    )
    return Table(caption, sections, [part.left_out for part in every if part.left_out])


def _frame(tables: Tables, part: Part) -> pd.DataFrame:
    runs = part.rows(tables, "runs")
    rows = dict[str, dict[str, str]]()
    for scaled, name in SCHEMES.items():
        own = runs[(runs["block_scaled"] == scaled).fillna(False)]
        if len(own):
            diverged = int(own["train_loss"].isna().sum())
            rows[name] = {"seeds": str(len(own)), "diverged": str(diverged)} | {
                label: text.bracketed(estimate(own[column].to_numpy(dtype=float)), 3)
                for column, label in COLUMNS.items()
            }
    if len(rows) == len(SCHEMES):
        rows["difference"] = {"seeds": "–", "diverged": "–"} | {
            label: _difference(runs, column) for column, label in COLUMNS.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def answers(tables: Tables) -> list[str]:
    """Scaled blocks against unscaled ones, in sentences."""
    return [
        f"Part {part.name}, scaled less unscaled blocks of the same seeds: "
        + "; ".join(f"{label} {_difference(runs, column)}" for column, label in COLUMNS.items())
        + f". The paper trains ResNet-50 on ImageNet, {paper.TOP1}, which is not reproduced here."
        for part in parts(tables, "resnet")
        for runs in [part.rows(tables, "runs")]
        if runs["block_scaled"].nunique() == len(SCHEMES)
    ]


def _difference(runs: pd.DataFrame, column: str) -> str:
    wide = runs.assign(scaled=runs["block_scaled"].astype(bool)).pivot(index="seed", columns="scaled", values=column)
    found = paired_difference(*(np.asarray(wide[scaled], dtype=float) for scaled in SCHEMES))
    return f"{text.bracketed(found.mean, 3)}, {text.p_value(found.p)}"
