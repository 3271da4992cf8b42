"""A study in a folder of this machine. Nothing is written or removed through a symbolic link in it."""

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from distnlc.store.manifest import StoreError
from distnlc.store.place import ASIDE, BAD, LOCK, MANIFEST, checked, this_writer

WRITER_BYTES = 300
"""of what a lock says of its writer"""
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


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
        file = os.fdopen(_open(self.root / LOCK, os.O_RDWR | os.O_CREAT), "r+", encoding="utf-8", errors="replace")
        try:
            _lock_file(file)
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

    def writer(self) -> str | None:
        try:
            descriptor = _open(self.root / LOCK, os.O_RDONLY | os.O_NONBLOCK)  # a study may come from anybody: no pipes
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.read(descriptor, WRITER_BYTES).decode(errors="replace") or "a process"
        except OSError:  # no locks here, so no writer either
            return None
        finally:
            os.close(descriptor)
        return None

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


def _lock_file(file: TextIO) -> None:
    """Raises BlockingIOError if another writer has the lock; one who only asks who it is has it for a moment."""
    for wait_s in (0.05, 0.1, 0.2, None):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if wait_s is None:
                raise
            time.sleep(wait_s)


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
