"""The studies' datasets: found or generated, split, prepared once per machine, then cached (section D).

In goes a DataSpec and the study's seed; out comes a Dataset. The seed fixes the split, the subset, the
generated points and the random directions of the image preparation. A prepared file is named by a hash of all
that it depends on, source files' content included, so that an old file is never taken for a new one.
"""

import hashlib
import os
import secrets
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distnlc.data import waveform
from distnlc.data.images import DataError, Images, find_image_files
from distnlc.data.preparation import normalize_features, prepare_images
from distnlc.spec import DataSpec, derive_seed, identity, short_id

__all__ = ["DataError", "Dataset", "dimensions", "load", "part_sizes", "prepare"]

CACHE_VARIABLE = "DISTNLC_CACHE"
FORMAT_VERSION = 1
"""to be raised whenever the same spec, seed and files would give other prepared data"""


class _Paper(NamedTuple):
    """What the paper states of a dataset."""

    train: int
    validation: int
    test: int
    d_in: int
    classes: int


_PAPER = {
    "waveform-noise": _Paper(3_000, 1_000, 1_000, d_in=40, classes=3),
    "mnist": _Paper(50_000, 10_000, 10_000, d_in=334, classes=10),
    "cifar10": _Paper(40_000, 10_000, 10_000, d_in=810, classes=10),
}


@dataclass(frozen=True)
class Dataset:
    """Prepared data: inputs (n, d_in), labels (n,) int64 in 0 ... classes - 1. Loaded as float64 on CPU."""

    name: str
    train_inputs: Tensor
    train_labels: Tensor
    validation_inputs: Tensor
    validation_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor

    @property
    def d_in(self) -> int:
        return self.train_inputs.shape[1]

    @property
    def classes(self) -> int:
        return _PAPER[self.name].classes

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Dataset":
        """The same dataset on a device, inputs in `dtype`, labels still int64."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        moved = {
            name: tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
            for name, tensor in tensors.items()
        }
        return replace(self, **moved)


_TENSORS = [field.name for field in fields(Dataset) if field.name != "name"]


def dimensions(spec: DataSpec) -> tuple[int, int]:
    """(d_in, classes) as the paper states them; needs no files. The files' own d_in can differ for images."""
    paper = _PAPER[spec.name]
    return paper.d_in, paper.classes


def load(spec: DataSpec, seed: int) -> Dataset:
    """The prepared dataset, made first if this machine's cache does not have it. Raises DataError."""
    path = prepare(spec, seed)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Dataset(spec.name, **{name: torch.from_numpy(arrays[name]) for name in _TENSORS})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: this prepared dataset cannot be read ({error}); delete it to make it anew") from None


def prepare(spec: DataSpec, seed: int) -> Path:
    """The path of the prepared dataset, made if it is not there. Several processes may call it at once.

    Raises DataError if files are missing or broken, hold too few points, or if the cache cannot be written.
    """
    files = None if spec.name == "waveform-noise" else find_image_files(spec.name, spec.root)
    sources = [_digest(path) for path in files.train + files.test] if files else []
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


def _waveform_noise(spec: DataSpec, seed: int) -> Dataset:
    """All three parts are drawn from one pool of generated points."""
    counts = part_sizes(spec)
    inputs, labels = waveform.generate(derive_seed(seed, "waveform"), max(waveform.POINTS, sum(counts)))
    parts = _draw(len(labels), counts, derive_seed(seed, "split"))
    train, validation, test = normalize_features(*(inputs[part] for part in parts))
    return _dataset(spec, (train, validation, test), [labels[part] for part in parts])


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
    return _dataset(spec, inputs, [train_files[1][train], train_files[1][validation], test_files[1][test]])


def part_sizes(spec: DataSpec) -> tuple[int, int, int]:
    """Points of the training, validation and test part: the spec's, else the paper's."""
    paper = _PAPER[spec.name]
    return spec.train or paper.train, spec.validation or paper.validation, spec.test or paper.test


def _draw(available: int, counts: Sequence[int], seed: int) -> list[np.ndarray]:
    """Disjoint random index arrays, one for each count."""
    order = np.random.default_rng(seed).permutation(available)
    return np.split(order[: sum(counts)], np.cumsum(counts)[:-1])


def _dataset(spec: DataSpec, inputs: Sequence[Tensor], labels: Sequence[np.ndarray]) -> Dataset:
    pairs = zip(inputs, map(torch.from_numpy, labels), strict=True)
    return Dataset(spec.name, *(tensor for pair in pairs for tensor in pair))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def cache_folder() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")).absolute() / "distnlc"


def _write(path: Path, dataset: Dataset) -> None:
    """Writes aside and renames: no process ever sees half a file, and the last of several writers wins."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("xb") as file:
                np.savez(file, **{name: getattr(dataset, name).numpy() for name in _TENSORS})
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{path.parent}: the prepared dataset cannot be written here ({error.strerror or error}); "
            f"name a folder that can be written with the environment variable {CACHE_VARIABLE}"
        ) from None
