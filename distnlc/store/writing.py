"""Writing a study: the one `Store` that commits units, merges small chunks as it goes, and compacts at the end.

A commit writes the units' rows as one chunk, one file per table, and then appends the chunk's line to the
manifest: that line is the commit. A crash at any moment leaves all rows of the commit or none, and at most
orphaned files, which the next compaction deletes. A `Store` remembers only the commits since the last merge,
however many units there are; the rest stands in the manifest.
"""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Self

import pyarrow as pa

from distnlc.records import Records
from distnlc.spec import StudySpec
from distnlc.store import compaction
from distnlc.store.address import place_of
from distnlc.store.arrow import of_units, schema_of, to_arrow, to_parquet
from distnlc.store.headers import read_manifest
from distnlc.store.manifest import (
    FORMAT_VERSION,
    Chunk,
    DamagedFile,
    Manifest,
    Owned,
    StoreError,
    clear_errors,
    line_of,
    stored_file,
)
from distnlc.store.opening import check_empty, open_manifest
from distnlc.store.place import ASIDE, BAD, Place
from distnlc.store.reading import read_file, read_rows

log = logging.getLogger(__name__)

MERGE_BYTES = 64_000_000
"""size of the rows in memory at which small chunks are merged, even if they hold fewer than COMPACTED_UNITS units"""
MERGE_ABOVE = 64
"""number of chunks smaller than COMPACTED_UNITS above which they are merged when a study is opened"""
TRIM_ABOVE = 2000
"""number of lines that no longer matter above which, if they are most, the manifest is written anew"""


