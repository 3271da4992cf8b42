"""A study folder of any kind in, its tables as pandas frames out; nothing is dropped, derived or renamed here.

Columns are those of the kind's row dataclasses, which say what they mean; columns that an older study lacks are there
all the same, as not measured. What was not measured is nan (numbers) or missing (text, yes/no). A study whose kind is
not installed has the tables and columns that it says itself. Rows are sorted, so that the order in which units
finished cannot show in any result.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from distnlc import store
from distnlc.plugins import kind_of
from distnlc.records import READ_BY_NAME, columns_of, quantities
from distnlc.spec import SpecError


@dataclass(frozen=True)
class Tables:
    """The tables of one study: `tables.runs` or `tables["runs"]`; unpacked in the kind's order, one row per unit first.

    `unit_id` joins them. `measurements` and `properties` are read by name and never unpacked.
    """

    kind: str
    frames: dict[str, pd.DataFrame]
    spec: Mapping[str, Any] = field(default_factory=dict)
    """the fields of study.yaml"""

    @property
    def first(self) -> pd.DataFrame:
        """The table that has one row per unit."""
        return next(iter(self))

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return (frame for name, frame in self.frames.items() if name not in READ_BY_NAME)

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.frames[name]

    def __getattr__(self, name: str) -> pd.DataFrame:
        frames: dict[str, pd.DataFrame] = self.__dict__.get("frames", {})
        if name not in frames:
            raise AttributeError(f"this study has no table {name!r}; tables: {', '.join(frames)}")
        return frames[name]


def load(folder: str | Path, only: Collection[str] | None = None) -> Tables:
    """All rows committed so far, of a folder or s3:// address, or those of some tables; the study may still run.

    Raises store.StoreError if it is no study, or not one of the kind that it says it is.
    """
    spec = store.read_spec_fields(folder)  # says best what is wrong with a folder that is no study
    name = str(spec.get("kind"))
    held = store.read_columns(folder)
    row_types = row_types_of(name)
    if row_types and next(iter(row_types)) not in held:
        raise store.StoreError(f"{folder}: expected a study of kind {name}, but its tables are {', '.join(held)}")
    frames, rows = {}, store.read_tables(folder, only)
    for number, table in enumerate(dict.fromkeys([*row_types, *held])):
        if only is not None and table not in only:
            continue
        row_type = row_types.get(table)
        if table not in held:  # the table is younger than the study
            frames[table] = store.arrow_schema(row_types[table]).empty_table().to_pandas()
            continue
        columns, frame = held[table], rows[table].to_pandas()
        if row_type is not None:
            columns, frame = _with_younger_columns(f"{folder}: table {table}", columns, frame, row_type)
        # A yes/no column with gaps would stay a column of Python objects.
        frame = frame.astype({column: "boolean" for column, kind in columns.items() if kind == "bool?"})
        order = _leading_keys(columns) if number else _unit_keys(columns, row_type)
        frames[table] = frame.sort_values(order, ignore_index=True)
    return Tables(name, frames, spec)


def row_types_of(kind: str) -> Mapping[str, type]:
    """Table -> row dataclass of an installed kind; nothing for any other."""
    try:
        return kind_of(kind).tables
    except SpecError:
        return {}


def _with_younger_columns(
    where: str, held: Mapping[str, str], frame: pd.DataFrame, row_type: type
) -> tuple[dict[str, str], pd.DataFrame]:
    """All columns of the row type in its order, then those that only the study has."""
    columns = columns_of(row_type)
    for name, kind in held.items():
        if columns.get(name, kind).rstrip("?") != kind.rstrip("?"):
            raise store.StoreError(f"{where}: expected a column {name} of type {columns[name]}, found {kind}")
    defaults = {field.name: None if field.default is MISSING else field.default for field in fields(row_type)}
    added: dict[str, Any] = {}
    for name in columns.keys() - held.keys():
        number = columns[name] in {"int?", "float", "float?"}
        added[name] = float("nan") if number and defaults[name] is None else defaults[name]
    every = {**columns, **held}
    return every, frame.assign(**added)[list(every)]


def _unit_keys(columns: Mapping[str, str], row_type: type | None) -> list[str]:
    """Sort keys of the first table: part, index, further whole numbers that tell units apart, and the unit's id."""
    known = quantities(row_type) if row_type else {}
    more = [name for name, one in known.items() if one.group == "identity" and columns[name] == "int"]
    return [name for name in dict.fromkeys(["part", "index", *more, "unit_id"]) if name in columns]


def _leading_keys(columns: Mapping[str, str]) -> list[str]:
    """Sort keys of another table: its leading texts and whole numbers, from `unit_id` on."""
    keys = []
    for name, kind in columns.items():
        if kind not in {"str", "int"}:
            break
        keys.append(name)
    return keys
