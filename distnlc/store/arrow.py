"""One table's rows: dataclasses -> Arrow -> Parquet bytes, and back, checked against the schema.

A schema is derived from the row dataclass when a study begins; from then on it stands in the manifest's header.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from distnlc.records import columns_of
from distnlc.store.manifest import FORMAT_VERSION, UNIT, StoreError

ARROW_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
MOST_BYTES = 2**32
"""largest size of one file when it is unpacked: no study's file comes near it, a malicious one might"""


def arrow_schema(row_type: type) -> pa.Schema:
    """The table's schema: one column per field of the row dataclass, the file format in the metadata."""
    return schema_of(columns_of(row_type), FORMAT_VERSION)


def schema_of(columns: Mapping[str, str], version: int) -> pa.Schema:
    fields = [pa.field(name, ARROW_TYPES[kind.rstrip("?")], kind.endswith("?")) for name, kind in columns.items()]
    return pa.schema(fields, {"schema_version": str(version)})


def to_arrow(rows: Sequence[Any], schema: pa.Schema, table: str) -> pa.Table:
    """The rows as a table. Raises StoreError where a value does not fit its column; nothing is rounded or cut off."""
    arrays = []
    for field in schema:
        place = f"table {table}, column {field.name}: expected {field.type}"
        try:
            # the type is inferred: asked for integers, Arrow would cut fractions off
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


def to_parquet(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    strings = [field.name for field in rows.schema if field.type == pa.string()]
    # Statistics leave nan out, from which DuckDB concludes that a column has none.
    described = [field.name for field in rows.schema if not pa.types.is_floating(field.type)]
    pq.write_table(rows, sink, compression="zstd", use_dictionary=strings, write_statistics=described)
    return sink.getvalue()


def from_parquet(
    data: bytes, schema: pa.Schema, rows: int, where: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of a file, or some columns of them. Raises StoreError if it is not a file of this table."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows != rows or not file.schema_arrow.equals(schema):
            raise StoreError(f"{where}: its rows or columns are not those that the manifest tells of")
        groups = (file.metadata.row_group(group) for group in range(file.metadata.num_row_groups))
        if sum(group.total_byte_size for group in groups) > MOST_BYTES:
            raise StoreError(f"{where}: more than {MOST_BYTES >> 30} GiB when unpacked, which no study's file has")
        return file.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{where}: cannot be read as Parquet: {error}") from None


def in_order(rows: pa.Table, units: Sequence[str]) -> tuple[pa.Table, list[int]]:
    """The rows of these units, unit by unit and else in their old order; and the row at which each unit begins, with
    the number of all rows at the end."""
    place = pc.index_in(rows[UNIT].combine_chunks(), value_set=pa.array(units, pa.string()))
    order = pc.sort_indices(place)  # stable; what is in no unit comes last
    counts = {row["values"]: row["counts"] for row in pc.value_counts(place).to_pylist()}
    begins = list(accumulate((counts.get(number, 0) for number in range(len(units))), initial=0))
    return rows.combine_chunks().take(order.slice(0, begins[-1])), begins


def of_units(rows: pa.Table, units: Iterable[str]) -> pa.Table:
    """The rows of these units, in their order."""
    return rows.filter(pc.is_in(rows[UNIT], value_set=pa.array(list(units), pa.string())))
