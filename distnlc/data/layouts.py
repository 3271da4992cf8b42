"""Where people keep the files of MNIST, Fashion-MNIST, CIFAR10 and CIFAR100: the ways in which these are handed out.

In: a dataset's name and the folder of the data. Out: the files of both splits and the form they are in. One folder can
hold all four datasets, as torchvision, Kaggle or Hugging Face leave them there:
    idx      MNIST's four files, plain or `.gz`, also as `train-images.idx3-ubyte` or in folders of their own names
    batches  the official CIFAR batches, also within their archive, which is read in memory and never unpacked to disk
    parquet  `train-*.parquet` and `test-*.parquet`
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from distnlc.data.folders import ADVICE, DataError, contents, needed_folder

MOST_BYTES = 2**30
"""size of a file when unpacked; CIFAR's archives have 186 million, MNIST's largest file 47 million"""


@dataclass(frozen=True)
class Member:
    """A file within an archive."""

    archive: Path
    name: str

    def __str__(self) -> str:
        return f"{self.archive}: {self.name}"


File = Path | Member


@dataclass(frozen=True)
class Layout:
    """One way to keep a dataset: for each file the patterns that it may match, the first that does wins.

    All files are needed. `archive`: the file that holds them, which is enough.
    """

    form: str
    train: tuple[tuple[str, ...], ...]
    test: tuple[tuple[str, ...], ...]
    archive: str | None = None


@dataclass(frozen=True)
class Found:
    """The files of both splits, and what form they have."""

    form: str
    train: list[File]
    test: list[File]

    @property
    def paths(self) -> list[Path]:
        """All files on the disk, each once."""
        every = self.train + self.test
        return list(dict.fromkeys(each.archive if isinstance(each, Member) else each for each in every))


def find(name: str, root: Path | None) -> Found:
    """The files of the dataset in the folder `root`. Raises DataError if that is None or lacks the files."""
    root = needed_folder(name, root)
    folders = [root / inner for inner in _FOLDERS[name]]
    for folder in folders:
        for layout in _LAYOUTS[name]:
            train, test = (_matches(folder, layout, files) for files in (layout.train, layout.test))
            if train and test:
                return Found(layout.form, train, test)
    there = [folder for folder in folders if folder.is_dir()] or [root]
    missing = [inner for inner, folder in zip(_FOLDERS[name], folders, strict=True) if folder not in there]
    looked = "".join(f"\n  {folder}: {contents(folder)}" for folder in there)
    also = f"\n  and {', '.join(missing)} in {root}, not there" if missing else ""
    raise DataError(f"{name}: files not found. Looked for {_WANTED[name]} in{looked}{also}\n{ADVICE}")


def _matches(folder: Path, layout: Layout, files: Sequence[tuple[str, ...]]) -> list[File]:
    """All files that match, in the order of `files`; none if any has no match."""
    if layout.archive is not None:
        archive = folder / layout.archive
        return [Member(archive, name) for names in files for name in names] if archive.is_file() else []
    found = [next(filter(None, (_files(folder, pattern) for pattern in patterns)), []) for patterns in files]
    return [path for paths in found for path in paths] if all(found) else []


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def unpacked(path: Path) -> bytes:
    """The content of a file, which may be packed by gzip. Raises DataError."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            with gzip.open(BytesIO(content)) as packed:
                content = packed.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: expected at most {MOST_BYTES:,} bytes when unpacked, found more")
    return content


def read_files(files: Sequence[File]) -> Iterator[tuple[File, bytes]]:
    """Each file with its content; an archive is gone through once. Raises DataError."""
    archives = {each.archive for each in files if isinstance(each, Member)}
    members = {each: content for archive in archives for each, content in _members(archive, files)}
    for file in files:
        yield file, members[file] if isinstance(file, Member) else unpacked(file)


