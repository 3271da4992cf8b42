"""Images and labels of MNIST, Fashion-MNIST, CIFAR10 and CIFAR100, from the usual forms of their files.

In: a folder, whose files layouts.py finds. Out: images (n, features) uint8 and labels (n,) int64 of either split.
    idx      two files, of images and of labels
    batches  the official CIFAR batches (Python pickles)
    parquet  shards with encoded images
A CIFAR row is laid out as in the official batches: 1,024 red values, then green, then blue. CIFAR100's labels are the
fine ones.
"""

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import compute, parquet

from distnlc.data.folders import DataError
from distnlc.data.layouts import File, find, read_files
from distnlc.data.pickles import plain_data
from distnlc.data.sources import STATED
from distnlc.data.spec import DataSpec

Images = tuple[np.ndarray, np.ndarray]
"""images (n, features) uint8 and labels (n,) int64"""


def files(root: Path | None, *, spec: DataSpec) -> list[Path]:
    """All files of the spec's dataset. Raises DataError."""
    return find(spec.name, root).paths


def read(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, ...]:
    """Images (n, channels, height, width) and labels of the training files and of the test files. Raises DataError."""
    found = find(spec.name, root)
    shape = STATED[spec.name].shape
    splits = [_read_split(spec.name, found.form, split) for split in (found.train, found.test)]
    return tuple(each for images, labels in splits for each in (images.reshape(-1, *shape), labels))


def _read_split(name: str, form: str, files: Sequence[File]) -> Images:
    """Raises DataError."""
    stated, fine = STATED[name], "fine_" if name == "cifar100" else ""
    if form == "idx":
        return read_mnist(files)
    if form == "batches":
        return read_batches(files, label=f"{fine}labels", classes=stated.classes)
    shards = [path for path in files if isinstance(path, Path)]
    return read_parquet(shards, shape=stated.shape, label=f"{fine}label", classes=stated.classes)


def read_mnist(files: Sequence[File]) -> Images:
    """Reads an IDX file of images and one of labels. Raises DataError."""
    (images_file, images_content), (labels_file, labels_content) = read_files(files)
    images = _idx(images_content, dimensions=3, where=images_file)
    labels = _idx(labels_content, dimensions=1, where=labels_file)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{images_file}: expected images of 28 x 28, found {images.shape[1]} x {images.shape[2]}")
    return _checked(images.reshape(len(images), -1), labels, 10, where=labels_file)


def _idx(content: bytes, *, dimensions: int, where: File) -> np.ndarray:
    """IDX: two zero bytes, the type (8: unsigned bytes), the number of dimensions, the sizes, the values."""
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < header:
        raise DataError(
            f"{where}: expected an IDX file of unsigned bytes that begins 0 0 8 {dimensions}, "
            f"found {len(content)} bytes that begin {' '.join(map(str, content[:4]))}"
        )
    shape = [int(size) for size in np.frombuffer(content[4:header], dtype=">u4")]
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    if len(values) != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{where}: expected {sizes} values after the header, found {len(values)}")
    return values.reshape(shape)


def read_parquet(files: Sequence[Path], *, shape: Sequence[int], label: str = "label", classes: int = 10) -> Images:
    """Reads shards with the columns `img.bytes` or `image.bytes` (a PNG or JPEG) and `label`. Raises DataError."""
    return _joined([_read_shard(path, shape, label, classes) for path in files])


def _read_shard(path: Path, shape: Sequence[int], label: str, classes: int) -> Images:
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
    images = np.empty((len(encoded), math.prod(shape)), dtype=np.uint8)
    for row, content in enumerate(encoded):
        try:
            images[row] = _decode(content, shape)
        except Exception as error:  # a broken or hostile image can make Pillow raise anything
            size = " x ".join(map(str, shape[1:]))
            raise DataError(f"{path}: row {row} of {column} is not a PNG or JPEG of {size}: {error}") from None
    return _checked(images, labels, classes, where=path)


def _decode(content: bytes, shape: Sequence[int]) -> np.ndarray:
    """The image's numbers, channel by channel."""
    channels, height, width = shape
    with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as image:
        if image.size != (width, height):
            raise ValueError(f"it is {image.size[0]} x {image.size[1]}")
        pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels.reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)


def read_batches(files: Sequence[File], *, label: str = "labels", classes: int = 10) -> Images:
    """Reads official batches: pickled dictionaries with `data` (n, 3072) and labels. Raises DataError."""
    return _joined([_batch(content, label, classes, where=file) for file, content in read_files(files)])


def _batch(content: bytes, label: str, classes: int, *, where: File) -> Images:
    try:
        batch = plain_data(content)
        array, label_list = batch[b"data"], batch[label.encode()]
        _, shape, kind, by_columns, numbers = array.state
        if kind.arguments[0] not in (b"u1", "u1") or by_columns or not isinstance(numbers, bytes):
            raise ValueError("'data' is not an array of unsigned bytes, row by row")
        if not isinstance(label_list, list) or not all(isinstance(label, int) for label in label_list):
            raise ValueError(f"{label!r} is not a list of integers")
        images = np.frombuffer(numbers, dtype=np.uint8).reshape(shape)
        labels = np.array(label_list)
    except Exception as error:  # a broken or hostile pickle can raise anything
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{where}: not an official CIFAR batch, a dictionary of data and labels ({reason})") from None
    if images.ndim != 2 or images.shape[1] != 3072:
        raise DataError(f"{where}: expected 'data' of shape (n, 3072), found {images.shape}")
    return _checked(images, labels, classes, where=where)


def _checked(images: np.ndarray, labels: np.ndarray, classes: int, *, where: File) -> Images:
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
