"""Datasets of the user's own: a file, a source and a preparation in code."""

import hashlib
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from distnlc.data.dataset import load, prepare, record
from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec
from distnlc.plugins import Preparation, Source
from tests.helpers.data_files import sizes

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def npz(tmp_path) -> DataSpec:
    random = np.random.default_rng(0)
    inputs, labels = random.normal(size=(50, 2, 6, 6)), random.integers(4, size=50)
    np.savez(tmp_path / "my.npz", inputs=inputs, labels=labels)
    return DataSpec(name="npz", file=str(tmp_path / "my.npz"))


def test_a_file_of_one_s_own_is_split_prepared_and_recorded(npz, tmp_path) -> None:
    dataset = load(npz, seed=0)
    assert (sizes(dataset), dataset.shape, dataset.d_in, dataset.classes) == ([30, 10, 10], (2, 6, 6), 72, 4)
    torch.testing.assert_close(dataset.train_inputs.var(0, correction=0), torch.ones(72, dtype=torch.float64))
    digest = hashlib.sha256((tmp_path / "my.npz").read_bytes()).hexdigest()
    counts = {"train": 30, "validation": 10, "test": 10}
    found = {"name": "npz", "files": {"my.npz": digest}, **counts, "d_in": 72, "classes": 4, "shape": [2, 6, 6]}
    assert record(npz, seed=0) == found
    cropped = npz.model_copy(update={"crop": 4})
    assert load(cropped, seed=0).shape == (2, 4, 4)
    with pytest.raises(DataError, match=r"my\.npz: data\.crop = 7 needs points .* found 2 x 6 x 6"):
        load(npz.model_copy(update={"crop": 7}), seed=0)
    with pytest.raises(
        DataError, match=r"my\.npz: train \+ validation \+ test = 60 points are asked for and there are 50"
    ):
        load(npz.model_copy(update={"train": 40}), seed=0)


def test_the_test_part_comes_from_the_test_arrays_where_there_are_any(tmp_path) -> None:
    labels = np.arange(20) % 2
    arrays = {"test_inputs": -np.ones((5, 3)), "test_labels": np.zeros(5, int)}
    np.savez(tmp_path / "my.npz", inputs=np.ones((20, 3)) * labels[:, None], labels=labels, **arrays)
    dataset = load(DataSpec(name="npz", file=str(tmp_path / "my.npz"), preparation="raw"), seed=0)
    assert sizes(dataset) == [17, 3, 5]
    assert dataset.test_inputs.unique().tolist() == [-1]
    assert torch.equal(dataset.train_inputs[:, 0].long(), dataset.train_labels)


def test_other_content_of_the_same_file_is_prepared_anew(npz, tmp_path) -> None:
    path = prepare(npz, seed=0)
    with np.load(tmp_path / "my.npz") as arrays:
        np.savez(tmp_path / "my.npz", inputs=-arrays["inputs"], labels=arrays["labels"])
    assert prepare(npz, seed=0) != path


def test_a_libsvm_set_is_prepared_like_any_other(tmp_path) -> None:
    (tmp_path / "libsvm").mkdir()
    lines = [f"{label} 1:{point + 1} 3:{point - 2}" for point, label in enumerate("121212121212121")]
    (tmp_path / "libsvm" / "set.scale").write_text("\n".join(lines))
    spec = DataSpec(name="libsvm/set", root=str(tmp_path))
    dataset = load(spec, seed=0)
    assert (sizes(dataset), dataset.d_in, dataset.classes) == ([9, 3, 3], 3, 2)
    assert dataset.train_inputs.mean(1).abs().max() < 1e-15  # layer norm
    assert prepare(spec, seed=0).name.startswith("libsvm-set-")
    assert list(record(spec, seed=0)["files"]) == ["set.scale"]


class OwnSource:
    """A source that counts how often it is read."""

    def __init__(self, *arrays: Any) -> None:
        self.arrays, self.roots = arrays, list[Any]()

    def read(self, root: Path | None) -> tuple[Any, ...]:
        self.roots.append(root)
        return self.arrays


POINTS = np.random.default_rng(0).normal(size=(40, 3, 2)), np.arange(40) % 4


def test_a_source_of_one_s_own_is_read_once_with_the_data_folder(plug_in, tmp_path, monkeypatch) -> None:
    own = OwnSource(*POINTS)
    plug_in(Source(name="my source", read=own.read))
    dataset = load(DataSpec(name="my source", root=str(tmp_path)), seed=0)
    assert (dataset.name, sizes(dataset), dataset.shape, dataset.classes) == ("my source", [24, 8, 8], (3, 2), 4)
    load(DataSpec(name="my source", root=str(tmp_path)), seed=0)
    assert own.roots == [tmp_path]
    monkeypatch.setenv("DISTNLC_DATA", str(tmp_path / "named"))
    load(DataSpec(name="my source"), seed=1)
    monkeypatch.delenv("DISTNLC_DATA")
    load(DataSpec(name="my source"), seed=2)
    assert own.roots == [tmp_path, tmp_path / "named", None]


