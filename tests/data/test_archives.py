"""CIFAR's archives are read as they were downloaded, in memory, whoever made them."""

import gzip
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from distnlc.data.folders import DataError
from distnlc.data.images import files
from distnlc.data.spec import DataSpec
from tests.helpers.data_files import CIFAR, CIFAR_LABELS, images_of, write_batches


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar"])
@pytest.mark.parametrize("inner", ["cifar10", "."])
def test_cifar10_is_read_from_its_archive_and_nothing_is_unpacked(tmp_path, suffix, inner) -> None:
    archive = write_archive(tmp_path / inner, suffix=suffix)
    images, labels, test, _ = images_of("cifar10", tmp_path)
    assert np.array_equal(images, CIFAR)
    assert np.array_equal(labels, CIFAR_LABELS)
    assert len(test) == 3
    assert files(tmp_path, spec=DataSpec(name="cifar10")) == [archive]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def write_archive(folder: Path, *, suffix: str = ".tar.gz", without: str = "") -> Path:
    """The official archive of batches, as it is downloaded."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as batches:
        write_batches(Path(batches))
        (Path(batches) / without).is_file() and (Path(batches) / without).unlink()
        archive = folder / f"cifar-10-python{suffix}"
        with tarfile.open(archive, "w:gz" if suffix.endswith("gz") else "w") as packed:
            packed.add(batches, "cifar-10-batches-py")
    return archive


def test_an_archive_that_lacks_a_batch_is_named_with_what_it_holds(tmp_path) -> None:
    write_archive(tmp_path, without="data_batch_3")
    said = r"cifar-10-python\.tar\.gz: cifar-10-batches-py/data_batch_3: .* holds cifar-10-batches-py, cifar-10-b"
    with pytest.raises(DataError, match=said):
        images_of("cifar10", tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"x" * 600, mtime=0)])
def test_a_broken_archive_is_named(tmp_path, content) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: "):
        images_of("cifar10", tmp_path)
    write_archive(tmp_path)
    whole = (tmp_path / "cifar-10-python.tar.gz").read_bytes()
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: cannot be read"):
        images_of("cifar10", tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_no_file_is_not_followed(tmp_path, kind) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as packed:
        for name in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.type, info.linkname = kind, str(tmp_path / "secret")
            packed.addfile(info)
    with pytest.raises(DataError, match="there is no such file in this archive"):
        images_of("cifar10", tmp_path)


def test_an_archive_that_unpacks_to_a_huge_one_is_refused(tmp_path, monkeypatch) -> None:
    write_archive(tmp_path)
    monkeypatch.setattr("distnlc.data.layouts.MOST_BYTES", 10_000)
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: expected at most 10,000 bytes when unpacked"):
        images_of("cifar10", tmp_path)