class Store:
    """The one writer of a study. A context manager; the lock ends with it or with the process."""

    @classmethod
    def create_or_open(cls, folder: str | Path, spec: StudySpec, tables: Mapping[str, type]) -> Self:
        """Creates the folder for this study, or opens it if it holds the same study.

        `folder` is a path or an s3:// address; `tables` maps table names to row dataclasses; the first table has one
        row per unit. A damaged file is renamed to *.bad with a warning, and its units count as not run. Raises
        StoreError: another study, another writer, not empty and not a study, not writable, another file format.
        """
        place = place_of(folder)
        with clear_errors(f"{place}: cannot be used as a study folder"):
            check_empty(place)
            place.lock()
            try:
                return cls(place, spec, tables)
            except BaseException:
                place.unlock()
                raise

    def __init__(self, place: Place, spec: StudySpec, tables: Mapping[str, type]) -> None:
        """Opens the study at a place whose lock is held; see `create_or_open`."""
        self.place = place
        manifest = open_manifest(place, spec, tables)
        self._known = set(tables)
        self._schemas = {name: schema_of(columns, FORMAT_VERSION) for name, columns in manifest.tables.items()}
        """those of the study's tables and columns, which may be fewer than this distnlc's"""
        self._numbers = itertools.count(place.first_number(manifest.last_number()))
        self._forget_recent()
        self._length = self._lines = self._dead_lines = -1
        self._adopt(manifest)
        if self._set_aside_damaged(manifest):
            manifest = read_manifest(place)
        self._merge_stored(manifest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives up the lock."""
        self.place.unlock()

    def statuses(self) -> dict[str, str]:
        """Unit id -> status of every committed unit. Raises StoreError."""
        return read_manifest(self.place).statuses()

    def commit(self, units: Sequence[tuple[str, str, Records]]) -> None:
        """Commits the rows of some units, (unit id, status, records) each, all or none; they supersede earlier ones.

        When it returns the rows are durable. Raises StoreError for records that do not fit the tables, or a disk that
        does not take them; then nothing has changed.
        """
        latest = {unit: (status, records) for unit, status, records in units}
        if not latest:
            return
        for unit, (_, records) in latest.items():
            self._check_records(unit, records)
        tables = {
            table: to_arrow([row for _, r in latest.values() for row in r.get(table, ())], schema, table)
            for table, schema in self._schemas.items()
        }
        with clear_errors(f"{self.place}: cannot commit {len(latest)} units"):
            chunk = self._write_chunk(tables, {unit: status for unit, (status, _) in latest.items()})
        self._remember(chunk, tables)

    def compact(self) -> None:
        """Merges all chunks into few and drops superseded rows; the result does not depend on the order of commits.

        Rows are sorted by `part`, `index` (where the first table has them) and unit id. Raises StoreError.
        """
        with clear_errors(f"{self.place}: cannot compact"):
            manifest = read_manifest(self.place)
            if self._length < 0:
                manifest = self._rewrite(manifest)  # a failed append may still arrive and name files deleted here
            try:
                chunks = compaction.compacted(self.place, manifest, self._numbers)
            except BaseException:
                with suppress(OSError, StoreError):
                    self._remove_orphans(manifest)
                raise
            if chunks != manifest.chunks:
                manifest = self._rewrite(replace(manifest, chunks=chunks))
            self._remove_orphans(manifest)
            self._forget_recent()

    def _check_records(self, unit: str, records: Records) -> None:
        first, *_ = self._schemas
        if unknown := records.keys() - self._known:
            raise StoreError(f"unit {unit}: unknown table {min(unknown)!r}; tables: {', '.join(self._schemas)}")
        if (found := len(records.get(first, ()))) != 1:
            raise StoreError(f"unit {unit}: expected one row in table {first}, found {found}")
        for table, rows in records.items():
            if strangers := {row.unit_id for row in rows} - {unit}:
                raise StoreError(f"unit {unit}: table {table} has a row of unit {min(strangers)}")

    def _write_chunk(self, tables: Mapping[str, pa.Table], units: Mapping[str, str]) -> Chunk:
        """Writes the files first, then the line."""
        chunk = Chunk(next(self._numbers), {}, units)
        files = {}
        for table, rows in tables.items():
            if rows.num_rows:
                data = to_parquet(rows)
                chunk.files[table] = stored_file(rows.num_rows, data)
                files[chunk.name(table)] = data
        self.place.write_all(files)
        self._append(chunk)
        return chunk

    def _append(self, chunk: Chunk) -> None:
        """Appends the chunk's line: the commit point."""
        if self._length < 0:
            self._adopt(read_manifest(self.place))
        line = line_of(asdict(chunk))
        length, self._length = self._length, -1  # until the line is known to stand, and no other behind it
        self.place.append_manifest(length, line)
        self._length = length + len(line)
        self._lines += 1

    def _adopt(self, manifest: Manifest) -> None:
        self._length = manifest.length
        self._lines = len(manifest.chunks)
        self._dead_lines = len(manifest.chunks) - len(manifest.trimmed().chunks)

    def _rewrite(self, manifest: Manifest) -> Manifest:
        self._length = -1  # unknown until read again: if this fails, either manifest may stand there
        self.place.write_manifest(manifest.text())
        manifest = read_manifest(self.place)
        self._adopt(manifest)
        return manifest

    def _remember(self, chunk: Chunk, tables: dict[str, pa.Table]) -> None:
        """Merges the small chunks once they are many. They are committed, whether merged or not."""
        if len(chunk.units) >= compaction.COMPACTED_UNITS:
            for unit in chunk.units:
                self._recent_home.pop(unit, None)
            return
        self._recent.append((chunk, tables))
        self._recent_home |= dict.fromkeys(chunk.units, chunk.number)
        self._recent_bytes += sum(rows.nbytes for rows in tables.values())
        if len(self._recent_home) >= compaction.COMPACTED_UNITS or self._recent_bytes >= MERGE_BYTES:
            try:
                self._merge_recent()
            except (OSError, StoreError) as error:
                log.warning("%s: small files could not be merged; they stay as they are. %s", self.place, error)
            self._forget_recent()

    def _forget_recent(self) -> None:
        self._recent: list[tuple[Chunk, dict[str, pa.Table]]] = []
        """the small chunks since the last merge, with their rows"""
        self._recent_home: dict[str, int] = {}
        """unit id -> number of the small chunk that owns it"""
        self._recent_bytes = 0

    def _merge_recent(self) -> None:
        owned: Owned = [
            (chunk, {unit: s for unit, s in chunk.units.items() if s and self._recent_home.get(unit) == chunk.number})
            for chunk, _ in self._recent
        ]
        tables = {
            table: pa.concat_tables(
                rows[table] if len(units) == len(chunk.units) else of_units(rows[table], units)
                for (chunk, units), (_, rows) in zip(owned, self._recent, strict=True)
            )
            for table in self._schemas
        }
        self._merge(owned, tables)

    def _merge_stored(self, manifest: Manifest) -> None:
        """Merges the small chunks that earlier writers left when they were stopped."""
        small = [(c, units) for c, units in manifest.owned() if 0 < len(units) < compaction.COMPACTED_UNITS]
        if len(small) <= MERGE_ABOVE:
            return
        group: Owned = []
        units_in_it = bytes_of_it = 0
        for number, (chunk, units) in enumerate(small, start=1):
            group.append((chunk, units))
            units_in_it += len(units)
            bytes_of_it += compaction.memory_bytes(manifest, chunk)
            is_full = units_in_it >= compaction.COMPACTED_UNITS or bytes_of_it >= MERGE_BYTES
            if is_full or number == len(small):
                if len(group) > 1:
                    self._merge(group, {t: read_rows(self.place, manifest, t, group) for t in self._schemas})
                group, units_in_it, bytes_of_it = [], 0, 0

    def _merge(self, chunks: Owned, tables: Mapping[str, pa.Table]) -> None:
        """Writes one chunk for several, which it supersedes by standing after them in the manifest."""
        if len(chunks) > 1:
            self._write_chunk(tables, {unit: status for _, units in chunks for unit, status in units.items()})
            self._dead_lines += len(chunks)
            self.place.remove(name for chunk, _ in chunks for name in chunk.names())
        if self._dead_lines > max(TRIM_ABOVE, self._lines / 2):
            self._rewrite(read_manifest(self.place).trimmed())

    def _set_aside_damaged(self, manifest: Manifest) -> bool:
        """Sets damaged chunks aside and forgets their units; whether there were any."""
        lost: dict[str, str | None] = {}
        for error, units in self._damaged(manifest):
            for name in error.chunk.names():
                self.place.set_aside(name)
            lost |= dict.fromkeys(units)
            log.warning("%s. Its chunk is set aside as *%s; %d units will run again", error, BAD, len(units))
        if lost:
            self._append(Chunk(next(self._numbers), {}, lost))
        return bool(lost)

    def _damaged(self, manifest: Manifest) -> Iterator[tuple[DamagedFile, dict[str, str]]]:
        """An error for each damaged chunk, with the units that it owns."""
        sizes = (
            {} if self.place.tears else {n: s for table in self._schemas for n, s in self.place.names(table).items()}
        )
        for chunk, units in manifest.owned():
            try:
                for table, stored in chunk.files.items() if units else ():
                    if self.place.tears:
                        read_file(self.place, table, chunk)
                    elif (found := sizes.get(chunk.name(table))) != stored.bytes:
                        what = "is missing" if found is None else f"expected {stored.bytes} bytes, found {found}"
                        raise DamagedFile(self.place.where(chunk.name(table)), what, chunk)
            except DamagedFile as error:
                yield error, units

    def _remove_orphans(self, manifest: Manifest) -> None:
        named = {name for chunk in manifest.trimmed().chunks for name in chunk.names()}
        for table in manifest.tables:
            found = [name for name in self.place.names(table) if name.endswith((".parquet", ASIDE))]
            self.place.remove(name for name in found if name not in named)
