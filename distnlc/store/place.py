"""Where a study lives: a folder of this machine, or a prefix of an object store (objects.py).

In: an address, names like `units/00000001.parquet`, bytes. Out: the same bytes, whole or not at all. What is told
apart here and nowhere else: how bytes become durable, how a manifest grows, and how a second writer is kept out.
Names are checked, and nothing is written or removed through a symbolic link: a folder may come from anybody.
"""

import errno
import fcntl
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Protocol, TextIO, TypeVar

from distnlc.store.manifest import StoreError

MANIFEST, LOCK, ASIDE, BAD = "manifest", "lock", ".aside", ".bad"
T = TypeVar("T")
R = TypeVar("R")
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Place(Protocol):
    """What holds the files of one study, or any others. Its text is the address, without secrets.

    The methods raise OSError or StoreError. A name is relative, its folders are made when they are needed.
    """

    parallel: int
    """requests that are worth having under way at once"""
    tears: bool
    """whether a machine that crashes can leave torn files, so that contents are checked when a study is opened"""
    scaffold: frozenset[str]
    """what stands there before a study.yaml is written"""

    def where(self, name: str) -> str:
        """The full address of a file, for messages."""

    def read(self, name: str) -> bytes:
        """The whole file. Raises FileNotFoundError if there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Writes or replaces a file, whole or not at all; it is durable when this returns."""

    def write_all(self, files: Mapping[str, bytes]) -> None:
        """Several files like `write`, cheaper; if it raises, some of them may be there."""

    def names(self, folder: str = "") -> dict[str, int | None]:
        """What lies directly in a folder: full name -> bytes, None for a folder; nothing if there is no such folder."""

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; those that are not there count as removed."""

    def set_aside(self, name: str) -> None:
        """Renames a file to `<name>.bad`, if it is there: kept for people, out of the program's way."""

    def lock(self) -> None:
        """Makes the caller the one writer until `unlock` or the end of the process. Raises StoreError, which names
        host and process of another writer."""

    def unlock(self) -> None:
        """Gives up the lock."""

    def first_number(self, last: int) -> int:
        """A number for this writer's first chunk, when the manifest's last is `last`; the next ones count up."""

    def read_manifest(self) -> bytes:
        """Raises FileNotFoundError if there is none."""

    def write_manifest(self, text: bytes) -> None:
        """Begins the manifest, or replaces it. Only with the lock."""

    def append_manifest(self, length: int, line: bytes) -> None:
        """Puts a line behind the first `length` bytes, durably; whatever stood there was never committed. Only with
        the lock. Raises if the line is not there, or if another writer has taken over."""


def place_of(address: str | Path) -> Place:
    """The place of an address: a folder's path, or `s3://bucket/prefix`. Raises StoreError."""
    if re.match("s3:/", str(address)):  # a Path has lost the second slash
        from distnlc.store.object_store import ObjectStore

        return ObjectStore(str(address))
    return LocalFolder(Path(address))


def each(work: Callable[[T], R], items: Iterable[T], parallel: int) -> list[R]:
    """The work's results, in order; some under way at once where that pays."""
    items = list(items)
    if min(parallel, len(items)) <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(work, items))


def this_writer() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def checked(name: str) -> PurePosixPath:
    """Raises StoreError for a name that leads out of its place."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or re.search(r"[\0\\]", name):
        raise StoreError(f"{name!r}: expected a relative name without '..'")
    return path


class LocalFolder:
    """A folder of a file system. Files are written aside, fsynced, renamed; then their folder is fsynced."""

    parallel = 1
    tears = True
    scaffold = frozenset({LOCK, "study.yaml" + ASIDE})

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: TextIO | None = None

    def __str__(self) -> str:
        return str(self.root)

    def where(self, name: str) -> str:
        return str(self.root / name)

    def read(self, name: str) -> bytes:
        return (self.root / checked(name)).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        self.write_all({name: data})

    def write_all(self, files: Mapping[str, bytes]) -> None:
        paths = [self._own(name) for name in files]
        asides = [path.with_name(path.name + ASIDE) for path in paths]
        folders = {path.parent for path in paths}
        try:
            for folder in folders:
                _make_folder(folder)
            for aside, data in zip(asides, files.values(), strict=True):
                with os.fdopen(_open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb", buffering=0) as file:
                    _write(file.fileno(), data)
                    os.fsync(file.fileno())
            for aside, path in zip(asides, paths, strict=True):
                os.replace(aside, path)
        except BaseException:
            for aside in asides:
                with suppress(OSError):
                    os.unlink(aside)
            raise
        for folder in folders:
            _fsync_folder(folder)

    def names(self, folder: str = "") -> dict[str, int | None]:
        path = self.root / checked(folder) if folder else self.root
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(path) as entries:
                return {
                    prefix + entry.name: None if entry.is_dir() else entry.stat(follow_symlinks=False).st_size
                    for entry in entries
                }
        except FileNotFoundError:
            return {}

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            _unlink(self._own(name))

    def set_aside(self, name: str) -> None:
        path = self._own(name)
        if os.path.lexists(path):
            os.replace(path, path.with_name(path.name + BAD))

    def lock(self) -> None:
        _make_folder(self.root)
        file = os.fdopen(_open(self.root / LOCK, os.O_RDWR | os.O_CREAT), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(this_writer())
            file.flush()
        except BlockingIOError:
            with file:
                raise StoreError(
                    f"{self}: another writer is at work on this study: {file.read()}. Wait for it, or stop it"
                ) from None
        except BaseException as error:
            file.close()
            if isinstance(error, OSError) and error.errno in NO_LOCKS:
                raise StoreError(
                    f"{self}: its file system has no file locks ({error.strerror}), so that two writers could not be "
                    "kept apart: choose an --out on another file system, or an s3:// address"
                ) from None
            raise
        self._lock = file

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def first_number(self, last: int) -> int:
        return last + 1

    def read_manifest(self) -> bytes:
        return self.read(MANIFEST)

    def write_manifest(self, text: bytes) -> None:
        self.write(MANIFEST, text)

    def append_manifest(self, length: int, line: bytes) -> None:
        descriptor = _open(self._own(MANIFEST), os.O_RDWR)
        try:
            os.ftruncate(descriptor, length)
            os.lseek(descriptor, length, os.SEEK_SET)
            try:
                _write(descriptor, line)
                os.fsync(descriptor)
            except BaseException:
                os.ftruncate(descriptor, length)
                raise
        finally:
            os.close(descriptor)

    def _own(self, name: str) -> Path:
        """The path of a file that is to be written or removed: no folder on the way to it is a link."""
        relative = checked(name)
        for folder in relative.parents:
            if folder.parts and (self.root / folder).is_symlink():
                raise StoreError(
                    f"{self.root / folder}: a symbolic link, through which nothing is written or removed. "
                    "Put a folder in its place"
                )
        return self.root / relative


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _unlink(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, so that a crash of the machine does not undo it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not folder.is_dir():
            raise
    _fsync_folder(folder.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
