"""MNIST and CIFAR10 from the usual forms of their files.

In: a folder. Out: images (n, features) uint8 and labels (n,) int64 of either split.
    mnist    the four IDX files, plain or gzipped
    cifar10  the official batches (Python pickles), or Parquet shards with encoded images
A CIFAR10 row is laid out as in the official batches: 1,024 red values, then green, then blue.
"""

import gzip
import math
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import compute, parquet

from distnlc.data.pickles import plain_data

DATA_VARIABLE = "DISTNLC_DATA"
CLASSES = 10
MOST_BYTES = 2**30
"""size of an IDX file when unpacked; MNIST's largest has 47 million"""

Images = tuple[np.ndarray, np.ndarray]
"""images (n, features) uint8 and labels (n,) int64"""


class DataError(ValueError):
    """Data that is missing, broken or too small; the message says where, what was expected and found."""


@dataclass(frozen=True)
class ImageFiles:
    """The files of one dataset that were found, and the function that reads either list."""

    train: list[Path]
    test: list[Path]
    read: Callable[[Sequence[Path]], Images]


@dataclass(frozen=True)
class _Layout:
    """One way in which people keep a dataset: patterns of file names, all needed, and their reader."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    read: Callable[[Sequence[Path]], Images]


def find_image_files(name: str, root: str | None) -> ImageFiles:
    """The files of `mnist` or `cifar10` in the folder `root`, else in the one that DISTNLC_DATA names.

    Raises DataError if no folder is named, or if the named one lacks the files.
    """
    named = root or os.environ.get(DATA_VARIABLE)
    advice = (
        f"Point to its folder with --set data.root=/path/to/folder (`measure`: --root) or the variable {DATA_VARIABLE}."
    )
    if not named:
        raise DataError(f"{name}: its files are needed and no folder is named. {advice}")
    folders = [Path(named).expanduser() / inner for inner in _FOLDERS[name]]
    for folder in folders:
        for layout in _LAYOUTS[name]:
            train, test = _matches(folder, layout.train), _matches(folder, layout.test)
            if train and test:
                return ImageFiles(train, test, layout.read)
    wanted = ", or ".join(" ".join(layout.train + layout.test) for layout in _LAYOUTS[name])
    looked = "\n".join(f"  {folder}: {_contents(folder)}" for folder in folders)
    raise DataError(f"{name}: files not found. Looked for {wanted} in\n{looked}\n{advice}")


def _matches(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """All files that match, in the patterns' order; none if any pattern has no match."""
    found = [sorted(folder.glob(pattern)) for pattern in patterns]
    return [path for paths in found for path in paths] if all(found) else []


def _contents(folder: Path) -> str:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return error.strerror or str(error)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"holds {', '.join(names[:8])}{more}" if names else "empty"


def read_mnist(files: Sequence[Path]) -> Images:
    """Reads an IDX file of images and one of labels. Raises DataError."""
    images_file, labels_file = files
    images, labels = _read_idx(images_file, dimensions=3), _read_idx(labels_file, dimensions=1)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{images_file}: expected images of 28 x 28, found {images.shape[1]} x {images.shape[2]}")
    return _checked(images.reshape(len(images), -1), labels, where=labels_file)


