"""A study's dataset: found or generated, split, prepared once per machine, then cached (section D).

In: a DataSpec and the study's seed. Out: a Dataset. The seed fixes the split, the subset, the generated points and the
random directions of the image preparation. A prepared file is named by a hash of everything that it depends on, the
content of the source files included, so that an old file is never taken for a new one.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.data import waveform
from distnlc.data.images import DataError, ImageFiles, Images, find_image_files
from distnlc.data.preparation import normalize_features, prepare_images
from distnlc.data.sources import part_sizes
from distnlc.data.spec import DataSpec
from distnlc.files import CACHE_VARIABLE, cache_folder, write_whole
from distnlc.spec import derive_seed, identity, short_id

FORMAT_VERSION = 2
"""to be raised whenever the same spec, seed and files would give other prepared data"""


@dataclass(frozen=True)
class Dataset:
    """Prepared data: inputs (n, d_in), labels (n,) int64 in 0 ... classes - 1. Loaded as float64 on CPU."""

    name: str
    classes: int
    """1 + the largest label of the whole source, whatever part of it is used"""
    train_inputs: Tensor
    train_labels: Tensor
    validation_inputs: Tensor
    validation_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor

    @property
    def d_in(self) -> int:
        return self.train_inputs.shape[1]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Dataset":
        """The same dataset on a device, inputs in `dtype`, labels still int64."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        moved = {
            name: tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
            for name, tensor in tensors.items()
        }
        return replace(self, **moved)


_TENSORS = [field.name for field in fields(Dataset) if field.name not in {"name", "classes"}]


def load(spec: DataSpec, seed: int) -> Dataset:
    """The prepared dataset, made first if this machine's cache does not have it. Raises DataError."""
    path = prepare(spec, seed)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]) for name in _TENSORS}
            return Dataset(spec.name, int(arrays["classes"]), **tensors)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def record(spec: DataSpec, seed: int) -> dict[str, Any]:
    """A record of the data, in plain data: source files with their digests, counts, dimensions. Raises DataError.

    The dataset is prepared first if this machine's cache does not have it.
    """
    path = prepare(spec, seed)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            d_in, classes = int(arrays["d_in"]), int(arrays["classes"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    counts = dict(zip(("train", "validation", "test"), part_sizes(spec), strict=True))
    return {"name": spec.name, "files": _digests(_files(spec)), **counts, "d_in": d_in, "classes": classes}


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: this prepared dataset cannot be read ({error}); delete it to make it anew")


def prepare(spec: DataSpec, seed: int) -> Path:
    """The path of the prepared dataset, made if it is not there. Several processes may call it at once.

    Raises DataError if files are missing or broken, hold too few points, or if the cache cannot be written.
    """
    files = _files(spec)
    sources = [f"{name}:{digest}" for name, digest in _digests(files).items()]
    key = short_id([identity(spec), seed, FORMAT_VERSION, sources])
    path = cache_folder() / f"{spec.name}-{key}.npz"
    if path.exists():
        return path
    if files is None:
        dataset = _waveform_noise(spec, seed)
    else:
        dataset = _images(spec, seed, files.read(files.train), files.read(files.test))
    _write(path, dataset)
    return path


def _files(spec: DataSpec) -> ImageFiles | None:
    return None if spec.name == "waveform-noise" else find_image_files(spec.name, spec.root)


def _digests(files: ImageFiles | None) -> dict[str, str]:
    """File name -> SHA-256 of its content."""
    if files is None:
        return {}
    try:
        found = [(path, path.stat()) for path in files.train + files.test]
        return {path.name: _digest(path, stat.st_size, stat.st_mtime_ns) for path, stat in found}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror or error}") from None


@lru_cache
def _digest(path: Path, size: int, changed_ns: int) -> str:  # noqa: ARG001 (a file that changed is another one)
    """Cached, since a process loads the same datasets for many units."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _waveform_noise(spec: DataSpec, seed: int) -> Dataset:
    """All three parts are drawn from one pool of generated points."""
    counts = part_sizes(spec)
    inputs, labels = waveform.generate(derive_seed(seed, "waveform"), max(waveform.POINTS, sum(counts)))
    parts = _draw(len(labels), counts, derive_seed(seed, "split"))
    train, validation, test = normalize_features(*(inputs[part] for part in parts))
    return _dataset(spec, _classes(labels), (train, validation, test), [labels[part] for part in parts])


def _images(spec: DataSpec, seed: int, train_files: Images, test_files: Images) -> Dataset:
    """Training and validation part are drawn from the training files, the test part from the test files."""
    train_count, validation_count, test_count = part_sizes(spec)
    for field, asked, held in (
        ("train + validation", train_count + validation_count, len(train_files[1])),
        ("test", test_count, len(test_files[1])),
    ):
        if asked > held:
            raise DataError(
                f"{spec.name}: {field} = {asked} points are asked for and the files hold {held}; "
                "set data.train, data.validation and data.test to what there is"
            )
    train, validation = _draw(len(train_files[1]), (train_count, validation_count), derive_seed(seed, "split"))
    (test,) = _draw(len(test_files[1]), (test_count,), derive_seed(seed, "test subset"))
    try:
        inputs = prepare_images(
            train_files[0][train],
            train_files[0][validation],
            test_files[0][test],
            seed=derive_seed(seed, "projection"),
        )
    except ValueError as error:
        raise DataError(f"{spec.name}: cannot be prepared: {error}") from None
    labels = [train_files[1][train], train_files[1][validation], test_files[1][test]]
    return _dataset(spec, _classes(train_files[1], test_files[1]), inputs, labels)


def _classes(*labels: np.ndarray) -> int:
    """Labels are 0 ... classes - 1."""
    return 1 + max(int(each.max()) for each in labels)


def _draw(available: int, counts: Sequence[int], seed: int) -> list[np.ndarray]:
    """Disjoint random index arrays, one for each count."""
    order = np.random.default_rng(seed).permutation(available)
    return np.split(order[: sum(counts)], np.cumsum(counts)[:-1])


def _dataset(spec: DataSpec, classes: int, inputs: Sequence[Tensor], labels: Sequence[np.ndarray]) -> Dataset:
    pairs = zip(inputs, map(torch.from_numpy, labels), strict=True)
    return Dataset(spec.name, classes, *(tensor for pair in pairs for tensor in pair))


def _write(path: Path, dataset: Dataset) -> None:
    arrays: dict[str, Any] = {name: getattr(dataset, name).numpy() for name in _TENSORS}
    arrays |= {"d_in": np.array(dataset.d_in), "classes": np.array(dataset.classes)}
    try:
        write_whole(path, lambda file: np.savez(file, **arrays))
    except OSError as error:
        raise DataError(
            f"{path.parent}: the prepared dataset cannot be written here ({error.strerror or error}); "
            f"name a folder that can be written with the environment variable {CACHE_VARIABLE}"
        ) from None
