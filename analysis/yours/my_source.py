"""Data of one's own in code: a `Source` says where the points come from, a `Preparation` what becomes of them.

    distnlc run my_source.yaml --plugin my_source --out my-study

Arrays in a file need no code: `data: {name: npz, file: my.npz}`, as distnlc/data/README.md says.
"""

from pathlib import Path
from typing import Any

import numpy as np

import distnlc


def read(root: Path | None) -> tuple[Any, Any]:
    """Inputs (points, 2) on two noisy spirals, and their labels (points,); the study draws its three parts of them."""
    noise, labels = np.random.default_rng(0), np.arange(4_000) % 2
    turn = np.sqrt(noise.uniform(0, 1, labels.size)) * 3 * np.pi
    angle = turn + np.pi * labels
    points = turn[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + noise.normal(0, 0.3, points.shape), labels


def fit_and_apply(train: Any, *others: Any, seed: int) -> list[Any]:
    """The parts divided by the largest size of a number in the training part, and squares beside them."""
    largest = np.abs(train).max()
    return [np.concatenate([part / largest, (part / largest) ** 2], axis=1) for part in (train, *others)]


SOURCE = distnlc.Source(name="my-spirals", read=read)
PREPARATION = distnlc.Preparation(name="my-squares", fit_and_apply=fit_and_apply)
