"""Reading a study folder: Arrow tables of the committed rows. No lock: it works while the study runs.

The schema of a table is fixed by its row dataclass when the study begins and stands in the manifest's header,
so that a folder is read by its own schema version. Every file is checked against the manifest's size and CRC.
"""

import io
import types
import typing
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from distnlc.records import SCHEMA_VERSION, Records
from distnlc.spec import SpecError, read_yaml
from distnlc.store.manifest import Chunk, DamagedFile, Manifest, StoreError, clear_errors, read_manifest

STUDY = "study.yaml"
COLUMN_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


def columns_of(row_type: type) -> dict[str, str]:
    """Column name -> `str`, `int`, `float` or `bool`, with `?` behind it where None is allowed."""
    columns = {}
    for name, hint in typing.get_type_hints(row_type).items():
        kinds = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
        (kind,) = kinds - {types.NoneType}
        columns[name] = kind.__name__ + ("?" if types.NoneType in kinds else "")
    return columns


def arrow_schema(row_type: type) -> pa.Schema:
    """The table's fixed schema: one column per field of the row dataclass, schema_version in the metadata."""
    return schema_of(columns_of(row_type), SCHEMA_VERSION)


def schema_of(columns: Mapping[str, str], version: int) -> pa.Schema:
    fields = [pa.field(name, COLUMN_TYPES[kind.rstrip("?")], kind.endswith("?")) for name, kind in columns.items()]
    return pa.schema(fields, {"schema_version": str(version)})


def read_spec_fields(folder: Path) -> dict[str, Any]:
    """The plain data of the folder's study.yaml. Raises StoreError."""
    path = folder / STUDY
    try:
        return read_yaml(path.read_text(), where=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{folder}: not a study folder, its {STUDY} cannot be read: {error}") from None
    except SpecError as error:
        raise StoreError(str(error)) from None


def read_statuses(folder: Path) -> dict[str, str]:
    """Unit id -> status of every committed unit, from the manifest alone. Raises StoreError."""
    return read_manifest(folder).statuses()


def read_table(folder: Path, table: str) -> pa.Table:
    """The committed rows of one table. Raises StoreError, also if a file of it is missing or torn: rows that
    were left out in silence would pass for units that have not run."""
    return _read_tables(folder, table)[table]


def read_tables(folder: Path) -> dict[str, pa.Table]:
    """All tables as of one moment: each holds the rows of the same units. Raises as `read_table`."""
    return _read_tables(folder, None)


def read_records(folder: Path, tables: Mapping[str, type], wanted: Collection[str]) -> Iterator[tuple[str, Records]]:
    """(unit id, records) of the wanted units that are committed, one by one; `tables` as for `Store`.

    Raises StoreError; also if the study is compacted meanwhile.
    """
    manifest = read_manifest(folder)
    for chunk, units in manifest.owned():
        for unit in [unit for unit in units if unit in wanted]:
            rows = {table: read_rows(folder, manifest, table, [(chunk, {unit: units[unit]})]) for table in tables}
            yield (
                unit,
                {
                    table: [row_type(**fields) for fields in rows[table].to_pylist()]
                    for table, row_type in tables.items()
                },
            )


def _read_tables(folder: Path, only: str | None) -> dict[str, pa.Table]:
    while True:
        manifest = read_manifest(folder)
        if only is not None and only not in manifest.tables:
            raise StoreError(f"{folder}: no table {only!r}; tables: {', '.join(manifest.tables)}")
        try:
            names = manifest.tables if only is None else [only]
            return {table: read_rows(folder, manifest, table, manifest.owned()) for table in names}
        except DamagedFile as error:
            if error.chunk in read_manifest(folder).chunks:
                raise StoreError(
                    f"{error}. Run the study again into the same folder: the file is then set aside and the "
                    f"units whose rows it holds (at most {len(error.chunk.units)}) are repeated"
                ) from None
            # the chunk was compacted away after the manifest was read: read again


def read_rows(
    folder: Path, manifest: Manifest, table: str, wanted: Iterable[tuple[Chunk, Mapping[str, Any]]]
) -> pa.Table:
    """The table's rows of the wanted units of each chunk, in the order they were committed."""
    parts = [schema_of(manifest.tables[table], manifest.schema_version).empty_table()]
    for chunk, units in wanted:
        if units and table in chunk.files:
            part = pq.ParquetFile(io.BytesIO(read_file(folder, table, chunk))).read()
            if len(units) < len(chunk.units):
                part = part.filter(pc.is_in(part["unit_id"], value_set=pa.array(list(units))))
            parts.append(part)
    return pa.concat_tables(parts)


def read_file(folder: Path, table: str, chunk: Chunk) -> bytes:
    """The checked content of one file. Raises DamagedFile."""
    path, stored = chunk.path(folder, table), chunk.files[table]
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DamagedFile(path, "is missing", chunk) from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) != stored.bytes:
        raise DamagedFile(path, f"expected {stored.bytes} bytes, found {len(data)}", chunk)
    if zlib.crc32(data) != stored.crc:
        raise DamagedFile(path, "its content is not what was written (CRC differs)", chunk)
    return data


def export(folder: Path, out: Path, format: Literal["parquet", "csv"]) -> list[Path]:
    """Writes each table as one file `out/<table>.<format>`; returns the files. Raises StoreError."""
    paths = []
    with clear_errors(f"{out}: cannot export to this folder"):
        out.mkdir(parents=True, exist_ok=True)
        for table, rows in read_tables(folder).items():
            paths.append(out / f"{table}.{format}")
            if format == "csv":
                pyarrow.csv.write_csv(rows, paths[-1])
            else:
                pq.write_table(rows, paths[-1], compression="zstd")
    return paths