def test_another_version_or_another_file_of_an_own_source_is_prepared_anew(plug_in, tmp_path) -> None:
    paths = [tmp_path / "a" / "points", tmp_path / "b" / "points"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("1")

    def put(version: str) -> None:
        plug_in(Source(name="mine", read=OwnSource(*POINTS).read, files=lambda _: paths, version=version))

    put("1")
    spec = DataSpec(name="mine")
    first = prepare(spec, seed=0)
    assert list(record(spec, seed=0)["files"]) == ["a/points", "b/points"]
    assert "source_version" not in record(spec, seed=0)
    put("2")
    spec = DataSpec(name="mine")
    second = prepare(spec, seed=0)
    assert record(spec, seed=0)["source_version"] == "2"
    paths[1].write_text("2")
    assert len({first, second, prepare(spec, seed=0)}) == 3
    paths[1].unlink()
    with pytest.raises(DataError, match=r"b/points: cannot be read: No such file"):
        prepare(spec, seed=0)


def test_files_that_change_while_they_are_read_are_not_kept_under_their_old_digests(plug_in, cache, tmp_path) -> None:
    path = tmp_path / "points"
    path.write_text("1")

    def read(_: Path | None) -> tuple[np.ndarray, np.ndarray]:
        path.write_text("another")
        return POINTS

    plug_in(Source(name="mine", read=read, files=lambda _: [path]))
    with pytest.raises(DataError, match="mine: the files changed while they were read"):
        prepare(DataSpec(name="mine"), seed=0)
    assert not list(cache.glob("*"))


def test_tensors_and_lists_are_arrays_too(plug_in) -> None:
    plug_in(Source(name="mine", read=OwnSource(torch.from_numpy(POINTS[0]), POINTS[1].tolist()).read))
    assert load(DataSpec(name="mine"), seed=0).shape == (3, 2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((POINTS[0],), "expected inputs and labels, .* found 1"),
        ((POINTS[0], POINTS[1], POINTS[0]), "2 or 4 arrays, found 3"),
        ((POINTS[0], np.eye(4)[POINTS[1]]), r"labels\.argmax\(1\)"),
        ((POINTS[0] * np.nan, POINTS[1]), "found nan in row 0"),
        (([[1, 2], [3]], [0, 1]), "inputs cannot be made an array"),
        ((POINTS[0], np.zeros(40, int)), "at least 2 classes"),
    ],
)
def test_an_own_source_is_held_to_what_a_file_is(plug_in, arrays, message) -> None:
    plug_in(Source(name="mine", read=OwnSource(*arrays).read))
    with pytest.raises(DataError, match=f"^mine: .*{message}"):
        load(DataSpec(name="mine"), seed=0)


def test_what_an_own_source_raises_or_returns_instead_of_arrays_is_one_line(plug_in) -> None:
    def broken(root: Path | None) -> tuple[Any, ...]:
        raise KeyError(f"no {root}")

    for source, message in (
        (Source(name="mine", read=broken), "mine: read of this source raised KeyError: 'no None'"),
        (Source(name="mine", read=Mock(), files=broken), "mine: files of this source raised KeyError"),
        (Source(name="mine", read=Mock(return_value=None)), "mine: expected inputs and labels, .* found NoneType"),
    ):
        plug_in(source)
        with pytest.raises(DataError, match=message):
            load(DataSpec(name="mine"), seed=0)


def test_a_preparation_of_one_s_own_gets_the_parts_and_is_held_to_them(plug_in) -> None:
    def put(function: Any) -> DataSpec:
        plug_in(
            Source(name="mine", read=OwnSource(*POINTS).read),
            Preparation(name="own", fit_and_apply=function, version=str(id(function))),
        )
        return DataSpec(name="mine", preparation="own", validation=0)

    seen = []

    def first_column(train: np.ndarray, *others: np.ndarray, seed: int) -> list[np.ndarray]:
        seen.append(seed)
        return [2 * part[:, :1].astype(np.float32) for part in (train, *others)]

    spec = put(first_column)
    dataset = load(spec, seed=0)
    assert (dataset.shape, sizes(dataset), dataset.train_inputs.dtype) == ((1, 2), [32, 0, 8], torch.float64)
    assert set(dataset.train_inputs[:, 0].tolist()) <= set((2 * POINTS[0][:, 0, 0].astype(np.float32)).tolist())
    assert len(seen) == 1
    assert record(spec, seed=0)["preparation"] == "own"
    for function, message in (
        (
            lambda *parts, seed: parts[: 1 + 0 * seed],
            r"expected 2 arrays of as many points as before, found \(32, 3, 2\)",
        ),
        (lambda *parts, seed: [part[1 + 0 * seed :] for part in parts], r"found \(31, 3, 2\), \(7, 3, 2\)"),
        (lambda *parts, seed: [part[:, 0, 0] * seed for part in parts], r"found \(32,\), \(8,\)"),
        (
            lambda *parts, seed: [part / (0 * seed) for part in parts],
            "expected finite numbers, found others in the train",
        ),
        (Mock(side_effect=KeyError("odd")), "KeyError: 'odd'"),
        (lambda *parts: parts, "TypeError: .*seed"),
    ):
        spec = put(function)
        with (
            pytest.raises(DataError, match=f"mine: cannot be prepared by own: .*{message}"),
            np.errstate(divide="ignore", invalid="ignore"),
        ):
            load(spec, seed=0)