def _read_idx(path: Path, *, dimensions: int) -> np.ndarray:
    """IDX: two zero bytes, the type (8: unsigned bytes), the number of dimensions, the sizes, the values."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            with gzip.open(BytesIO(content)) as unpacked:
                content = unpacked.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: expected at most {MOST_BYTES:,} bytes when unpacked, found more")
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < header:
        raise DataError(
            f"{path}: expected an IDX file of unsigned bytes that begins 0 0 8 {dimensions}, "
            f"found {len(content)} bytes that begin {' '.join(map(str, content[:4]))}"
        )
    shape = [int(size) for size in np.frombuffer(content[4:header], dtype=">u4")]
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    if len(values) != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{path}: expected {sizes} values after the header, found {len(values)}")
    return values.reshape(shape)


def read_parquet(files: Sequence[Path]) -> Images:
    """Reads shards with the columns `img.bytes` (a PNG or JPEG) and `label`. Raises DataError."""
    return _joined([_read_shard(path) for path in files])


def _read_shard(path: Path) -> Images:
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read(columns=["img", "label"])
        encoded = compute.struct_field(table["img"], "bytes").to_pylist()
        labels = np.array(table["label"].to_pylist())
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: expected a Parquet file with the columns img.bytes and label; reading it said: {error}"
        ) from None
    images = np.empty((len(encoded), 3072), dtype=np.uint8)
    for row, content in enumerate(encoded):
        try:
            images[row] = _decode(content)
        except Exception as error:  # a broken or hostile image can make Pillow raise anything
            raise DataError(f"{path}: row {row} of img is not a PNG or JPEG of 32 x 32: {error}") from None
    return _checked(images, labels, where=path)


def _decode(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as image:
        if image.size != (32, 32):
            raise ValueError(f"it is {image.size[0]} x {image.size[1]}")
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1).reshape(-1)


def read_batches(files: Sequence[Path]) -> Images:
    """Reads official batches: pickled dictionaries with `data` (n, 3072) and `labels`. Raises DataError."""
    return _joined([_read_batch(path) for path in files])


def _read_batch(path: Path) -> Images:
    try:
        batch = plain_data(path.read_bytes())
        array, label_list = batch[b"data"], batch[b"labels"]
        _, shape, kind, by_columns, content = array.state
        if kind.arguments[0] not in (b"u1", "u1") or by_columns or not isinstance(content, bytes):
            raise ValueError("'data' is not an array of unsigned bytes, row by row")
        if not isinstance(label_list, list) or not all(isinstance(label, int) for label in label_list):
            raise ValueError("'labels' is not a list of integers")
        images = np.frombuffer(content, dtype=np.uint8).reshape(shape)
        labels = np.array(label_list)
    except Exception as error:  # a broken or hostile pickle can raise anything
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: not an official CIFAR10 batch, a dictionary of data and labels ({reason})") from None
    if images.ndim != 2 or images.shape[1] != 3072:
        raise DataError(f"{path}: expected 'data' of shape (n, 3072), found {images.shape}")
    return _checked(images, labels, where=path)


def _checked(images: np.ndarray, labels: np.ndarray, *, where: Path) -> Images:
    if labels.shape != (len(images),):
        raise DataError(f"{where}: expected one label for each of {len(images)} images, found {labels.shape}")
    integers = labels.dtype.kind in "iu"
    if len(labels) and not (integers and labels.min() >= 0 and labels.max() < CLASSES):
        found = f"{labels.min()} ... {labels.max()}" if integers else f"values of type {labels.dtype}"
        raise DataError(f"{where}: expected labels in 0 ... {CLASSES - 1}, found {found}")
    return images, labels.astype(np.int64)


def _joined(parts: Sequence[Images]) -> Images:
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)


_BATCHES = "cifar-10-batches-py"

_FOLDERS = {
    "mnist": ("mnist", "."),
    "cifar10": ("cifar10", f"cifar10/{_BATCHES}", _BATCHES, "."),
}

_LAYOUTS = {
    "mnist": [
        _Layout(
            train=(f"train-images-idx3-ubyte{suffix}", f"train-labels-idx1-ubyte{suffix}"),
            test=(f"t10k-images-idx3-ubyte{suffix}", f"t10k-labels-idx1-ubyte{suffix}"),
            read=read_mnist,
        )
        for suffix in ("", ".gz")
    ],
    "cifar10": [
        _Layout(train=tuple(f"data_batch_{i}" for i in range(1, 6)), test=("test_batch",), read=read_batches),
        _Layout(train=("train-*.parquet",), test=("test-*.parquet",), read=read_parquet),
    ],
}
