"""A dataset is found or generated, split, prepared once per machine, and described in a record."""

import hashlib
import multiprocessing
import tarfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from distnlc.data.dataset import Dataset, load, prepare, record
from distnlc.data.folders import DataError
from distnlc.data.sources import dimensions
from distnlc.data.spec import DataSpec
from tests.helpers.data_files import idx, random_images, sizes, write_batch, write_mnist

pytestmark = pytest.mark.usefixtures("cache")
SMALL = DataSpec(train=60, validation=30, test=20)


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


def test_the_record_names_the_archive_that_was_read_and_another_one_is_other_data(tmp_path) -> None:
    archive, digests = tmp_path / "cifar-10-python.tar", set()
    for seed in (1, 2):
        images, labels = random_images(60, 3072, seed=seed)
        with tarfile.open(archive, "w") as packed:
            for number, name in enumerate(("test_batch", *(f"data_batch_{i}" for i in range(1, 6)))):
                rows = slice(10 * number, 10 * number + 10)
                write_batch(tmp_path / "batch", images[rows], labels[rows])
                packed.add(tmp_path / "batch", f"cifar-10-batches-py/{name}")
        spec = DataSpec(name="cifar10", train=30, validation=10, test=10, root=str(tmp_path), preparation="raw")
        found = record(spec, seed=0)
        assert list(found["files"]) == ["cifar-10-python.tar"]
        digests.add((found["files"]["cifar-10-python.tar"], load(spec, seed=0).train_inputs.sum().item()))
    assert len(digests) == 2


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


def test_the_first_points_of_the_training_files_alone_can_be_drawn_from(mnist) -> None:
    """As the study of sensitivity uses the first 50,000 of MNIST's 60,000."""
    images, labels = random_images(30, 784, seed=1)
    counts = {"train": 20, "validation": 0, "test": 10, "preparation": "raw"}
    dataset = load(mnist.model_copy(update=counts | {"first": 20}), seed=0)
    assert sorted(map(tuple, dataset.train_inputs.tolist())) == sorted(map(tuple, images[:20].astype(float).tolist()))
    assert sorted(dataset.train_labels.tolist()) == sorted(labels[:20].tolist())
    with pytest.raises(DataError, match="first = 31 points are asked for and there are 30"):
        load(mnist.model_copy(update=counts | {"first": 31}), seed=0)
    with pytest.raises(DataError, match=r"train \+ validation = 20 points are asked for and there are 19"):
        load(mnist.model_copy(update=counts | {"first": 19}), seed=0)


def test_test_points_know_their_rows_in_the_file(mnist) -> None:
    images, _ = random_images(10, 784, seed=2)
    dataset = load(mnist.model_copy(update={"test": 6, "preparation": "raw"}), seed=0)
    assert dataset.test_inputs.tolist() == images[dataset.test_rows.numpy()].astype(float).tolist()
    assert dataset.test_rows.tolist() != list(range(6))
