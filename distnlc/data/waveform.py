"""The waveform-noise dataset: Breiman et al., Classification and Regression Trees, 1984 (section D).

In: a seed. Out: any number of points of 40 features and 3 classes. A point of a class is a random mixture of that
class's two base waves at 21 positions, plus Gaussian noise; 19 features of noise follow:
    x(i) = u a(i) + (1 - u) b(i) + N(0, 1),  u ~ U(0, 1),  i = 1 ... 21.
"""

import numpy as np

POINTS = 5_000
FEATURES = 40
CLASSES = 3

_POSITIONS = np.arange(1, 22)


def _triangle(center: int) -> np.ndarray:
    """The base wave that peaks at `center` with height 6."""
    return np.maximum(6.0 - np.abs(_POSITIONS - center), 0.0)


_H1, _H2, _H3 = _triangle(11), _triangle(15), _triangle(7)

# The two waves of each class, in the numbering of the UCI file: (3 classes, 21 positions) each.
_FIRST = np.stack([_H2, _H1, _H1])
_SECOND = np.stack([_H3, _H3, _H2])


def generate(seed: int, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (points, 40) float64 and labels (points,) int64, classes equally likely; fixed by the seed."""
    random = np.random.default_rng(seed)
    labels = random.integers(CLASSES, size=points)
    weight = random.random((points, 1))
    inputs = random.standard_normal((points, FEATURES))
    inputs[:, : len(_POSITIONS)] += weight * _FIRST[labels] + (1 - weight) * _SECOND[labels]
    return inputs, labels
