"""Writing a study folder: the one `Store` that commits units, and compaction.

A commit writes the units' rows as one chunk, one file per table, and then appends the chunk's line to the
manifest: that line is the commit. A crash at any moment leaves all rows of the commit or none, and at most
orphaned files, which the next commit overwrites or the next compaction deletes.
"""

import fcntl
import io
import logging
import os
import socket
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from distnlc.records import SCHEMA_VERSION, Records
from distnlc.spec import SpecError, StudySpec, differences, spec_id, to_yaml
from distnlc.store.manifest import (
    ASIDE,
    MANIFEST,
    Chunk,
    DamagedFile,
    Manifest,
    StoredFile,
    StoreError,
    append_durably,
    clear_errors,
    line_of,
    read_manifest,
    write_durably,
)
from distnlc.store.reading import STUDY, arrow_schema, columns_of, read_file, read_rows, read_spec_fields

log = logging.getLogger(__name__)

LOCK, BAD = "lock", ".bad"
COMPACTED_UNITS = 256
"""units a chunk after compaction: few files, and what one of them needs in memory stays small"""
COMPACT_ABOVE = 64
"""smaller chunks than that, counted when a study is opened, from which on it is compacted"""


class Store:
    """The one writer of a study folder. A context manager; the lock ends with it or with the process."""

    @classmethod
    def create_or_open(cls, folder: Path, spec: StudySpec, tables: Mapping[str, type]) -> Self:
        """Creates the folder for this study, or opens it if it holds the same study.

        `tables` maps table names to row dataclasses; the first table has one row per unit. A damaged
        file is renamed to *.bad with a warning, and its units count as not run. Raises StoreError: another
        study, another writer, not empty and not a study folder, not writable, other schema version.
        """
        with clear_errors(f"{folder}: cannot be used as a study folder"):
            folder.mkdir(parents=True, exist_ok=True)
            others = {path.name for path in folder.iterdir()} - {LOCK, STUDY + ASIDE}
            if others and STUDY not in others:
                raise StoreError(
                    f"{folder}: not empty and not a study folder (it holds {min(others)!r}); choose another --out"
                )
            lock = _take_lock(folder)
            try:
                return cls(folder, spec, tables, lock)
            except BaseException:
                lock.close()
                raise

    def __init__(self, folder: Path, spec: StudySpec, tables: Mapping[str, type], lock: TextIO) -> None:
        self.folder = folder
        self._lock = lock
        self._schemas = {table: arrow_schema(row_type) for table, row_type in tables.items()}
        columns = {table: columns_of(row_type) for table, row_type in tables.items()}
        if not (folder / STUDY).exists():
            write_durably(folder / STUDY, to_yaml(spec).encode())
        _check_same_study(folder, spec)
        for table in tables:
            (folder / table).mkdir(exist_ok=True)
        if not (folder / MANIFEST).exists():
            if any(path.suffix == ".parquet" for table in tables for path in (folder / table).iterdir()):
                raise StoreError(f"{folder}: rows but no manifest. Nothing was changed. Restore it from a copy")
            fresh = Manifest(SCHEMA_VERSION, spec_id(spec), columns, [], 0)
            write_durably(folder / MANIFEST, fresh.text())
        self._manifest = read_manifest(folder)
        _check_same_format(folder, self._manifest, spec, columns)
        self._set_aside_damaged()
        if sum(len(chunk.units) < COMPACTED_UNITS for chunk in self._manifest.chunks) > COMPACT_ABOVE:
            self.compact()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives up the lock."""
        self._lock.close()

    def statuses(self) -> dict[str, str]:
        """Unit id -> status of every committed unit."""
        return self._manifest.statuses()

    def commit(self, units: Sequence[tuple[str, str, Records]]) -> None:
        """Commits (unit id, status, records) of some units, all or none, superseding their earlier rows.

        When it returns the rows are on disk. Raises StoreError, and then nothing has changed: records that do
        not fit the tables, or a disk that does not take them.
        """
        latest = {unit: (status, records) for unit, status, records in units}
        if not latest:
            return
        for unit, (_, records) in latest.items():
            self._check_records(unit, records)
        tables = {
            table: _to_arrow([row for _, r in latest.values() for row in r.get(table, ())], schema, table)
            for table, schema in self._schemas.items()
        }
        with clear_errors(f"{self.folder}: cannot commit {len(latest)} units"):
            statuses = {unit: status for unit, (status, _) in latest.items()}
            self._append(self._write_chunk(self._manifest.next_number(), tables, statuses))

    def compact(self) -> None:
        """Merges the chunks into few and drops superseded rows; the result knows no order of commits.

        Rows: by `part`, `index` (where the first table has them), unit id. Raises StoreError.
        """
        with clear_errors(f"{self.folder}: cannot compact"):
            try:
                chunks = self._regroup()
            except BaseException:
                self._remove_orphans()
                raise
            if chunks != self._manifest.chunks:
                try:
                    text = replace(self._manifest, chunks=chunks).text()
                    write_durably(self.folder / MANIFEST, text)
                finally:
                    self._manifest = read_manifest(self.folder)
            self._remove_orphans()

    def _regroup(self) -> list[Chunk]:
        """Writes the compacted chunks beside the old ones; a chunk that is as it should be is kept."""
        owned = self._manifest.owned()
        first, *_ = self._schemas
        keys = [key for key in ("part", "index", "unit_id") if key in self._schemas[first].names]
        rows = read_rows(self.folder, self._manifest, first, owned).select(keys)
        order = rows.sort_by([(key, "ascending") for key in keys])["unit_id"].to_pylist()
        home = {unit: (chunk, status) for chunk, units in owned for unit, status in units.items()}
        number = self._manifest.next_number()
        chunks = []
        for start in range(0, len(order), COMPACTED_UNITS):
            group = order[start : start + COMPACTED_UNITS]
            parts: dict[int, tuple[Chunk, dict[str, str]]] = {}
            for unit in group:
                chunk, status = home[unit]
                parts.setdefault(chunk.number, (chunk, {}))[1][unit] = status
            if len(parts) == 1 and list(home[group[0]][0].units) == group:
                chunks.append(home[group[0]][0])
                continue
            tables = {}
            for table in self._schemas:
                rows = read_rows(self.folder, self._manifest, table, parts.values())
                place = pc.index_in(rows["unit_id"], value_set=pa.array(group))
                tables[table] = rows.take(pc.sort_indices(place))  # stable: within a unit as committed
            chunks.append(self._write_chunk(number, tables, {unit: home[unit][1] for unit in group}))
            number += 1
        return chunks

    def _check_records(self, unit: str, records: Records) -> None:
        first, *_ = self._schemas
        if unknown := records.keys() - self._schemas.keys():
            raise StoreError(f"unit {unit}: unknown table {min(unknown)!r}; tables: {', '.join(self._schemas)}")
        if (found := len(records.get(first, ()))) != 1:
            raise StoreError(f"unit {unit}: expected one row in table {first}, found {found}")
        for table, rows in records.items():
            if strangers := {row.unit_id for row in rows} - {unit}:
                raise StoreError(f"unit {unit}: table {table} has a row of unit {min(strangers)}")

    def _write_chunk(self, number: int, tables: Mapping[str, pa.Table], units: Mapping[str, str]) -> Chunk:
        chunk = Chunk(number, {}, units)
        files = {}
        for table, rows in tables.items():
            if rows.num_rows:
                sink = io.BytesIO()
                strings = [field.name for field in rows.schema if field.type == pa.string()]
                pq.write_table(rows, sink, compression="zstd", use_dictionary=strings)
                data = sink.getvalue()
                write_durably(chunk.path(self.folder, table), data)
                files[table] = StoredFile(rows.num_rows, len(data), zlib.crc32(data))
        return replace(chunk, files=files)

    def _append(self, chunk: Chunk) -> None:
        """The commit point."""
        line = line_of(asdict(chunk))
        append_durably(self.folder / MANIFEST, self._manifest.length, line)
        self._manifest.chunks.append(chunk)
        self._manifest.length += len(line)

    def _set_aside_damaged(self) -> None:
        lost: dict[str, str | None] = {}
        for chunk, units in self._manifest.owned():
            try:
                for table in chunk.files if units else ():
                    read_file(self.folder, table, chunk)
            except DamagedFile as error:
                for table in chunk.files:
                    path = chunk.path(self.folder, table)
                    if path.exists():
                        os.replace(path, path.with_name(path.name + BAD))
                lost |= dict.fromkeys(units)
                log.warning("%s. Its chunk is set aside as *%s; %d units will run again", error, BAD, len(units))
        if lost:
            self._append(Chunk(self._manifest.next_number(), {}, lost))

    def _remove_orphans(self) -> None:
        named = {chunk.path(self.folder, table) for chunk in self._manifest.chunks for table in chunk.files}
        for table in self._schemas:
            for path in (self.folder / table).iterdir():
                if path.suffix in {".parquet", ASIDE} and path not in named:
                    path.unlink()


def _take_lock(folder: Path) -> TextIO:
    file = (folder / LOCK).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
    except BlockingIOError:
        file.seek(0)
        with file:
            raise StoreError(
                f"{folder}: another writer is at work on this study: {file.read()}. Wait for it, or stop it"
            ) from None
    except BaseException:
        file.close()
        raise
    return file


def _check_same_study(folder: Path, spec: StudySpec) -> None:
    fields = read_spec_fields(folder)
    if fields.get("kind") != spec.kind:
        lines = [f"kind: {fields.get('kind')!r} -> {spec.kind!r}"]
    else:
        try:
            lines = differences(type(spec).parse(fields, where=str(folder / STUDY)), spec)
        except SpecError as error:
            raise StoreError(f"{error}\nso {folder} cannot be continued; choose another --out") from None
    if lines:
        raise StoreError(
            f"{folder} holds another study (there -> asked for):\n  "
            + "\n  ".join(lines)
            + f"\nChoose another --out, or continue that study with {folder / STUDY}"
        )


def _check_same_format(folder: Path, manifest: Manifest, spec: StudySpec, columns: dict[str, dict[str, str]]) -> None:
    if manifest.schema_version != SCHEMA_VERSION:
        raise StoreError(
            f"{folder}: written with schema version {manifest.schema_version}, this distnlc writes version "
            f"{SCHEMA_VERSION}: it can be read and reported, but not continued; choose another --out"
        )
    if manifest.study_id != spec_id(spec):
        raise StoreError(f"{folder}: {STUDY} was changed after the study began; restore it or choose another --out")
    if manifest.tables != columns:
        changed = [t for t in manifest.tables | columns if manifest.tables.get(t) != columns.get(t)]
        raise StoreError(
            f"{folder}: the columns of {', '.join(changed)} differ from this distnlc's: continue it with the "
            f"version that began it, or choose another --out"
        )


def _to_arrow(rows: Sequence[Any], schema: pa.Schema, table: str) -> pa.Table:
    arrays = []
    for field in schema:
        place = f"table {table}, column {field.name}: expected {field.type}"
        try:
            # inferred, not asked for: asked for integers, Arrow cuts fractions off
            array = pa.array([getattr(row, field.name) for row in rows])
        except (pa.ArrowException, OverflowError) as error:
            raise StoreError(f"{place}: {error}") from None
        fits = array.type == field.type or (pa.types.is_integer(array.type) and pa.types.is_floating(field.type))
        if array.null_count < len(array) and not fits:
            raise StoreError(f"{place}, but got {array.type}")
        if array.null_count and not field.nullable:
            raise StoreError(f"{place}, but got None")
        arrays.append(array.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
