"""MNIST, Fashion-MNIST, CIFAR10 and CIFAR100 from the usual forms of their files.

In: a folder. Out: images (n, features) uint8 and labels (n,) int64 of either split.
    mnist, fashion-mnist  the four IDX files, plain or gzipped
    cifar10, cifar100     the official batches (Python pickles), or Parquet shards with encoded images
A CIFAR row is laid out as in the official batches: 1,024 red values, then green, then blue. CIFAR100's labels are the
fine ones.
"""

import gzip
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import compute, parquet

from distnlc.data.folders import ADVICE, DataError, contents, needed_folder
from distnlc.data.pickles import plain_data
from distnlc.data.sources import STATED
from distnlc.data.spec import DataSpec

MOST_BYTES = 2**30
"""size of an IDX file when unpacked; MNIST's largest has 47 million"""

Images = tuple[np.ndarray, np.ndarray]
"""images (n, features) uint8 and labels (n,) int64"""


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


def files(root: Path | None, *, spec: DataSpec) -> list[Path]:
    """All files of the spec's dataset. Raises DataError."""
    found = find_image_files(spec.name, root)
    return found.train + found.test


def read(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, ...]:
    """Images (n, channels, height, width) and labels of the training files and of the test files. Raises DataError."""
    found = find_image_files(spec.name, root)
    shape = STATED[spec.name].shape
    (train, train_labels), (test, test_labels) = found.read(found.train), found.read(found.test)
    return train.reshape(-1, *shape), train_labels, test.reshape(-1, *shape), test_labels


def find_image_files(name: str, root: Path | None) -> ImageFiles:
    """The files of the dataset in the folder `root`. Raises DataError if that is None or lacks the files."""
    folders = [needed_folder(name, root) / inner for inner in _FOLDERS[name]]
    for folder in folders:
        for layout in _LAYOUTS[name]:
            train, test = _matches(folder, layout.train), _matches(folder, layout.test)
            if train and test:
                return ImageFiles(train, test, layout.read)
    wanted = ", or ".join(" ".join(layout.train + layout.test) for layout in _LAYOUTS[name])
    looked = "\n".join(f"  {folder}: {contents(folder)}" for folder in folders)
    raise DataError(f"{name}: files not found. Looked for {wanted} in\n{looked}\n{ADVICE}")


def _matches(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """All files that match, in the patterns' order; none if any pattern has no match."""
    found = [sorted(path for path in folder.glob(pattern) if path.is_file()) for pattern in patterns]
    return [path for paths in found for path in paths] if all(found) else []


def read_mnist(files: Sequence[Path]) -> Images:
    """Reads an IDX file of images and one of labels. Raises DataError."""
    images_file, labels_file = files
    images, labels = _read_idx(images_file, dimensions=3), _read_idx(labels_file, dimensions=1)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{images_file}: expected images of 28 x 28, found {images.shape[1]} x {images.shape[2]}")
    return _checked(images.reshape(len(images), -1), labels, 10, where=labels_file)


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


def read_parquet(files: Sequence[Path], *, label: str = "label", classes: int = 10) -> Images:
    """Reads shards with the columns `img.bytes` or `image.bytes` (a PNG or JPEG) and `label`. Raises DataError."""
    return _joined([_read_shard(path, label, classes) for path in files])


def _read_shard(path: Path, label: str, classes: int) -> Images:
    try:
        with parquet.ParquetFile(path) as file:
            column = "image" if "image" in file.schema_arrow.names else "img"
            table = file.read(columns=[column, label])
        encoded = compute.struct_field(table[column], "bytes").to_pylist()
        labels = np.array(table[label].to_pylist())
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: expected a Parquet file with the columns img.bytes (or image.bytes) and {label}; reading it "
            f"said: {error}"
        ) from None
    images = np.empty((len(encoded), 3072), dtype=np.uint8)
    for row, content in enumerate(encoded):
        try:
            images[row] = _decode(content)
        except Exception as error:  # a broken or hostile image can make Pillow raise anything
            raise DataError(f"{path}: row {row} of {column} is not a PNG or JPEG of 32 x 32: {error}") from None
    return _checked(images, labels, classes, where=path)


