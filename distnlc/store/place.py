"""What a place is: whatever holds the files of one study (`folder.py`: a folder; `bucket_writer.py`: an object store).

In: names like `units/00000001.parquet`, bytes. Out: the same bytes, whole or not at all. Places differ in how bytes
become durable, how a manifest grows, and how a second writer is kept out. Names are checked: a study may come from
anybody.
"""

import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from distnlc.store.manifest import StoreError

MANIFEST, LOCK, ASIDE, BAD = "manifest", "lock", ".aside", ".bad"
T = TypeVar("T")
R = TypeVar("R")


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
