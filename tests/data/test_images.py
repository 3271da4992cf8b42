import gzip
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from distnlc.data.folders import DataError, data_folder
from distnlc.data.images import files, read
from distnlc.data.layouts import find
from distnlc.data.spec import DataSpec
from tests.helpers.data_files import (
    CIFAR,
    CIFAR_LABELS,
    idx,
    images_of,
    png,
    random_images,
    write_batch,
    write_batches,
    write_mnist,
    write_shard,
)


def write_shards(folder: Path) -> None:
    encoded = [png(row) for row in CIFAR]
    write_shard(folder / "train-00000-of-00002.parquet", encoded[:6], CIFAR_LABELS[:6])
    write_shard(folder / "train-00001-of-00002.parquet", encoded[6:], CIFAR_LABELS[6:])
    write_shard(folder / "test-00000-of-00001.parquet", encoded[:3], CIFAR_LABELS[:3])


def assert_is_mnist(found: tuple[np.ndarray, ...]) -> None:
    """That which `write_mnist` writes."""
    expected = (*random_images(30, 784, seed=1), *random_images(10, 784, seed=2))
    assert [array.dtype for array in found] == [np.uint8, np.int64] * 2
    assert all(np.array_equal(*each) for each in zip(found, expected, strict=True))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inner", ["mnist", ".", "MNIST/raw", "MNIST", "raw"])
def test_mnist_is_read_from_idx_files(tmp_path: Path, zipped: bool, inner: str) -> None:
    write_mnist(tmp_path / inner, zipped=zipped)
    assert_is_mnist(images_of("mnist", tmp_path))