def _decode(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as image:
        if image.size != (32, 32):
            raise ValueError(f"it is {image.size[0]} x {image.size[1]}")
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1).reshape(-1)


def read_batches(files: Sequence[Path], *, label: str = "labels", classes: int = 10) -> Images:
    """Reads official batches: pickled dictionaries with `data` (n, 3072) and labels. Raises DataError."""
    return _joined([_read_batch(path, label, classes) for path in files])


def _read_batch(path: Path, label: str, classes: int) -> Images:
    try:
        batch = plain_data(path.read_bytes())
        array, label_list = batch[b"data"], batch[label.encode()]
        _, shape, kind, by_columns, content = array.state
        if kind.arguments[0] not in (b"u1", "u1") or by_columns or not isinstance(content, bytes):
            raise ValueError("'data' is not an array of unsigned bytes, row by row")
        if not isinstance(label_list, list) or not all(isinstance(label, int) for label in label_list):
            raise ValueError(f"{label!r} is not a list of integers")
        images = np.frombuffer(content, dtype=np.uint8).reshape(shape)
        labels = np.array(label_list)
    except Exception as error:  # a broken or hostile pickle can raise anything
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: not an official CIFAR batch, a dictionary of data and labels ({reason})") from None
    if images.ndim != 2 or images.shape[1] != 3072:
        raise DataError(f"{path}: expected 'data' of shape (n, 3072), found {images.shape}")
    return _checked(images, labels, classes, where=path)


def _checked(images: np.ndarray, labels: np.ndarray, classes: int, *, where: Path) -> Images:
    if labels.shape != (len(images),):
        raise DataError(f"{where}: expected one label for each of {len(images)} images, found {labels.shape}")
    integers = labels.dtype.kind in "iu"
    if len(labels) and not (integers and labels.min() >= 0 and labels.max() < classes):
        found = f"{labels.min()} ... {labels.max()}" if integers else f"values of type {labels.dtype}"
        raise DataError(f"{where}: expected labels in 0 ... {classes - 1}, found {found}")
    return images, labels.astype(np.int64)


def _joined(parts: Sequence[Images]) -> Images:
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)


_IDX = [
    _Layout(
        train=(f"train-images-idx3-ubyte{suffix}", f"train-labels-idx1-ubyte{suffix}"),
        test=(f"t10k-images-idx3-ubyte{suffix}", f"t10k-labels-idx1-ubyte{suffix}"),
        read=read_mnist,
    )
    for suffix in ("", ".gz")
]
_SHARDS = {"train": ("train-*.parquet",), "test": ("test-*.parquet",)}
_BATCHES, _BATCHES_100 = "cifar-10-batches-py", "cifar-100-python"

_FOLDERS = {
    "mnist": ("mnist", "."),
    "fashion-mnist": ("fashion-mnist",),  # not the folder itself, where MNIST's files would be taken for these
    "cifar10": ("cifar10", f"cifar10/{_BATCHES}", _BATCHES, "."),
    "cifar100": ("cifar100", f"cifar100/{_BATCHES_100}", _BATCHES_100, "."),
}

_LAYOUTS = {
    "mnist": _IDX,
    "fashion-mnist": _IDX,
    "cifar10": [
        _Layout(train=tuple(f"data_batch_{i}" for i in range(1, 6)), test=("test_batch",), read=read_batches),
        _Layout(**_SHARDS, read=read_parquet),
    ],
    "cifar100": [
        _Layout(train=("train",), test=("test",), read=partial(read_batches, label="fine_labels", classes=100)),
        _Layout(**_SHARDS, read=partial(read_parquet, label="fine_label", classes=100)),
    ],
}