def _members(archive: Path, wanted: Sequence[File]) -> Iterator[tuple[Member, bytes]]:
    """Those files of a tar archive; links and whatever else is no file are passed over. Raises DataError."""
    content, missing, held = unpacked(archive), set(wanted), list[str]()
    try:
        with tarfile.open(fileobj=BytesIO(content), mode="r:") as opened:
            for info in opened:
                member, file = Member(archive, info.name), opened.extractfile(info) if info.isreg() else None
                held.append(info.name)
                if file is not None and member in missing:
                    missing.remove(member)
                    yield member, file.read()
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise DataError(f"{archive}: cannot be read as a tar archive: {error}") from None
    for each in missing:
        if isinstance(each, Member):
            raise DataError(f"{each}: there is no such file in this archive, which holds {', '.join(held[:8])}")


_TRAIN_IDX = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_TEST_IDX = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _idx(*suffixes: str, everywhere: bool = False) -> Layout:
    """IDX files: `everywhere`, also with a dot in their names and in folders of their names."""

    def names(name: str) -> tuple[str, ...]:
        dotted = name.replace("-idx", ".idx")
        places = (name, dotted, f"{name}/{name}", f"{dotted}/{dotted}") if everywhere else (name,)
        return tuple(place + suffix for suffix in suffixes for place in places)

    return Layout("idx", tuple(map(names, _TRAIN_IDX)), tuple(map(names, _TEST_IDX)))


_SHARDS = Layout("parquet", (("train-*.parquet",),), (("test-*.parquet",),))
_MNIST = [_idx(""), _idx(".gz"), _idx("", ".gz", everywhere=True), _SHARDS]  # not a mixture where one sort is complete


def _cifar(folder: str, archive: str, train: tuple[str, ...], test: str) -> list[Layout]:
    packed = [
        Layout(
            "batches", tuple((f"{folder}/{name}",) for name in train), ((f"{folder}/{test}",),), f"{archive}{suffix}"
        )
        for suffix in (".tar.gz", ".tar")
    ]
    return [Layout("batches", tuple((name,) for name in train), ((test,),)), _SHARDS, *packed]


_BATCHES, _BATCHES_100 = "cifar-10-batches-py", "cifar-100-python"
_LAYOUTS = {
    "mnist": _MNIST,
    "fashion-mnist": _MNIST,
    "cifar10": _cifar(_BATCHES, "cifar-10-python", tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
    "cifar100": _cifar(_BATCHES_100, "cifar-100-python", ("train",), "test"),
}
_FOLDERS = {
    "mnist": ("mnist", "MNIST/raw", "MNIST", "mnist/mnist", "raw", "."),
    "fashion-mnist": (  # not the folder itself, where MNIST's files would be taken for these
        *("fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
        *("fashion_mnist", "fashion_mnist/fashion_mnist", "fashion-mnist/fashion_mnist"),
    ),
    "cifar10": ("cifar10", f"cifar10/{_BATCHES}", _BATCHES, "cifar10/plain_text", "plain_text", "."),
    "cifar100": ("cifar100", f"cifar100/{_BATCHES_100}", _BATCHES_100, "cifar100/cifar100", "."),
}
"""where a dataset is looked for, in this order"""
_IDX_WANTED = f"{', '.join(_TRAIN_IDX + _TEST_IDX)} (or .gz, or train-images.idx3-ubyte ...)"
_SHARDS_WANTED = "or train-*.parquet and test-*.parquet,"
_WANTED = {
    "mnist": f"{_IDX_WANTED}, {_SHARDS_WANTED}",
    "fashion-mnist": f"{_IDX_WANTED}, {_SHARDS_WANTED}",
    "cifar10": f"data_batch_1 ... data_batch_5 and test_batch, cifar-10-python.tar.gz, {_SHARDS_WANTED}",
    "cifar100": f"train and test, cifar-100-python.tar.gz, {_SHARDS_WANTED}",
}
"""the same in short"""
