"""A dataset is found or generated, split, prepared once per machine, and described in a record."""

import hashlib
import multiprocessing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from distnlc.data import preparation
from distnlc.data.dataset import Dataset, load, prepare, record
from distnlc.data.folders import DataError
from distnlc.data.sources import dimensions
from distnlc.data.spec import DataSpec
from distnlc.plugins import Preparation, Source
from distnlc.spec import derive_seed
from tests.helpers.data_files import idx, random_images, write_mnist

SMALL = DataSpec(train=60, validation=30, test=20)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DISTNLC_CACHE", str(folder))
    return folder


@pytest.fixture
def mnist(tmp_path) -> DataSpec:
    write_mnist(tmp_path / "data" / "mnist")
    return DataSpec(name="mnist", train=20, validation=10, test=10, root=str(tmp_path / "data"))


def sizes(dataset: Dataset) -> list[int]:
    return [len(part) for part in (dataset.train_inputs, dataset.validation_inputs, dataset.test_inputs)]


def test_waveform_noise_needs_no_files_and_has_the_papers_counts() -> None:
    dataset = load(DataSpec(), seed=0)
    assert sizes(dataset) == [3_000, 1_000, 1_000]
    assert (dataset.d_in, dataset.classes) == dimensions(DataSpec()) == (40, 3)
    assert dataset.train_inputs.dtype == torch.float64
    assert dataset.train_labels.dtype == torch.int64
    torch.testing.assert_close(dataset.train_inputs.var(0, correction=0), torch.ones(40, dtype=torch.float64))
    assert dataset.validation_inputs.mean(0).abs().max() > 1e-3  # its own mean is not what was removed


def test_counts_are_the_specs_where_given_and_waveform_noise_makes_as_many_as_asked() -> None:
    assert sizes(load(SMALL, seed=0)) == [60, 30, 20]
    assert sizes(load(DataSpec(train=7_000), seed=0)) == [7_000, 1_000, 1_000]


def test_the_classes_are_counted_in_the_labels_of_the_source(tmp_path) -> None:
    """The count does not depend on the part of the source that is used, nor on the classes of the paper's dataset."""
    folder = tmp_path / "data"
    write_mnist(folder, zipped=False)
    for prefix, count, classes in (("train", 30, 4), ("t10k", 10, 6)):
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % classes))
    spec = DataSpec(name="mnist", train=2, validation=1, test=1, root=str(folder))
    assert load(spec, seed=0).classes == 6
    assert record(spec, seed=0)["classes"] == 6


def test_the_record_has_digests_counts_and_dimensions(mnist, tmp_path) -> None:
    found = record(mnist, seed=0)
    files = sorted((tmp_path / "data" / "mnist").iterdir())
    assert found.pop("files") == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    d_in = load(mnist, seed=0).d_in
    assert found == {"name": "mnist", "train": 20, "validation": 10, "test": 10, "d_in": d_in, "classes": 10}
    generated = {"name": "waveform-noise", "files": {}, "train": 60, "validation": 30, "test": 20}
    assert record(SMALL, seed=0) == generated | {"d_in": 40, "classes": 3}


def test_the_files_of_several_datasets_in_turn_are_digested_once(tmp_path, monkeypatch) -> None:
    specs = [DataSpec(name="mnist", train=20, validation=10, test=10, root=str(tmp_path / name)) for name in "abc"]
    for number, spec in enumerate(specs):
        write_mnist(Path(spec.root), train=30 + number)
    digested, digest = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: digested.append(file.name) or digest(file, name))
    for spec in 2 * specs:
        load(spec, seed=0)
    assert len(digested) == len(set(digested)) == 3 * 4


def test_the_nominal_dimensions_need_no_files() -> None:
    assert [dimensions(DataSpec(name=name)) for name in ("mnist", "cifar10")] == [(334, 10), (810, 10)]


def test_images_are_split_without_overlap_and_keep_their_labels(mnist) -> None:
    dataset = load(mnist, seed=0)
    assert sizes(dataset) == [20, 10, 10]
    inputs = torch.cat([dataset.train_inputs, dataset.validation_inputs])
    labels = torch.cat([dataset.train_labels, dataset.validation_labels])
    assert len(inputs.unique(dim=0)) == 30
    assert sorted(labels.tolist()) == sorted(random_images(30, 784, seed=1)[1].tolist())
    assert sorted(dataset.test_labels.tolist()) == sorted(random_images(10, 784, seed=2)[1].tolist())
    assert not torch.equal(dataset.train_labels, load(mnist, seed=1).train_labels)


