import gzip
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from distnlc.data.folders import DataError, data_folder
from distnlc.data.images import files, find_image_files, read
from distnlc.data.spec import DataSpec
from tests.helpers.data_files import idx, png, random_images, write_batch, write_mnist, write_shard

CIFAR, CIFAR_LABELS = random_images(10, 3072, seed=3)


def write_batches(folder: Path) -> None:
    for i in range(5):
        write_batch(folder / f"data_batch_{i + 1}", CIFAR[2 * i : 2 * i + 2], CIFAR_LABELS[2 * i : 2 * i + 2])
    write_batch(folder / "test_batch", CIFAR[:3], CIFAR_LABELS[:3])


def write_shards(folder: Path) -> None:
    encoded = [png(row) for row in CIFAR]
    write_shard(folder / "train-00000-of-00002.parquet", encoded[:6], CIFAR_LABELS[:6])
    write_shard(folder / "train-00001-of-00002.parquet", encoded[6:], CIFAR_LABELS[6:])
    write_shard(folder / "test-00000-of-00001.parquet", encoded[:3], CIFAR_LABELS[:3])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inner", ["mnist", "."])
def test_mnist_is_read_from_idx_files(tmp_path: Path, zipped: bool, inner: str) -> None:
    write_mnist(tmp_path / inner, zipped=zipped)
    files = find_image_files("mnist", tmp_path)
    for paths, (images, labels) in (
        (files.train, random_images(30, 784, seed=1)),
        (files.test, random_images(10, 784, seed=2)),
    ):
        found, found_labels = files.read(paths)
        assert np.array_equal(found, images)
        assert np.array_equal(found_labels, labels)
        assert (found.dtype, found_labels.dtype) == (np.uint8, np.int64)


@pytest.mark.parametrize(
    ("write", "inner"),
    [
        *((write_batches, inner) for inner in ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", ".")),
        *((write_shards, inner) for inner in ("cifar10", ".")),
    ],
)
def test_cifar10_is_the_same_from_batches_and_from_all_shards(tmp_path, write, inner) -> None:
    write(tmp_path / inner)
    files = find_image_files("cifar10", tmp_path)
    images, labels = files.read(files.train)
    assert np.array_equal(images, CIFAR)
    assert np.array_equal(labels, CIFAR_LABELS)
    assert len(files.read(files.test)[0]) == 3


@pytest.mark.parametrize("image", ["img", "image"])
def test_cifar100_has_the_fine_labels_of_the_batches_and_of_the_shards(tmp_path, image) -> None:
    images, labels = random_images(12, 3072, seed=4, classes=100)
    assert labels.max() > 9
    for part, rows in (("train", slice(0, 8)), ("test", slice(8, 12))):
        folder = tmp_path / "batches" / "cifar100" / "cifar-100-python"
        write_batch(folder / part, images[rows], labels[rows], name=b"fine_labels")
        shard = tmp_path / "shards" / "cifar100" / f"{part}-00000-of-00001.parquet"
        write_shard(shard, [png(row) for row in images[rows]], labels[rows], image=image, label="fine_label")
    for form in ("batches", "shards"):
        spec = DataSpec(name="cifar100")
        train, train_labels, test, test_labels = read(tmp_path / form, spec=spec, seed=0)
        assert np.array_equal(train, images[:8].reshape(-1, 3, 32, 32))
        assert np.array_equal(test, images[8:].reshape(-1, 3, 32, 32))
        assert (train_labels.tolist(), test_labels.tolist()) == (labels[:8].tolist(), labels[8:].tolist())
        assert len(files(tmp_path / form, spec=spec)) == 2


def test_a_folder_of_that_name_is_not_a_file_of_cifar100(tmp_path) -> None:
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="cifar100: files not found"):
        find_image_files("cifar100", tmp_path)


def test_fashion_mnist_is_read_from_its_own_folder_and_mnists_files_are_never_taken_for_it(tmp_path) -> None:
    write_mnist(tmp_path)
    with pytest.raises(DataError, match="fashion-mnist: files not found"):
        find_image_files("fashion-mnist", tmp_path)
    write_mnist(tmp_path / "fashion-mnist", train=20)
    train, labels, test, _ = read(tmp_path, spec=DataSpec(name="fashion-mnist"), seed=0)
    assert np.array_equal(train, random_images(20, 784, seed=1)[0].reshape(-1, 1, 28, 28))
    assert np.array_equal(labels, random_images(20, 784, seed=1)[1])
    assert len(test) == 10


def test_the_root_wins_over_the_variable_and_never_falls_back_to_it(tmp_path, monkeypatch) -> None:
    write_mnist(tmp_path / "full" / "mnist")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("DISTNLC_DATA", str(tmp_path / "full"))
    assert find_image_files("mnist", data_folder(None)).train[0].parent == tmp_path / "full" / "mnist"
    with pytest.raises(DataError, match="files not found"):
        find_image_files("mnist", data_folder(str(tmp_path / "empty")))


