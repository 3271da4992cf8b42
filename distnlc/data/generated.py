"""Generated points that stand in for images, for studies that need no files.

In: a seed and counts. Out: inputs (points, channels, height, width) float64 and labels (points,) int64, classes equally
likely, as many points as all three parts need.
    gaussian-images  every number N(0, 1); the labels have nothing to do with the images
    clusters         10 classes on 8 x 8 images: N(c_label, I), the centers c in uniformly random directions at the
                     distance `separation` from 0
"""

from pathlib import Path

import numpy as np

from distnlc.data.catalog import DATASETS, Stated
from distnlc.data.sources import part_sizes
from distnlc.data.spec import DataSpec
from distnlc.spec import derive_seed

SEPARATION = 3.0
"""At this one the best possible classifier errs on 10 % of the points, and fully connected ReLU networks (one to three
hidden layers of 30 or 60, Adam, three seeds) that fit 800 training points without error err on 18 to 25 %, prepared by
`features` or `sphere` (sensitivity study, additions, section I, asks for 15 to 30 %)."""


def gaussian_images(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of the spec's shape."""
    random = np.random.default_rng(derive_seed(seed, "gaussian images"))
    stated, points = _stated(spec.name), sum(part_sizes(spec))
    labels = random.integers(stated.classes, size=points)
    return random.standard_normal((points, *(spec.shape or stated.shape))), labels


def clusters(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of the spec's separation, by default SEPARATION."""
    random = np.random.default_rng(derive_seed(seed, "clusters"))
    stated, points = _stated(spec.name), sum(part_sizes(spec))
    directions = random.standard_normal((stated.classes, *stated.shape))
    lengths = np.sqrt((directions**2).sum(axis=(1, 2, 3), keepdims=True))
    labels = random.integers(stated.classes, size=points)
    centers = directions / lengths * (spec.separation or SEPARATION)
    return centers[labels] + random.standard_normal((points, *stated.shape)), labels


def _stated(name: str) -> Stated:
    stated = DATASETS[name].stated
    assert stated is not None  # the catalog states the numbers of what is generated
    return stated