def share_at_the_mean_of_its_label(dataset: Dataset) -> float:
    """The share of validation and test points that lie nearest to their label's training points' mean."""
    labels = range(dataset.classes)
    means = torch.stack([dataset.train_inputs[dataset.train_labels == label].mean(0) for label in labels])
    inputs = torch.cat([dataset.validation_inputs, dataset.test_inputs])
    found = torch.cat([dataset.validation_labels, dataset.test_labels])
    return float((torch.cdist(inputs, means).argmin(1) == found).double().mean())


def test_inputs_and_labels_stay_together(tmp_path) -> None:
    """Of generated points, where the nearest mean is right for four in five (with shuffled labels, for one in three),
    and of images of which each is bright in the pixel of its label only."""
    assert share_at_the_mean_of_its_label(load(DataSpec(), seed=0)) > 0.7
    labels = np.arange(30) % 10
    images = np.zeros((30, 784))
    images[np.arange(30), labels] = 255
    for prefix in ("train", "t10k"):
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images.reshape(-1, 28, 28)))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    spec = DataSpec(name="mnist", train=20, validation=10, test=30, root=str(tmp_path))
    assert share_at_the_mean_of_its_label(load(spec, seed=0)) == 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train": 21}, r"train \+ validation = 31 points are asked for and there are 30"),
        ({"test": 11}, "test = 11 points are asked for and there are 10"),
        ({"train": None}, r"train \+ validation = 50010 points are asked for and there are 30"),
    ],
)
def test_more_points_than_the_files_hold_are_refused_with_numbers(mnist, counts, message) -> None:
    with pytest.raises(DataError, match=message):
        prepare(mnist.model_copy(update=counts), seed=0)


def test_a_prepared_dataset_is_made_once(mnist, cache) -> None:
    path = prepare(mnist, seed=0)
    first = path.stat()
    assert prepare(mnist, seed=0) == path
    assert path.stat() == first
    assert list(cache.iterdir()) == [path]


def test_another_spec_seed_or_file_content_is_prepared_anew_and_another_root_is_not(mnist, tmp_path) -> None:
    path = prepare(mnist, seed=0)
    assert prepare(mnist, seed=1) != path
    assert prepare(mnist.model_copy(update={"train": 19}), seed=0) != path
    write_mnist(tmp_path / "moved")
    assert prepare(mnist.model_copy(update={"root": str(tmp_path / "moved")}), seed=0) == path
    labels = tmp_path / "data" / "mnist" / "train-labels-idx1-ubyte.gz"
    content = bytearray(labels.read_bytes())
    content[4] ^= 1  # the time stamp of the gzip header: same size, same name
    labels.write_bytes(content)
    assert prepare(mnist, seed=0) != path


def prepare_at_once(barrier, spec, results) -> None:
    barrier.wait()
    results.put(str(prepare(spec, seed=0)))


