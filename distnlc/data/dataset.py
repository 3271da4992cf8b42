"""A study's dataset: found or generated, split, prepared once per machine, then cached (section D).

In: a DataSpec and the study's seed. Out: a Dataset. The seed fixes the split, the subset, the generated points, random
labels and whatever is random in the preparation. A prepared file is named by a hash of everything that it depends on,
the content of the source files included, so that an old file is never taken for a new one.
"""

import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.data.digests import digests
from distnlc.data.folders import DataError, data_folder
from distnlc.data.points import Points, checked
from distnlc.data.preparation import PointError
from distnlc.data.sources import preparation_of, source_of, split_sizes
from distnlc.data.spec import DataSpec
from distnlc.files import CACHE_VARIABLE, cache_folder, write_whole
from distnlc.plugins import Preparation, Source, loaded
from distnlc.spec import derive_seed, identity, short_id

FORMAT_VERSION = 3
"""to be raised whenever the same spec, seed and files would give other prepared data"""
PARTS = ("train", "validation", "test")


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
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    """of one point before it was flattened, such as (channels, height, width); left out: (d_in,)"""
    test_rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), kw_only=True)
    """(n,) int64: each test point's place among those that the part is drawn from, such as in the test file; left out:
    0 ... n - 1"""

    def __post_init__(self) -> None:
        if not self.shape:
            object.__setattr__(self, "shape", (self.d_in,))
        if not len(self.test_rows):
            object.__setattr__(self, "test_rows", torch.arange(len(self.test_labels)))

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


_TENSORS = [each.name for each in fields(Dataset) if each.name not in {"name", "classes", "shape"}]


def load(spec: DataSpec, seed: int) -> Dataset:
    """The prepared dataset, made first if this machine's cache does not have it. Raises DataError."""
    path = prepare(spec, seed)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]) for name in _TENSORS}
            return Dataset(spec.name, int(arrays["classes"]), **tensors, shape=tuple(arrays["shape"].tolist()))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None


def record(spec: DataSpec, seed: int) -> dict[str, Any]:
    """A record of the data, in plain data: source files with their digests, counts, dimensions. Raises DataError.

    What is as it is by default is left out: the dataset's own preparation, a shape of (d_in,), first versions of
    plug-ins. The dataset is prepared first if this machine's cache does not have it.
    """
    path = prepare(spec, seed)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            counts = {part: len(arrays[f"{part}_labels"]) for part in PARTS}
            d_in, classes, shape = int(arrays["d_in"]), int(arrays["classes"]), arrays["shape"].tolist()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    source, preparation = source_of(spec, seed), preparation_of(spec)
    found = {"name": spec.name, "files": _digests(source, spec), **counts, "d_in": d_in, "classes": classes}
    special = {
        "shape": (shape, [d_in]),
        "preparation": (spec.preparation, None),
        "source_version": (source.version, "1"),
        "preparation_version": (preparation.version, "1"),
    }
    return found | {name: value for name, (value, usual) in special.items() if value != usual}


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: this prepared dataset cannot be read ({error}); delete it to make it anew")


def prepare(spec: DataSpec, seed: int) -> Path:
    """The path of the prepared dataset, made if it is not there. Several processes may call it at once.

    Raises DataError if files are missing or broken, hold too few points or points that cannot be used, or if the cache
    cannot be written.
    """
    source, preparation = source_of(spec, seed), preparation_of(spec)
    before = _digests(source, spec)
    files = [f"{name}:{digest}" for name, digest in before.items()]
    recipe = [source.version, preparation.name, preparation.version]
    key = short_id([identity(spec), seed, FORMAT_VERSION, recipe, files])
    path = cache_folder() / f"{re.sub('[^A-Za-z0-9_.-]', '-', spec.name)}-{key}.npz"
    if not path.exists():
        made = _made(spec, seed, source, preparation)
        if _digests(source, spec) != before:
            raise DataError(f"{_where(spec)}: the files changed while they were read; once they rest, run again")
        _write(path, made)
    return path


def _digests(source: Source, spec: DataSpec) -> dict[str, str]:
    """Digests of the source's files, by name."""
    if source.files is None:
        return {}
    return digests([Path(path) for path in _called(source.files, spec, "files")])


def _called(function: Any, spec: DataSpec, what: str) -> Any:
    """What a source's function makes of the data folder. Raises DataError, also for what a user's own code raises."""
    try:
        return function(data_folder(spec.root))
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{spec.name}: {what} of this source raised {type(error).__name__}: {error}") from error


