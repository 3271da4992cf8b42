"""Writes small datasets in the true formats of their files, and counts what is made of them."""

import gzip
import struct
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from distnlc.data.dataset import Dataset
from distnlc.data.images import read
from distnlc.data.spec import DataSpec


def random_images(count: int, features: int, seed: int, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(256, size=(count, features), dtype=np.uint8), random.integers(classes, size=count)


CIFAR, CIFAR_LABELS = random_images(10, 3072, seed=3)
"""ten images of the form of CIFAR's"""


def idx(values: np.ndarray) -> bytes:
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def write_mnist(folder: Path, *, train: int = 30, test: int = 10, zipped: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = random_images(count, 784, seed)
        for name, values in (
            (f"{prefix}-images-idx3-ubyte", images.reshape(-1, 28, 28)),
            (f"{prefix}-labels-idx1-ubyte", labels),
        ):
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(values), mtime=0))
            else:
                (folder / name).write_bytes(idx(values))


def png(row: np.ndarray, *, shape: tuple[int, int, int] = (3, 32, 32)) -> bytes:
    file, pixels = BytesIO(), row.reshape(shape).transpose(1, 2, 0)
    Image.fromarray(pixels[..., 0] if shape[0] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def write_shard(
    path: Path, encoded: list[bytes], labels: np.ndarray, *, image: str = "img", label: str = "label"
) -> None:
    """A shard of PNG files; CIFAR100's labels are the column `fine_label`, beside `coarse_label`, here all 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = pa.array([{"bytes": content, "path": None} for content in encoded])
    coarse = {"coarse_label": pa.array(0 * labels, pa.int64())} if label == "fine_label" else {}
    parquet.write_table(pa.table({image: images, **coarse, label: pa.array(labels, pa.int64())}), path)


def write_batch(
    path: Path, images: np.ndarray, labels: np.ndarray, *, kind: bytes = b"u1", name: bytes = b"labels"
) -> None:
    """An official batch as Python 2 pickled it: protocol 2, every string a byte string.

    CIFAR100's labels have the name `fine_labels`; its `coarse_labels`, here all 0, come before them.
    """

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + integer(0) + b"\x85" + text(b"b") + b"\x87R"
        b"(" + integer(1) + integer(len(images)) + integer(images.shape[1]) + b"\x86"
        b"cnumpy\ndtype\n" + text(kind) + integer(0) + integer(1) + b"\x87R"
        b"(" + integer(3) + text(b"|") + b"NNN" + integer(-1) + integer(-1) + integer(0) + b"tb"
        b"\x89T" + struct.pack("<i", images.size) + images.tobytes() + b"tb"
    )

    def integers(values: Iterable[int]) -> bytes:
        return b"](" + b"".join(integer(int(value)) for value in values) + b"e"

    coarse = text(b"coarse_labels") + integers([0] * len(labels)) if name == b"fine_labels" else b""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x80\x02}("
        + text(b"batch_label")
        + text(b"training batch 1 of 5")
        + coarse
        + text(name)
        + integers(labels)
        + text(b"data")
        + array
        + b"u."
    )


def sizes(dataset: Dataset) -> list[int]:
    """Points of its training, validation and test part."""
    return [len(part) for part in (dataset.train_inputs, dataset.validation_inputs, dataset.test_inputs)]


def write_batches(folder: Path) -> None:
    for i in range(5):
        write_batch(folder / f"data_batch_{i + 1}", CIFAR[2 * i : 2 * i + 2], CIFAR_LABELS[2 * i : 2 * i + 2])
    write_batch(folder / "test_batch", CIFAR[:3], CIFAR_LABELS[:3])


def images_of(name: str, root: Path | None) -> tuple[np.ndarray, ...]:
    """Images (points, features) and labels of the training files, then of the test files."""
    train, train_labels, test, test_labels = read(root, spec=DataSpec(name=name), seed=0)
    return train.reshape(len(train), -1), train_labels, test.reshape(len(test), -1), test_labels
