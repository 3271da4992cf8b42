"""The store: the rows of one study in one folder; the truth that tracking and analysis are views of.

    study.yaml                      the resolved spec
    architectures/00000007.parquet  the rows of one chunk (the units of one commit); one folder per table
    manifest                        which chunks exist and which units they hold
    lock                            held by the one writer; says who that is

A file that the manifest does not name does not exist. A unit that a later chunk names again is superseded:
its earlier rows are never read. Reading runs no code found in the folder.
"""

from distnlc.store.manifest import StoreError
from distnlc.store.reading import (
    arrow_schema,
    export,
    read_records,
    read_spec_fields,
    read_statuses,
    read_table,
    read_tables,
)
from distnlc.store.writing import Store

__all__ = [
    "Store",
    "StoreError",
    "arrow_schema",
    "export",
    "read_records",
    "read_spec_fields",
    "read_statuses",
    "read_table",
    "read_tables",
]
