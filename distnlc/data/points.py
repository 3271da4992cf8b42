"""Checks that every dataset's points go through, wherever they come from.

In: the arrays that a source read. Out: the same, as arrays of finite numbers with whole-number labels. Labels are
0 ... classes - 1, classes being 1 + the largest; numbers in between that no point has are allowed, so that a subset of
a dataset keeps its classes' numbers.
"""

from typing import Any, NamedTuple

import numpy as np

from distnlc.data.folders import DataError

LARGEST = 1e150
"""of inputs: the squares of larger numbers are not finite"""
NUMBERED = "np.unique({}, return_inverse=True)[1]"
"""makes numbers 0 ... classes - 1 of any labels"""
ROWS_AT_ONCE = 4096
"""checked together, so that the check of a large array needs little memory"""


class Points(NamedTuple):
    """A source's points; `test_...` are None if the test part is drawn from all of them."""

    inputs: np.ndarray
    """(points, ...)"""
    labels: np.ndarray
    """(points,) int64"""
    test_inputs: np.ndarray | None = None
    test_labels: np.ndarray | None = None

    @property
    def classes(self) -> int:
        """1 + the largest label of the whole source."""
        return 1 + max(int(each.max()) for each in (self.labels, self.test_labels) if each is not None)


def checked(arrays: Any, *, where: str) -> Points:
    """The points, if networks can learn from them. Raises DataError that begins with `where`."""
    if not isinstance(arrays, tuple | list) or len(arrays) not in {2, 4}:
        raise DataError(
            f"{where}: expected inputs and labels, and perhaps those of a test part: 2 or 4 arrays, found "
            + (f"{len(arrays)}" if isinstance(arrays, tuple | list) else type(arrays).__name__)
        )
    inputs, labels = _pair(arrays[0], arrays[1], where, "")
    if labels.min() == labels.max():
        raise DataError(f"{where}: expected labels of at least 2 classes, found only {labels[0]}")
    points = Points(inputs, labels)
    if len(arrays) == 4:
        test_inputs, test_labels = _pair(arrays[2], arrays[3], where, "test_")
        if test_inputs.shape[1:] != inputs.shape[1:]:
            raise DataError(
                f"{where}: expected test_inputs of the shape of inputs, found points of shape "
                f"{test_inputs.shape[1:]} and {inputs.shape[1:]}"
            )
        points = Points(inputs, labels, test_inputs, test_labels)
    if points.classes > len(labels):
        raise DataError(
            f"{where}: expected labels 0 ... classes - 1, found {points.classes - 1} as the largest of {len(labels)} "
            f"points; number the classes: {NUMBERED.format('labels')}"
        )
    return points


def _pair(inputs: Any, labels: Any, where: str, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = _array(inputs, where, f"{prefix}inputs"), _array(labels, where, f"{prefix}labels")
    if inputs.dtype.kind not in "fiub":
        raise DataError(f"{where}: expected {prefix}inputs that are real numbers, found {inputs.dtype}")
    if inputs.ndim < 2 or 0 in inputs.shape:
        raise DataError(
            f"{where}: expected {prefix}inputs of shape (points, features...), none of them 0, found {inputs.shape}"
        )
    _check_labels(labels, len(inputs), where, f"{prefix}labels")
    if inputs.dtype.kind == "f":
        _check_finite(inputs, where, f"{prefix}inputs")
    return inputs, labels.astype(np.int64)


def _check_finite(inputs: np.ndarray, where: str, name: str) -> None:
    for start in range(0, len(inputs), ROWS_AT_ONCE):
        rows = inputs[start : start + ROWS_AT_ONCE]
        flat = rows.reshape(len(rows), -1)
        good = np.abs(flat.astype(np.float64)) < LARGEST
        if not good.all():
            row, column = np.argwhere(~good)[0]
            found = f"{flat[row, column]} in row {start + row}"
            raise DataError(f"{where}: expected finite {name} below {LARGEST:g}, found {found}")


def _array(value: Any, where: str, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors of another device
        raise DataError(f"{where}: {name} cannot be made an array: {error}") from None


def _check_labels(labels: np.ndarray, points: int, where: str, name: str) -> None:
    """Raises DataError unless they are `points` whole numbers >= 0; says how to make them so."""
    if labels.ndim != 1:
        raise DataError(
            f"{where}: expected {name} of shape ({points},), one whole number for each point, found {labels.shape}; "
            f"one-hot rows become numbers by {name}.argmax(1)"
        )
    if len(labels) != points:
        raise DataError(f"{where}: expected one of {name} for each of {points} points, found {len(labels)}")
    if labels.dtype.kind == "f" and not (whole := np.isfinite(labels) & (labels == np.round(labels))).all():
        row = int(whole.argmin())
        raise DataError(f"{where}: expected {name} that are whole numbers, found {labels[row]} in row {row}")
    if labels.dtype.kind not in "iu":
        advice = f"{name}.astype(int)" if labels.dtype.kind in "fb" else NUMBERED.format(name)
        raise DataError(f"{where}: expected {name} of an integer type, found {labels.dtype}; make them so by {advice}")
    if labels.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: expected {name} of a few classes, found {labels.max()}")
    if (smallest := labels.min()) < 0:
        raise DataError(
            f"{where}: expected {name} 0 ... classes - 1, found {smallest} in row {int(labels.argmin())}; number the "
            f"classes: {NUMBERED.format(name)}"
        )
