"""The manifest of a study folder: which files exist, which units they hold; and durable writing.

A header line (schema version, study id, columns of the tables), then one line per chunk. Each line is
`crc32 json`, so that a line torn by a crash is recognized; it is the last one and was never committed.
The manifest names no paths: a chunk has a number, its files are `<table>/<number>.parquet`.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distnlc.records import SCHEMA_VERSION

MANIFEST, ASIDE = "manifest", ".aside"


class StoreError(Exception):
    """A study folder that cannot be used as asked; the message says where, what was found and what to do."""


class DamagedFile(StoreError):
    """A file that the manifest names is missing or is not what was written."""

    def __init__(self, path: Path, found: str, chunk: "Chunk") -> None:
        super().__init__(f"{path}: {found}")
        self.chunk = chunk


def write_durably(path: Path, data: bytes) -> None:
    """Writes the file whole or not at all: aside, fsync, replace, fsync of the folder. Raises OSError."""
    aside = path.with_name(path.name + ASIDE)
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def append_durably(path: Path, length: int, data: bytes) -> None:
    """Puts `data` behind the first `length` bytes of the file; whatever stood there was never committed."""
    with path.open("r+b", buffering=0) as file:
        file.truncate(length)
        file.seek(length)
        try:
            if file.write(data) != len(data):
                raise OSError("only part of a manifest line could be written: is the disk full?")
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(length)
            raise


@contextmanager
def clear_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{doing}: {error.strerror or error}. What was committed before is safe") from error


@dataclass(frozen=True)
class StoredFile:
    """What the manifest knows of one Parquet file."""

    rows: int
    bytes: int
    crc: int


@dataclass(frozen=True)
class Chunk:
    """One manifest line. A unit with status None is forgotten: from here on it counts as not run."""

    number: int
    files: Mapping[str, StoredFile]
    units: Mapping[str, str | None]

    def path(self, folder: Path, table: str) -> Path:
        return folder / table / f"{self.number:08d}.parquet"


@dataclass
class Manifest:
    """A manifest as read: the header's fields, the chunks, and where the last good line ends, in bytes."""

    schema_version: int
    study_id: str
    tables: dict[str, dict[str, str]]
    chunks: list[Chunk]
    length: int

    def statuses(self) -> dict[str, str]:
        latest = {unit: status for chunk in self.chunks for unit, status in chunk.units.items()}
        return {unit: status for unit, status in latest.items() if status is not None}

    def owned(self) -> list[tuple[Chunk, dict[str, str]]]:
        """The chunks, each with those of its units that no later chunk supersedes."""
        owner = {unit: chunk.number for chunk in self.chunks for unit in chunk.units}
        return [
            (
                chunk,
                {unit: s for unit, s in chunk.units.items() if s is not None and owner[unit] == chunk.number},
            )
            for chunk in self.chunks
        ]

    def next_number(self) -> int:
        return 1 + max((chunk.number for chunk in self.chunks), default=0)

    def text(self) -> bytes:
        header = {"schema_version": self.schema_version, "study_id": self.study_id, "tables": self.tables}
        return b"".join([line_of(header), *(line_of(asdict(chunk)) for chunk in self.chunks)])


def line_of(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read_line(line: bytes) -> dict[str, Any] | None:
    crc, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or crc != b"%08x" % zlib.crc32(text):
        return None
    fields: dict[str, Any] = json.loads(text)
    return fields


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest; a torn last line is left out. Raises StoreError."""
    path = folder / MANIFEST
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot read the study's manifest: {error.strerror}") from None
    entries = [_read_line(line) for line in lines]
    good: list[dict[str, Any]] = []
    for entry in entries:
        if entry is None:
            break
        good.append(entry)
    if not good or any(entry is not None for entry in entries[len(good) :]):
        raise StoreError(
            f"{path}: line {len(good) + 1} is damaged. Nothing was changed. Restore the file from a copy"
            + (", or delete that line to have its units run again" if good else "")
        )
    header, *chunks = good
    if header["schema_version"] > SCHEMA_VERSION:
        raise StoreError(
            f"{folder}: written with schema version {header['schema_version']}, but this distnlc reads up to "
            f"version {SCHEMA_VERSION}: use the distnlc that wrote it, or a newer one"
        )
    return Manifest(
        **header,
        chunks=[
            Chunk(chunk["number"], {t: StoredFile(**f) for t, f in chunk["files"].items()}, chunk["units"])
            for chunk in chunks
        ],
        length=sum(len(line) for line in lines[: len(good)]),
    )