@pytest.mark.parametrize(
    ("write", "inner"),
    [
        *((write_batches, inner) for inner in ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", ".")),
        *((write_shards, inner) for inner in ("cifar10", "plain_text", "cifar10/plain_text", ".")),
    ],
)
def test_cifar10_is_the_same_from_batches_and_from_all_shards(tmp_path, write, inner) -> None:
    write(tmp_path / inner)
    images, labels, test, _ = images_of("cifar10", tmp_path)
    assert np.array_equal(images, CIFAR)
    assert np.array_equal(labels, CIFAR_LABELS)
    assert len(test) == 3


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("form", ["{dotted}{suffix}", "{name}/{name}{suffix}", "{dotted}/{dotted}{suffix}"])
def test_mnist_is_read_as_kaggle_packs_it(tmp_path, form, suffix) -> None:
    """With a dot in the names, or each file in a folder of its name."""
    write_mnist(tmp_path / "plain", zipped=bool(suffix))
    for path in (tmp_path / "plain").iterdir():
        name = path.name.removesuffix(".gz")
        moved = tmp_path / "mnist" / form.format(name=name, dotted=name.replace("-idx", ".idx"), suffix=suffix)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    assert_is_mnist(images_of("mnist", tmp_path))


@pytest.mark.parametrize("inner", ["mnist", "mnist/mnist", "."])
def test_mnist_is_read_from_shards(tmp_path, inner) -> None:
    for part, count, seed in (("train", 30, 1), ("test", 10, 2)):
        images, labels = random_images(count, 784, seed=seed)
        encoded = [png(row, shape=(1, 28, 28)) for row in images]
        write_shard(tmp_path / inner / f"{part}-00000-of-00001.parquet", encoded, labels, image="image")
    assert_is_mnist(images_of("mnist", tmp_path))


def test_one_folder_holds_all_four_as_torchvision_leaves_them(tmp_path) -> None:
    write_mnist(tmp_path / "MNIST" / "raw")
    write_mnist(tmp_path / "FashionMNIST" / "raw", train=20, zipped=False)
    write_batches(tmp_path / "cifar-10-batches-py")
    for part, rows in (("train", slice(0, 8)), ("test", slice(8, 10))):
        write_batch(tmp_path / "cifar-100-python" / part, CIFAR[rows], CIFAR_LABELS[rows], name=b"fine_labels")
    found = {name: images_of(name, tmp_path) for name in ("mnist", "fashion-mnist", "cifar10", "cifar100")}
    sizes = {name: (train.shape, len(test)) for name, (train, _, test, _) in found.items()}
    assert sizes == {
        "mnist": ((30, 784), 10),
        "fashion-mnist": ((20, 784), 10),
        "cifar10": ((10, 3072), 3),
        "cifar100": ((8, 3072), 2),
    }


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
        find("cifar100", tmp_path)


def test_fashion_mnist_is_read_from_its_own_folder_and_mnists_files_are_never_taken_for_it(tmp_path) -> None:
    write_mnist(tmp_path)
    with pytest.raises(DataError, match="fashion-mnist: files not found"):
        find("fashion-mnist", tmp_path)
    write_mnist(tmp_path / "fashion-mnist", train=20)
    train, labels, test, _ = read(tmp_path, spec=DataSpec(name="fashion-mnist"), seed=0)
    assert np.array_equal(train, random_images(20, 784, seed=1)[0].reshape(-1, 1, 28, 28))
    assert np.array_equal(labels, random_images(20, 784, seed=1)[1])
    assert len(test) == 10


def test_the_root_wins_over_the_variable_and_never_falls_back_to_it(tmp_path, monkeypatch) -> None:
    write_mnist(tmp_path / "full" / "mnist")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("DISTNLC_DATA", str(tmp_path / "full"))
    assert find("mnist", data_folder(None)).paths[0].parent == tmp_path / "full" / "mnist"
    with pytest.raises(DataError, match="files not found"):
        find("mnist", data_folder(str(tmp_path / "empty")))


def test_without_any_folder_the_error_says_how_to_name_one(monkeypatch) -> None:
    monkeypatch.delenv("DISTNLC_DATA", raising=False)
    with pytest.raises(DataError, match=r"--set data\.root=.* or the variable DISTNLC_DATA"):
        find("cifar10", data_folder(None))


def test_missing_files_are_named_with_the_folders_and_what_these_hold(tmp_path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as caught:
        find("mnist", tmp_path)
    wanted, _, looked = str(caught.value).partition(" in\n")
    assert "t10k-labels-idx1-ubyte (or .gz" in wanted
    assert f"{tmp_path}: holds t10k-images-idx3-ubyte.gz, train-images-idx3-ubyte.gz, train-labels" in looked
    assert f"and mnist, MNIST/raw, MNIST, mnist/mnist, raw in {tmp_path}, not there\n" in looked
    assert len(str(caught.value).splitlines()) == 4


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
    with pytest.raises(DataError, match=f"{name}.*{message}"):
        images_of("mnist", tmp_path)


def test_a_broken_shard_is_named_with_what_is_wrong(tmp_path) -> None:
    write_shards(tmp_path)
    shard = tmp_path / "train-00001-of-00002.parquet"
    whole = shard.read_bytes()

    def assert_refused(message: str) -> None:
        with pytest.raises(DataError, match=f"{shard.name}.*{message}"):
            images_of("cifar10", tmp_path)

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
    monkeypatch.setattr("distnlc.data.layouts.MOST_BYTES", 10_000)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: expected at most 10,000 bytes when unpacked"):
        images_of("mnist", tmp_path)


def test_an_image_that_unpacks_to_a_huge_one_is_refused(tmp_path) -> None:
    """A PNG of 60,000 x 60,000 by what it says of itself: Pillow's own limit answers."""
    write_shards(tmp_path)
    small = png(CIFAR[0])
    sizes = b"IHDR" + struct.pack(">II", 60_000, 60_000) + small[24:29]
    huge = small[:12] + sizes + struct.pack(">I", zlib.crc32(sizes)) + small[33:]
    write_shard(tmp_path / "train-00001-of-00002.parquet", [huge], np.array([1]))
    with pytest.raises(DataError, match=r"00001.*row 0 of img is not a PNG or JPEG of 32 x 32: .*decompression bomb"):
        images_of("cifar10", tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps([1, 2]), pickle.dumps({b"data": 1, b"labels": [1]})])
def test_a_broken_batch_is_named(tmp_path, content) -> None:
    write_batches(tmp_path)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match="test_batch: not an official CIFAR batch"):
        images_of("cifar10", tmp_path)


def test_a_batch_of_other_than_bytes_or_of_another_size_is_refused(tmp_path) -> None:
    write_batches(tmp_path)
    write_batch(tmp_path / "test_batch", CIFAR[:2], CIFAR_LABELS[:2], kind=b"O8")
    with pytest.raises(DataError, match="'data' is not an array of unsigned bytes"):
        images_of("cifar10", tmp_path)
    write_batch(tmp_path / "test_batch", CIFAR[:2, :100], CIFAR_LABELS[:2])
    with pytest.raises(DataError, match=r"shape \(n, 3072\), found \(2, 100\)"):
        images_of("cifar10", tmp_path)