def _made(spec: DataSpec, seed: int, source: Source, preparation: Preparation) -> Dataset:
    """Read, split, cropped, prepared."""
    points = checked(_called(source.read, spec, "read"), where=_where(spec))
    classes, rows = points.classes, _split(spec, seed, points)
    pools = [(points.inputs, points.labels)] * 3
    if points.test_inputs is not None and points.test_labels is not None:
        pools[2] = points.test_inputs, points.test_labels
    parts = [_cropped(spec, inputs)[part] for (inputs, _), part in zip(pools, rows, strict=True)]
    labels = [labels[part] for (_, labels), part in zip(pools, rows, strict=True)]
    del points, pools  # the parts are copies
    if spec.labels == "random":
        labels[0] = np.random.default_rng(derive_seed(seed, "random labels")).integers(classes, size=len(labels[0]))
    inputs = _prepared(spec, seed, preparation, parts, rows)
    shape = inputs[0].shape[1:]
    flat = [each.reshape(len(each), math.prod(shape)) for each in inputs]
    tensors = [torch.from_numpy(array) for pair in zip(flat, labels, strict=True) for array in pair]
    return Dataset(spec.name, classes, *tensors, shape=shape, test_rows=torch.from_numpy(rows[2]))


def _where(spec: DataSpec) -> str:
    return spec.file or spec.name


def _split(spec: DataSpec, seed: int, points: Points) -> list[np.ndarray]:
    """The rows of the training, validation and test part, each in the arrays that the part is drawn from."""
    available = len(points.labels) if spec.first is None else spec.first
    available_test = None if points.test_labels is None else len(points.test_labels)
    train, validation, test = sizes = split_sizes(spec, available, available_test)
    if available_test is None:
        asked = [("train + validation + test", sum(sizes), available)]
    else:
        asked = [("train + validation", train + validation, available), ("test", test, available_test)]
    if spec.first is not None:
        asked.insert(0, ("first", spec.first, len(points.labels)))
    for what, count, held in asked:
        if count > held or train == 0:
            raise DataError(
                f"{_where(spec)}: {what} = {count} points are asked for and there are {held}; "
                "set data.train, data.validation and data.test to what there is"
            )
    if available_test is None:
        return _draw(available, sizes, derive_seed(seed, "split"))
    return [
        *_draw(available, (train, validation), derive_seed(seed, "split")),
        *_draw(available_test, (test,), derive_seed(seed, "test subset")),
    ]


def _draw(available: int, counts: Sequence[int], seed: int) -> list[np.ndarray]:
    """Disjoint random index arrays, one for each count."""
    order = np.random.default_rng(seed).permutation(available)
    return np.split(order[: sum(counts)], np.cumsum(counts)[:-1])


def _cropped(spec: DataSpec, inputs: np.ndarray) -> np.ndarray:
    """The central square of images (points, ..., height, width), half a pixel up and left if the sides differ oddly."""
    if not spec.crop:
        return inputs
    if inputs.ndim < 3 or spec.crop > min(inputs.shape[-2:]):
        raise DataError(
            f"{_where(spec)}: data.crop = {spec.crop} needs points whose last two dimensions are a height and a width "
            f"of at least {spec.crop}, found {' x '.join(map(str, inputs.shape[1:]))}"
        )
    top, left = ((side - spec.crop) // 2 for side in inputs.shape[-2:])
    return inputs[..., top : top + spec.crop, left : left + spec.crop]


def _prepared(
    spec: DataSpec, seed: int, preparation: Preparation, parts: Sequence[np.ndarray], rows: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The parts as the preparation leaves them, float64; it gets no empty part.

    Raises DataError, also for what a user's own code raises.
    """
    where = f"{_where(spec)}: cannot be prepared by {preparation.name}"
    filled = [number for number, part in enumerate(parts) if len(part)]
    given = [parts[number] for number in filled]
    try:
        fitted = loaded(preparation.fit_and_apply)(*given, seed=derive_seed(seed, "projection"))
        prepared = [np.asarray(part, dtype=np.float64) for part in fitted]
    except PointError as error:
        number = filled[error.part]
        row = f"point {rows[number][error.row]} (counted from 0, drawn for the {PARTS[number]} part)"
        raise DataError(f"{where}: {row}: {error.reason}") from None
    except Exception as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{where}: {reason}") from error
    shapes = {part.shape[1:] for part in prepared}
    if [len(part) for part in prepared] != [len(part) for part in given] or len(shapes) > 1 or shapes == {()}:
        found = ", ".join(str(part.shape) for part in prepared)
        raise DataError(f"{where}: expected {len(given)} arrays of as many points as before, found {found}")
    for number, part in zip(filled, prepared, strict=True):
        if not np.isfinite(part).all():
            raise DataError(f"{where}: expected finite numbers, found others in the {PARTS[number]} part")
    empty = np.empty((0, *prepared[0].shape[1:]))
    return [prepared[filled.index(number)] if number in filled else empty for number in range(len(parts))]


def _write(path: Path, dataset: Dataset) -> None:
    arrays: dict[str, Any] = {name: getattr(dataset, name).numpy() for name in _TENSORS}
    arrays |= {name: np.array(getattr(dataset, name)) for name in ("d_in", "classes", "shape")}
    try:
        write_whole(path, lambda file: np.savez(file, **arrays))
    except OSError as error:
        raise DataError(
            f"{path.parent}: the prepared dataset cannot be written here ({error.strerror or error}); "
            f"name a folder that can be written with the environment variable {CACHE_VARIABLE}"
        ) from None