@pytest.mark.slow
def test_two_processes_prepare_at_once_and_leave_one_whole_file(mnist, cache) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=prepare_at_once, args=(barrier, mnist, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    paths = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert paths == {str(path) for path in cache.iterdir()}
    assert len(paths) == 1
    assert sizes(load(mnist, seed=0)) == [20, 10, 10]


def test_a_writer_that_fails_leaves_nothing_behind(mnist, cache, monkeypatch) -> None:
    monkeypatch.setattr(np, "savez", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(DataError, match=r"cannot be written here \(No space left.*variable DISTNLC_CACHE"):
        prepare(mnist, seed=0)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named_with_its_variable(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"file/cache: .*environment variable DISTNLC_CACHE"):
        prepare(SMALL, seed=0)


def test_the_cache_is_in_the_xdg_folder_and_else_in_the_home(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("DISTNLC_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert prepare(SMALL, seed=0).parent == tmp_path / "xdg" / "distnlc"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert prepare(SMALL, seed=0).parent == tmp_path / "home" / ".cache" / "distnlc"


def test_a_broken_prepared_file_is_named() -> None:
    path = prepare(SMALL, seed=0)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"waveform-noise-.*\.npz: .*delete it"):
        load(SMALL, seed=0)


def test_moving_casts_the_inputs_only() -> None:
    dataset = load(SMALL, seed=0)
    moved = dataset.to("cpu", torch.float32)
    assert moved.test_inputs.dtype == torch.float32
    assert moved.test_labels.dtype == torch.int64
    torch.testing.assert_close(moved.train_inputs, dataset.train_inputs.float())
    assert dataset.train_inputs.dtype == torch.float64


# preparations, crops and labels of one's choice


def test_an_image_keeps_its_shape_and_the_paper_s_recipe_has_none(mnist) -> None:
    paper = load(mnist, seed=0)
    assert (paper.shape, record(mnist, seed=0).get("shape")) == ((paper.d_in,), None)
    raw = mnist.model_copy(update={"preparation": "raw", "crop": 20})
    dataset = load(raw, seed=0)
    assert (dataset.shape, dataset.d_in, dataset.train_inputs.shape) == ((1, 20, 20), 400, (20, 400))
    assert dataset.to("cpu", torch.float32).shape == (1, 20, 20)
    found = record(raw, seed=0)
    assert (found["shape"], found["preparation"], found["d_in"]) == ([1, 20, 20], "raw", 400)


@pytest.mark.parametrize(("crop", "start"), [(28, 0), (24, 2), (27, 0), (25, 1), (1, 13)])
def test_a_crop_is_the_central_square_of_the_raw_image(mnist, crop, start) -> None:
    spec = mnist.model_copy(update={"preparation": "raw", "crop": crop, "train": 30, "validation": 0, "test": 10})
    dataset = load(spec, seed=0)
    images = random_images(30, 784, seed=1)[0].reshape(30, 28, 28)
    expected = images[:, start : start + crop, start : start + crop].reshape(30, -1)
    order = np.random.default_rng(derive_seed(0, "split")).permutation(30)
    assert np.array_equal(dataset.train_inputs.numpy(), expected[order])


@pytest.mark.parametrize("name", ["features", "sphere", "layer-norm", "raw"])
def test_a_preparation_by_name_is_its_function_of_the_split_parts(mnist, name) -> None:
    function = {
        "features": preparation.normalize_features,
        "sphere": preparation.onto_sphere,
        "layer-norm": preparation.normalize_points,
        "raw": preparation.as_they_are,
    }[name]
    raw = load(mnist.model_copy(update={"preparation": "raw"}), seed=0)
    dataset = load(mnist.model_copy(update={"preparation": name}), seed=0)
    parts = [raw.train_inputs, raw.validation_inputs, raw.test_inputs]
    expected = function(*(part.numpy() for part in parts))
    for found, part in zip(
        (dataset.train_inputs, dataset.validation_inputs, dataset.test_inputs), expected, strict=True
    ):
        torch.testing.assert_close(found, part.reshape(len(part), -1), rtol=1e-12, atol=1e-12)


def test_random_labels_replace_those_of_the_training_part_alone() -> None:
    true = load(DataSpec(train=3_000), seed=0)
    random = load(DataSpec(train=3_000, labels="random"), seed=0)
    for part in ("train_inputs", "validation_inputs", "validation_labels", "test_inputs", "test_labels"):
        assert torch.equal(getattr(true, part), getattr(random, part))
    counts = torch.bincount(random.train_labels, minlength=3)
    assert (counts - 1_000).abs().max() < 4 * np.sqrt(3_000 * 2 / 9)
    agreeing = (random.train_labels == true.train_labels).double().mean()
    assert abs(agreeing - 1 / 3) < 4 * np.sqrt(2 / 9 / 3_000)
    assert torch.equal(random.train_labels, load(DataSpec(train=3_000, labels="random"), seed=0).train_labels)
    assert not torch.equal(random.train_labels, load(DataSpec(train=3_000, labels="random"), seed=1).train_labels)


def test_a_part_may_be_empty(mnist) -> None:
    for name in ("paper", "sphere", "features"):
        dataset = load(mnist.model_copy(update={"validation": 0, "test": 0, "preparation": name}), seed=0)
        assert sizes(dataset) == [20, 0, 0]
        assert dataset.validation_inputs.shape == (0, dataset.d_in)
    assert record(mnist.model_copy(update={"validation": 0}), seed=0)["validation"] == 0


def test_features_that_are_constant_in_mnist_are_no_trouble(tmp_path) -> None:
    images = np.zeros((30, 28, 28))
    images[:, 10:18, 10:18] = random_images(30, 64, seed=0)[0].reshape(30, 8, 8)
    write_mnist(tmp_path, zipped=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    counts = {"train": 20, "validation": 10, "test": 10}
    dataset = load(DataSpec(name="mnist", root=str(tmp_path), preparation="features", **counts), seed=0)
    assert dataset.train_inputs.isfinite().all()
    assert (dataset.train_inputs.var(0, correction=0) > 0.99).sum() == 64


def test_a_constant_image_is_named_by_its_place_in_the_file(tmp_path) -> None:
    images = random_images(30, 784, seed=1)[0].reshape(30, 28, 28)
    images[17] = 200
    write_mnist(tmp_path, zipped=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    spec = DataSpec(name="mnist", root=str(tmp_path), train=20, validation=10, test=10, preparation="sphere")
    with pytest.raises(
        DataError, match=r"cannot be prepared by sphere: point 17 \(counted from 0, .*entries are equal"
    ):
        load(spec, seed=0)


# a dataset of one's own


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
