"""Reading a study: Arrow tables of the committed rows. No lock: it works while the study runs.

Every file is checked against the manifest's size and CRC. A file that a reader finds gone may have been merged into
another one since it read the manifest: it then reads the manifest again.
"""

import io
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv

from distnlc.records import Records
from distnlc.store.address import place_of
from distnlc.store.arrow import from_parquet, in_order, of_units, schema_of, to_parquet
from distnlc.store.headers import read_manifest
from distnlc.store.manifest import UNIT, Chunk, DamagedFile, Manifest, StoreError, clear_errors
from distnlc.store.place import Place, each


def read_table(folder: str | Path, table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The committed rows of one table, or some columns of them. Raises StoreError, also if one of its files is missing
    or torn: rows left out silently would pass for units that have not run."""
    return _read_tables(place_of(folder), [table], columns)[table]


def read_tables(folder: str | Path, only: Collection[str] | None = None) -> dict[str, pa.Table]:
    """All tables, or those of `only` that there are, at one moment: each holds the rows of the same units. Raises as
    `read_table` does."""
    return _read_tables(place_of(folder), only)


def read_records(
    folder: str | Path, tables: Mapping[str, type], wanted: Collection[str]
) -> Iterator[tuple[str, Records]]:
    """(unit id, records) of the wanted units that are committed, one by one; `tables` as for `Store`.

    The study may go on meanwhile: each unit's records are those of one moment. Raises StoreError.
    """
    place, left = place_of(folder), set(wanted)
    while left:
        manifest = read_manifest(place)
        if (first := next(iter(tables))) not in manifest.tables:
            raise StoreError(f"{place}: no table {first!r}; tables: {', '.join(manifest.tables)}")
        held = [table for table in tables if table in manifest.tables]  # a younger distnlc may have more
        try:
            for chunk, units in manifest.owned():
                if here := [unit for unit in units if unit in left]:
                    rows = {table: read_rows(place, manifest, table, [(chunk, here)]) for table in held}
                    left.difference_update(here)
                    yield from _records(rows, tables, here)
            return
        except DamagedFile as error:
            _raise_unless_moved(place, error)


def _records(
    rows: Mapping[str, pa.Table], tables: Mapping[str, type], units: Sequence[str]
) -> Iterator[tuple[str, Records]]:
    parts = {table: in_order(rows[table], units) for table in rows}
    for number, unit in enumerate(units):
        records: dict[str, list[Any]] = {table: [] for table in tables}
        for table, (ordered, begins) in parts.items():
            part = ordered.slice(begins[number], begins[number + 1] - begins[number])
            try:
                records[table] = [tables[table](**fields) for fields in part.to_pylist()]
            except TypeError as error:
                raise StoreError(f"table {table} has other columns than this distnlc's: {error}") from None
        yield unit, records


def _read_tables(
    place: Place, only: Collection[str] | None = None, columns: Sequence[str] | None = None
) -> dict[str, pa.Table]:
    while True:
        manifest = read_manifest(place)
        names, owned = [name for name in manifest.tables if only is None or name in only], manifest.owned()
        if only is not None and not names:
            wanted = " or ".join(map(repr, only))
            raise StoreError(f"{place}: no table {wanted}; tables: {', '.join(manifest.tables)}")
        try:
            return {table: read_rows(place, manifest, table, owned, columns) for table in names}
        except DamagedFile as error:
            _raise_unless_moved(place, error)


def _raise_unless_moved(place: Place, error: DamagedFile) -> None:
    """Raises StoreError unless the rows have been merged into another chunk since the manifest was read."""
    for chunk, units in read_manifest(place).owned():
        if chunk == error.chunk and units:
            raise StoreError(
                f"{error}. Run the study again into the same folder: the file is then set aside and the "
                f"units whose rows it holds (at most {len(units)}) are repeated"
            ) from None


def read_rows(
    place: Place,
    manifest: Manifest,
    table: str,
    wanted: Iterable[tuple[Chunk, Collection[str]]],
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of the wanted units of each chunk, in the order they were committed. Raises DamagedFile."""
    schema = schema_of(manifest.tables[table], manifest.format_version)
    if unknown := set(columns or ()) - set(schema.names):
        raise StoreError(f"{place}: table {table} has no column {min(unknown)!r}; columns: {', '.join(schema.names)}")

    def part(stored: tuple[Chunk, Collection[str]]) -> pa.Table:
        chunk, units = stored
        data, where = read_file(place, table, chunk), place.where(chunk.name(table))
        if len(units) == len(chunk.units):
            return from_parquet(data, schema, chunk.files[table].rows, where, columns)
        needed = None if columns is None else [*dict.fromkeys([*columns, UNIT])]
        rows = of_units(from_parquet(data, schema, chunk.files[table].rows, where, needed), units)
        return rows if columns is None else rows.select(columns)

    stored = [(chunk, units) for chunk, units in wanted if units and table in chunk.files]
    nothing = pa.Table.from_batches([], schema)  # `empty_table` would import pandas
    if columns is not None:
        nothing = nothing.select(columns)
    return pa.concat_tables([nothing, *each(part, stored, place.parallel)])


def read_file(place: Place, table: str, chunk: Chunk) -> bytes:
    """The checked content of one file. Raises DamagedFile."""
    where, stored = place.where(chunk.name(table)), chunk.files[table]
    try:
        data = place.read(chunk.name(table))
    except FileNotFoundError:
        raise DamagedFile(where, "is missing", chunk) from None
    except OSError as error:
        raise StoreError(f"{where}: cannot be read: {error.strerror or error}") from None
    if len(data) != stored.bytes:
        raise DamagedFile(where, f"expected {stored.bytes} bytes, found {len(data)}", chunk)
    if zlib.crc32(data) != stored.crc:
        raise DamagedFile(where, "its content is not what was written (CRC differs)", chunk)
    return data


def export(folder: str | Path, out: str | Path, format: Literal["parquet", "csv"]) -> list[str]:
    """Writes each table as one file `out/<table>.<format>`; returns the files' addresses. Raises StoreError."""
    relative = PurePath(out)
    if relative.is_relative_to(folder) and ".." not in relative.parts:
        # from the study's root on: it may come from anybody, and no link in it is to lead out of it
        place, relative = place_of(folder), relative.relative_to(folder)
    else:
        place, relative = place_of(out), PurePath()
    names = []
    with clear_errors(f"{out}: cannot export to this folder (--out names another)"):
        for table, rows in read_tables(folder).items():
            names.append((relative / f"{table}.{format}").as_posix())
            if format == "csv":
                sink = io.BytesIO()
                pyarrow.csv.write_csv(rows, sink)
                place.write(names[-1], sink.getvalue())
            else:
                place.write(names[-1], to_parquet(rows))
    return [place.where(name) for name in names]
