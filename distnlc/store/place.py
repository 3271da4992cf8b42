"""The protocol of places, which hold the files of a study (`folder.py`: a folder; `bucket_writer.py`: an object store).

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
    """A holder of files, those of one study or others. As text it is its address, without secrets.

    The methods raise OSError or StoreError. Names are relative; their folders are made when needed.
    """

    parallel: int
    """number of requests worth making at once"""
    tears: bool
    """whether a crash of the machine can leave torn files, so that contents are checked when a study is opened"""
    scaffold: frozenset[str]
    """names that may be there before a study.yaml is written"""

    def where(self, name: str) -> str:
        """The full address of a file, for messages."""

    def read(self, name: str) -> bytes:
        """The whole file. Raises FileNotFoundError if there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Writes or replaces a file, whole or not at all; it is durable when this returns."""

    def write_all(self, files: Mapping[str, bytes]) -> None:
        """Writes several files, more cheaply than `write`; if it raises, some of them may be there."""

    def names(self, folder: str = "") -> dict[str, int | None]:
        """The entries directly in a folder: full name -> bytes, None for a folder; {} if there is no such folder."""

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; missing ones count as removed."""

    def set_aside(self, name: str) -> None:
        """Renames a file, if it is there, to `<name>.bad`: kept for people, ignored by the program."""

    def lock(self) -> None:
        """Makes the caller the one writer until `unlock` or the end of the process. Raises StoreError, which names
        host and process of another writer."""

    def unlock(self) -> None:
        """Gives up the lock."""

    def writer(self) -> str | None:
        """The process and host of the one writer now, from any process; None if there is none."""

    def first_number(self, last: int) -> int:
        """A number for this writer's first chunk, when the manifest's last is `last`; the next ones count up."""

    def read_manifest(self) -> bytes:
        """The whole manifest. Raises FileNotFoundError if there is none."""

    def write_manifest(self, text: bytes) -> None:
        """Begins the manifest, or replaces it. Only with the lock."""

    def append_manifest(self, length: int, line: bytes) -> None:
        """Puts a line after the first `length` bytes, durably; whatever stood there was never committed. Only with
        the lock. Raises if the line is not there afterwards, or if another writer has taken over."""


def each(work: Callable[[T], R], items: Iterable[T], parallel: int) -> list[R]:
    """The results of the work on each item, in order; at most `parallel` at once."""
    items = list(items)
    if min(parallel, len(items)) <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(work, items))


def this_writer() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def checked(name: str) -> PurePosixPath:
    """The name as a path. Raises StoreError if it leads out of its place."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or re.search(r"[\0\\]", name):
        raise StoreError(f"{name!r}: expected a relative name without '..'")
    return path