def test_without_any_folder_the_error_says_how_to_name_one(monkeypatch) -> None:
    monkeypatch.delenv("DISTNLC_DATA", raising=False)
    with pytest.raises(DataError, match=r"--set data\.root=.* or the variable DISTNLC_DATA"):
        find_image_files("cifar10", data_folder(None))


def test_missing_files_are_named_with_the_folders_and_what_these_hold(tmp_path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as caught:
        find_image_files("mnist", tmp_path)
    wanted, _, looked = str(caught.value).partition(" in\n")
    assert "t10k-labels-idx1-ubyte.gz" in wanted
    assert f"{tmp_path / 'mnist'}: No such file or directory" in looked
    assert f"{tmp_path}: holds t10k-images-idx3-ubyte.gz, train-images-idx3-ubyte.gz, train-labels" in looked


IMAGES_FILE = "train-images-idx3-ubyte.gz"
LABELS_FILE = "train-labels-idx1-ubyte.gz"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES_FILE, gzip.compress(idx(np.zeros((30, 28, 28))), mtime=0)[:-20], "cannot be read"),
        (IMAGES_FILE, b"<html>not found</html>", "begins 0 0 8 3, found 22 bytes that begin 60 104"),
        (IMAGES_FILE, b"", "found 0 bytes"),
        (IMAGES_FILE, idx(np.zeros((30, 28, 28)))[:-1], "expected 30 x 28 x 28 values after the header, found 23519"),
        (IMAGES_FILE, idx(np.zeros((30, 32, 32))), "expected images of 28 x 28, found 32 x 32"),
        (LABELS_FILE, idx(np.zeros(29)), r"one label for each of 30 images, found \(29,\)"),
        (LABELS_FILE, idx(np.full(30, 10)), r"labels in 0 \.\.\. 9, found 10 \.\.\. 10"),
    ],
)
def test_a_broken_idx_file_is_named_with_what_is_wrong(tmp_path, name, content, message) -> None:
    write_mnist(tmp_path)
    (tmp_path / name).write_bytes(content)
    files = find_image_files("mnist", tmp_path)
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        files.read(files.train)


def test_a_broken_shard_is_named_with_what_is_wrong(tmp_path) -> None:
    write_shards(tmp_path)
    shard = tmp_path / "train-00001-of-00002.parquet"
    whole = shard.read_bytes()
    files = find_image_files("cifar10", tmp_path)

    def assert_refused(message: str) -> None:
        with pytest.raises(DataError, match=f"{shard.name}.*{message}"):
            files.read(files.train)

    shard.write_bytes(whole[:-100])
    assert_refused(r"columns img\.bytes \(or image\.bytes\) and label")
    write_shard(shard, [png(CIFAR[0]), b"no image"], np.array([1, 2]))
    assert_refused("row 1 of img is not a PNG or JPEG of 32 x 32")
    write_shard(shard, [png(CIFAR[0])[:500]], np.array([1]))
    assert_refused("row 0 of img")
    write_shard(shard, [png(CIFAR[0])], np.array([-1]))
    assert_refused(r"found -1 \.\.\. -1")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path, monkeypatch) -> None:
    write_mnist(tmp_path)
    monkeypatch.setattr("distnlc.data.images.MOST_BYTES", 10_000)
    files = find_image_files("mnist", tmp_path)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: expected at most 10,000 bytes when unpacked"):
        files.read(files.train)


def test_an_image_that_unpacks_to_a_huge_one_is_refused(tmp_path) -> None:
    """A PNG of 60,000 x 60,000 by what it says of itself: Pillow's own limit answers."""
    write_shards(tmp_path)
    small = png(CIFAR[0])
    sizes = b"IHDR" + struct.pack(">II", 60_000, 60_000) + small[24:29]
    huge = small[:12] + sizes + struct.pack(">I", zlib.crc32(sizes)) + small[33:]
    write_shard(tmp_path / "train-00001-of-00002.parquet", [huge], np.array([1]))
    files = find_image_files("cifar10", tmp_path)
    with pytest.raises(DataError, match=r"00001.*row 0 of img is not a PNG or JPEG of 32 x 32: .*decompression bomb"):
        files.read(files.train)


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps([1, 2]), pickle.dumps({b"data": 1, b"labels": [1]})])
def test_a_broken_batch_is_named(tmp_path, content) -> None:
    write_batches(tmp_path)
    (tmp_path / "test_batch").write_bytes(content)
    files = find_image_files("cifar10", tmp_path)
    with pytest.raises(DataError, match="test_batch: not an official CIFAR batch"):
        files.read(files.test)


def test_a_batch_of_other_than_bytes_or_of_another_size_is_refused(tmp_path) -> None:
    write_batches(tmp_path)
    files = find_image_files("cifar10", tmp_path)
    write_batch(tmp_path / "test_batch", CIFAR[:2], CIFAR_LABELS[:2], kind=b"O8")
    with pytest.raises(DataError, match="'data' is not an array of unsigned bytes"):
        files.read(files.test)
    write_batch(tmp_path / "test_batch", CIFAR[:2, :100], CIFAR_LABELS[:2])
    with pytest.raises(DataError, match=r"shape \(n, 3072\), found \(2, 100\)"):
        files.read(files.test)
