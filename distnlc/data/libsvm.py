"""LibSVM's text format: `label index:value ...`, a point a line (scaling study, additions, part b).

In: `libsvm/NAME` and the data folder, in whose folder libsvm/ the sets lie under the names of LibSVM's page, plain or
packed. Out: inputs (points, features) float64, features up to the highest index, and labels: the sorted distinct ones
as 0 ... classes - 1. Parsed by scikit-learn, which accepts much that is no dataset: that is refused here, by line.

`read` gives dense inputs, and refuses a set that would take more than MOST_DENSE_BYTES (news20, SVHN); `parsed` gives
rows of what is not zero, which libsvm_sets.py keeps. Test files (.t) are never read.
"""

import bz2
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from distnlc.data.catalog import LIBSVM
from distnlc.data.folders import ADVICE, DataError, contents, needed_folder
from distnlc.data.sparse import SparseSet
from distnlc.data.spec import DataSpec

ENDINGS = (".scale", "_scale", "", ".scale.tr", ".tr")
"""of a set's file, the first that is found wins"""
PACKED: dict[str, Any] = {"": open, ".bz2": bz2.open, ".gz": gzip.open}
"""endings after those, in the same way"""
WHOLE_NAMES = (".scale", "_scale", ".tr", ".val", ".bz2", ".gz")
"""a set's name that ends so means that file and no other"""
MOST_BYTES = 2**33
"""of a file when unpacked"""
MOST_LINE_BYTES = 2**24
MOST_FEATURES = 100_000
MOST_DENSE_BYTES = 2**30
MOST_LABEL = 2**53
"""beyond it float64 has not all whole numbers, so that two labels could be read as one"""
LINES_AT_ONCE = 1_000
"""tried together in search of the first bad line"""


def find(folder: Path, name: str) -> list[Path]:
    """The files of a set: one, or a training file and its validation file; none if the set is not there."""
    if name.endswith(WHOLE_NAMES):
        return [folder / name] if (folder / name).is_file() else []
    for ending in ENDINGS:
        if found := _packed(folder, name + ending):
            more = _packed(folder, (name + ending).removesuffix(".tr") + ".val") if ending.endswith(".tr") else None
            return [found, more] if more else [found]
    return []


def _packed(folder: Path, name: str) -> Path | None:
    return next((path for ending in PACKED if (path := folder / f"{name}{ending}").is_file()), None)


def looked_for(name: str) -> str:
    """The names that a set's file could have, for people."""
    return name if name.endswith(WHOLE_NAMES) else ", ".join(name + ending for ending in ENDINGS)


def files(root: Path | None, *, spec: DataSpec) -> list[Path]:
    """The files of the spec's set. Raises DataError that says what was looked for."""
    name = spec.name.removeprefix(LIBSVM)
    folder = needed_folder(spec.name, root) / "libsvm"
    if not (found := find(folder, name)):
        raise DataError(
            f"{spec.name}: files not found. Looked for {looked_for(name)} (plain, .bz2 or .gz) in\n"
            f"  {folder}: {contents(folder)}\n{ADVICE}"
        )
    return found


def read(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of the spec's set. Raises DataError with the first line that is wrong."""
    found = files(root, spec=spec)
    points = parsed(found)
    if (size := len(points) * points.d_in * 8) > MOST_DENSE_BYTES:
        raise DataError(
            f"{' and '.join(map(str, found))}: {len(points):,} points of {points.d_in:,} features take {size:,} bytes; "
            f"expected at most {MOST_DENSE_BYTES:,}, since all features are kept, zeros too"
        )
    return points.dense(), points.labels


def parsed(paths: Sequence[Path]) -> SparseSet:
    """The points of a set's files, one after the other; labels are the sorted distinct ones as 0 ... classes - 1.

    Raises DataError with the first line that is wrong.
    """
    matrices, labels = zip(*(_read_file(path) for path in paths), strict=True)
    classes, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    if len(classes) < 2 or len(numbers) < 2 * len(classes):
        raise DataError(
            f"{' and '.join(map(str, paths))}: expected at least 2 classes and twice as many points, found "
            f"{len(numbers)} points of {len(classes)} classes"
        )
    sizes = np.concatenate([np.diff(matrix.indptr) for matrix in matrices])
    return SparseSet(
        d_in=max(matrix.shape[1] for matrix in matrices),
        classes=len(classes),
        starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        columns=np.concatenate([matrix.indices for matrix in matrices]).astype(np.int32),
        values=np.concatenate([matrix.data for matrix in matrices]),
        labels=numbers.astype(np.int64),
    )


class _Bad(ValueError):
    """Lines that scikit-learn accepts and a dataset cannot have."""


def _read_file(path: Path) -> tuple[Any, np.ndarray]:
    """A sparse matrix (points, features) and labels (points,) float64."""
    try:
        with _opened(path) as file:
            return _parsed(_Lines(file, path))
    except DataError:
        raise
    except (ValueError, OverflowError) as error:
        raise _bad_line(path, error) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, PACKED.get(path.suffix, open)(path, "rb"))


class _Lines:
    """The lines of a file, counted: a small packed file can unpack to any size."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def read(self) -> bytes:
        """Nothing: scikit-learn takes what has this method for a file, and reads it line by line."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        number, size = 0, 0
        while line := self._file.readline(MOST_LINE_BYTES + 1):
            number, size = number + 1, size + len(line)
            if len(line) > MOST_LINE_BYTES:
                raise DataError(f"{self._path}, line {number}: expected at most {MOST_LINE_BYTES:,} bytes, found more")
            if size > MOST_BYTES:
                raise DataError(f"{self._path}: expected at most {MOST_BYTES:,} bytes when unpacked, found more")
            yield line


def _parsed(lines: Any) -> tuple[Any, np.ndarray]:
    """Raises ValueError or OverflowError for lines that are no points of a dataset."""
    from sklearn.datasets import load_svmlight_file

    matrix, labels, queries = load_svmlight_file(lines, zero_based=False, query_id=True)
    if len(queries):
        raise _Bad("qid: points that are ranked within queries have no classes")
    if not np.isfinite(labels).all() or (labels != np.round(labels)).any():
        raise _Bad("a label is no whole number")
    if (np.abs(labels) > MOST_LABEL).any():
        raise _Bad(f"a label is beyond {MOST_LABEL:,}")
    if matrix.shape[1] > MOST_FEATURES:
        raise _Bad(f"an index is larger than {MOST_FEATURES:,}")
    if not np.isfinite(matrix.data).all():
        raise _Bad("a value is not finite")
    return matrix, labels


def _bad_line(path: Path, error: Exception) -> DataError:
    """Reads the file once more, for the first line that cannot be parsed alone."""
    with _opened(path) as file:
        number = 0
        for lines in _chunks(_Lines(file, path)):
            if _reason(lines):
                for line in lines:
                    number += 1
                    if reason := _reason([line]):
                        shown = line[:60].decode(errors="replace").strip()
                        return DataError(
                            f"{path}, line {number}: expected 'label index:value ...' with rising indices from 1, "
                            f"found {shown!r} ({reason})"
                        )
            number += len(lines)
    return DataError(f"{path}: not in LibSVM's format: {error}")


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == LINES_AT_ONCE:
            yield chunk
            chunk = []
    yield chunk


def _reason(lines: list[bytes]) -> str:
    """Why the lines cannot be parsed; empty if they can."""
    try:
        _parsed(BytesIO(b"".join(lines)))
    except (ValueError, OverflowError) as error:
        return str(error) or type(error).__name__
    return ""
