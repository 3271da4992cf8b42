"""The waveform-noise dataset: Breiman et al., Classification and Regression Trees, 1984 (section D).

In: a seed, or UCI's file `waveform-+noise.data` of 5,000 points. Out: points of 40 features and 3 classes. A point of a
class is a random mixture of that class's two base waves at 21 positions, plus Gaussian noise; 19 features of noise
follow:
    x(i) = u a(i) + (1 - u) b(i) + N(0, 1),  u ~ U(0, 1),  i = 1 ... 21.
"""

from pathlib import Path

import numpy as np

from distnlc.data.folders import ADVICE, DataError, contents, needed_folder
from distnlc.data.sources import part_sizes
from distnlc.data.spec import DataSpec
from distnlc.spec import derive_seed

UCI_FILE = "waveform-+noise.data"
UCI_FOLDERS = (".", "waveform-uci")
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


def read_generated(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One pool of generated points for all three parts, of UCI's size or as many as the parts need."""
    return generate(derive_seed(seed, "waveform"), max(POINTS, sum(part_sizes(spec))))


def uci_files(root: Path | None, *, spec: DataSpec) -> list[Path]:
    """UCI's file in the data folder. Raises DataError if it is not there."""
    folders = [needed_folder(spec.name, root) / inner for inner in UCI_FOLDERS]
    for folder in folders:
        if (folder / UCI_FILE).is_file():
            return [folder / UCI_FILE]
    looked = "\n".join(f"  {folder}: {contents(folder)}" for folder in folders)
    raise DataError(f"{spec.name}: file not found. Looked for {UCI_FILE} in\n{looked}\n{ADVICE}")


def read_uci(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The points of UCI's file: 40 features and the class a line, separated by commas. Raises DataError."""
    (path,) = uci_files(root, spec=spec)
    try:
        lines = path.read_text(encoding="ascii").split()
        rows = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None) if lines else np.empty((0, 0))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if rows.shape[1] != FEATURES + 1:
        raise DataError(f"{path}: expected {FEATURES} features and a class a line, found {rows.shape[1]} numbers")
    labels = rows[:, FEATURES]
    if not np.isin(labels, range(CLASSES)).all():
        raise DataError(f"{path}: expected classes 0 ... {CLASSES - 1}, found {np.unique(labels)[:5]}")
    return rows[:, :FEATURES], labels.astype(np.int64)
