"""A study folder in, its tables as pandas frames out; nothing is dropped, derived or renamed here.

Columns that a study from an older distnlc lacks are there all the same: every architecture of such a study is its
first initialization, and the rest was not measured.

The columns are the fields of `ArchitectureRow`, `RunRow` and `EpochRow` in distnlc/records.py, where they
are explained. What was not measured is nan (numbers) or missing (text, yes/no); errors are fractions.
Failed units have a row in `architectures` with `status` "failed" and a `reason`; a missing row means "not
yet run". Rows are sorted, so that the order in which units finished cannot show in any result.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from distnlc import store
from distnlc.studies.nlc.records import ArchitectureRow


class Tables(NamedTuple):
    """The three tables of a study of kind nlc; `unit_id` joins them."""

    architectures: pd.DataFrame
    runs: pd.DataFrame
    epochs: pd.DataFrame


SORTED_BY = {
    "architectures": ["part", "index", "initialization"],
    "runs": ["unit_id", "run"],
    "epochs": ["unit_id", "run", "epoch"],
}


def load(folder: str | Path) -> Tables:
    """All rows committed so far, of a folder or s3:// address; the study may still run.

    Raises store.StoreError if it is no NLC study.
    """
    store.read_spec_fields(folder)  # says best what is wrong with a folder that is no study
    tables = store.read_tables(folder)
    if not tables.keys() >= SORTED_BY.keys():
        raise store.StoreError(
            f"{folder}: expected a study with the tables {', '.join(SORTED_BY)}, found {', '.join(tables)}: "
            "this analysis reads studies of kind nlc"
        )
    frames = {name: tables[name].to_pandas() for name in SORTED_BY}
    frames["architectures"] = _with_younger_columns(frames["architectures"])
    return Tables(**{name: _frame(frames[name], columns) for name, columns in SORTED_BY.items()})


def _with_younger_columns(architectures: pd.DataFrame) -> pd.DataFrame:
    """All columns of `ArchitectureRow`, in its order."""
    missing = [field for field in fields(ArchitectureRow) if field.name not in architectures]
    values: dict[str, Any] = {
        field.name: float("nan") if field.type == (float | None) else field.default for field in missing
    }
    return architectures.assign(**values)[[field.name for field in fields(ArchitectureRow)]]


def _frame(frame: pd.DataFrame, sorted_by: list[str]) -> pd.DataFrame:
    # A yes/no column with gaps would stay a column of Python objects.
    if "best_at_edge" in frame:
        frame["best_at_edge"] = frame["best_at_edge"].astype("boolean")
    return frame.sort_values(sorted_by, ignore_index=True)
