"""The manifest of a study: which files exist and which units they hold. Bytes in, `Manifest` out, and back.

A header line (file format, study id, columns of the tables), then one line per chunk in the order of the
commits. Each line is `crc32 json`, so that a line torn by a crash is recognized: it is the last one and was never
committed. The manifest names no paths: a chunk has a number, its files are `<table>/<number>.parquet`.
A manifest may come from anybody, so nothing in it is used unchecked.
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

FORMAT_VERSION = 2
"""version of the files and of the manifest's lines; the columns of a study stand in its manifest's header"""
COLUMN_TYPES = {"str", "int", "float", "bool"}
"""followed by `?` where None is allowed"""
UNIT = "unit_id"
"""the column that every table has"""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
NUMBERS = range(2**63)


class StoreError(Exception):
    """A study folder that cannot be used as requested; the message says where, what was found and what to do."""


class DamagedFile(StoreError):
    """A file that the manifest names is missing or is not what was written."""

    def __init__(self, where: str, found: str, chunk: "Chunk") -> None:
        super().__init__(f"{where}: {found}")
        self.chunk = chunk


@contextmanager
def clear_errors(doing: str) -> Iterator[None]:
    """Turns an error of the system into a StoreError that begins with `doing`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{doing}: {error.strerror or error}. What was committed before is safe") from error


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The manifest's facts about one Parquet file."""

    rows: int
    bytes: int
    crc: int


def stored_file(rows: int, data: bytes) -> StoredFile:
    return StoredFile(rows, len(data), zlib.crc32(data))


@dataclass(frozen=True, slots=True)
class Chunk:
    """One line of the manifest. A unit with status None is forgotten: from here on it counts as not run."""

    number: int
    files: dict[str, StoredFile]
    units: Mapping[str, str | None]

    def name(self, table: str) -> str:
        return f"{table}/{self.number:08d}.parquet"

    def names(self) -> list[str]:
        return [self.name(table) for table in self.files]


Owned = list[tuple[Chunk, dict[str, str]]]
"""chunks, each with unit id -> status of those of its units that no later chunk supersedes"""


@dataclass(frozen=True)
class Manifest:
    """A manifest as read: the header's fields, the chunks, and where the last good line ends, in bytes."""

    format_version: int
    study_id: str
    tables: dict[str, dict[str, str]]
    chunks: list[Chunk]
    length: int = 0

    def statuses(self) -> dict[str, str]:
        latest = {unit: status for chunk in self.chunks for unit, status in chunk.units.items()}
        return {unit: status for unit, status in latest.items() if status is not None}

    def owned(self) -> Owned:
        owner = {unit: chunk.number for chunk in self.chunks for unit in chunk.units}
        return [
            (
                chunk,
                {unit: s for unit, s in chunk.units.items() if s is not None and owner[unit] == chunk.number},
            )
            for chunk in self.chunks
        ]

    def trimmed(self) -> Self:
        """The manifest without the lines that no longer matter. A line that forgets a unit is kept: the rows that it
        hides may still stand in an earlier chunk."""
        chunks = [chunk for chunk, units in self.owned() if units or None in chunk.units.values()]
        return replace(self, chunks=chunks)

    def last_number(self) -> int:
        return max((chunk.number for chunk in self.chunks), default=0)

    def text(self) -> bytes:
        header = {"schema_version": self.format_version, "study_id": self.study_id, "tables": self.tables}
        return b"".join([line_of(header), *(line_of(asdict(chunk)) for chunk in self.chunks)])


def line_of(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def is_whole(line: bytes) -> bool:
    crc, _, text = line.removesuffix(b"\n").partition(b" ")
    return line.endswith(b"\n") and crc == b"%08x" % zlib.crc32(text)


def parse_manifest(text: bytes, where: str) -> Manifest:
    """Reads a manifest; damaged lines at its end are left out. Raises StoreError, which begins with `where`."""
    lines = text.split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]
    good = next((number for number, line in enumerate(lines) if not is_whole(line)), len(lines))
    if good == 0 or any(map(is_whole, lines[good:])):
        raise StoreError(
            f"{where}: line {good + 1} is damaged. Nothing was changed. Restore the file from a copy"
            + (", or delete that line to have its units run again" if good else "")
        )
    number = 0
    try:
        version, study_id, tables = _header(_fields(lines[0]), where)
        chunks = []
        for number in range(1, good):
            chunks.append(_chunk(_fields(lines[number]), tables))
        _expect(len({chunk.number for chunk in chunks}) == len(chunks), "every chunk's number once")
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{where}: line {number + 1} is not what distnlc writes: {error}. Nothing was changed"
        ) from None
    return Manifest(version, study_id, tables, chunks, sum(map(len, lines[:good])))


def _fields(line: bytes) -> dict[str, Any]:
    fields = json.loads(line.partition(b" ")[2])
    _expect(isinstance(fields, dict), "a mapping")
    return dict(fields)


def _header(fields: dict[str, Any], where: str) -> tuple[int, str, dict[str, dict[str, str]]]:
    version, study_id, tables = (fields.get(name) for name in ("schema_version", "study_id", "tables"))
    if not (isinstance(version, int) and version in NUMBERS):
        raise ValueError("expected the number of the file format (schema_version)")
    if version > FORMAT_VERSION:
        raise StoreError(
            f"{where}: written in file format {version}, but this distnlc reads up to {FORMAT_VERSION}: "
            "use the distnlc that wrote it, or a newer one"
        )
    if not (isinstance(study_id, str) and isinstance(tables, dict) and tables):
        raise ValueError("expected a study's id and its tables")
    for table, columns in tables.items():
        _expect(NAME.fullmatch(table) is not None, "tables named by letters, digits and _")
        _expect(isinstance(columns, dict) and UNIT in columns, f"tables with a column {UNIT}")
        for name, kind in columns.items():
            _expect(NAME.fullmatch(name) is not None, "columns named by letters, digits and _")
            _expect(
                isinstance(kind, str) and kind.removesuffix("?") in COLUMN_TYPES,
                f"columns of {', '.join(sorted(COLUMN_TYPES))}",
            )
        _expect(columns[UNIT] == "str", f"a column {UNIT} of text")
    return version, study_id, tables


def _chunk(fields: dict[str, Any], tables: Mapping[str, Any]) -> Chunk:
    number, files, units = (fields.get(name) for name in ("number", "files", "units"))
    _expect(_is_number(number), "a chunk's number")
    if not (isinstance(files, dict) and isinstance(units, dict) and files.keys() <= tables.keys()):
        raise ValueError("expected a chunk's files, one a table at most, and its units")
    for stored in files.values():
        _expect(
            isinstance(stored, dict)
            and stored.keys() == {"rows", "bytes", "crc"}
            and all(_is_number(value) for value in stored.values()),
            "a file's rows, bytes and crc",
        )
    _expect(all(status is None or isinstance(status, str) for status in units.values()), "units with a status")
    "".join(units).encode()  # a ValueError if it is not valid text
    return Chunk(int(fields["number"]), {table: StoredFile(**stored) for table, stored in files.items()}, units)


def _is_number(value: object) -> bool:
    return type(value) is int and value in NUMBERS


def _expect(holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(f"expected {expected}")
