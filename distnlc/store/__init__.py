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

from importlib import import_module
from typing import TYPE_CHECKING, Any

from distnlc.store.address import place_of
from distnlc.store.data_record import keep_data_record, read_data_record
from distnlc.store.headers import read_columns, read_spec_fields, read_statuses
from distnlc.store.manifest import StoreError
from distnlc.store.place import Place
from distnlc.store.sessions import add_session, read_sessions

if TYPE_CHECKING:
    from distnlc.store.arrow import arrow_schema
    from distnlc.store.reading import export, read_records, read_table, read_tables
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

_WITH_ARROW = {
    "arrow_schema": "distnlc.store.arrow",
    **dict.fromkeys(("export", "read_records", "read_table", "read_tables"), "distnlc.store.reading"),
    "Store": "distnlc.store.writing",
}
"""name -> its home, imported when it is first used: Arrow takes half a second"""


def __getattr__(name: str) -> Any:
    if name not in _WITH_ARROW:
        raise AttributeError(f"module 'distnlc.store' has no attribute {name!r}")
    return getattr(import_module(_WITH_ARROW[name]), name)
