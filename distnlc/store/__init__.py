"""The store: the rows of one study in one place, the truth of which tracking and analysis are views.

A place is a folder's path or an `s3://bucket/prefix` address. In a folder:

    study.yaml                      the resolved spec
    architectures/00000007.parquet  the rows of one chunk (the units of one commit); one folder per table
    manifest                        which chunks exist and which units they hold
    sessions                        when and with what it was worked on
    data.json                       the data record: names, digests, dimensions
    lock                            held by the one writer; says who that is

A file that the manifest does not name does not exist. A unit that a later chunk names again is superseded:
its earlier rows are never read. Reading runs no code found in the folder.
"""

from distnlc.store.address import place_of
from distnlc.store.arrow import arrow_schema
from distnlc.store.data_record import keep_data_record, read_data_record
from distnlc.store.manifest import StoreError
from distnlc.store.place import Place
from distnlc.store.reading import (
    export,
    read_columns,
    read_records,
    read_spec_fields,
    read_statuses,
    read_table,
    read_tables,
)
from distnlc.store.sessions import add_session, read_sessions
from distnlc.store.writing import Store

__all__ = [
    "Place",
    "Store",
    "StoreError",
    "add_session",
    "arrow_schema",
    "export",
    "keep_data_record",
    "place_of",
    "read_columns",
    "read_data_record",
    "read_records",
    "read_sessions",
    "read_spec_fields",
    "read_statuses",
    "read_table",
    "read_tables",
]
