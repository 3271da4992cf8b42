"""A commit is whole or absent, whatever happens; nothing is lost and nothing is doubled."""

import math
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from distnlc.records import Records
from distnlc.store import Store, StoreError, arrow_schema, read_table
from distnlc.store.manifest import FORMAT_VERSION
from tests.helpers.store_samples import SPEC, TABLES, StepRow, UnitRow, contents, entry, expected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


def test_what_is_committed_is_read_back(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit([entry("a"), entry("b", status="failed")])
        store.commit([entry("c", steps=0)])
        assert store.statuses() == {"a": "ok", "b": "failed", "c": "ok"}
    assert contents(folder) == expected(entry("a"), entry("b", status="failed"), entry("c", steps=0))


def test_extreme_missing_and_undefined_values_come_back_as_they_were(folder: Path) -> None:
    row = UnitRow(unit_id="a", part="", index=2**63 - 1, good=False, value=None)
    steps = [StepRow(unit_id="a", step=-(2**63), loss=loss) for loss in (1e-300, -math.inf, math.nan)]
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit([("a", "ok", {"units": [row], "steps": steps})])
    assert [UnitRow(**read) for read in read_table(folder, "units").to_pylist()] == [row]
    assert str([StepRow(**read) for read in read_table(folder, "steps").to_pylist()]) == str(steps)


def test_the_schema_follows_from_the_row_type() -> None:
    schema = arrow_schema(UnitRow)
    assert [(field.name, field.type, field.nullable) for field in schema] == [
        ("unit_id", pa.string(), False),
        ("part", pa.string(), False),
        ("index", pa.int64(), False),
        ("good", pa.bool_(), False),
        ("value", pa.float64(), True),
    ]
    assert schema.metadata == {b"schema_version": str(FORMAT_VERSION).encode()}


def test_a_unit_committed_again_supersedes_its_rows(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit([entry("a", status="failed"), entry("b")])
        store.commit([entry("a", version=2.0, steps=5)])
        store.commit([entry("b", version=3.0), entry("b", version=4.0, steps=0)])
    assert contents(folder) == expected(entry("a", version=2.0, steps=5), entry("b", version=4.0, steps=0))


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"units": []}, "unit a: expected one row in table units, found 0"),
        ({"units": entry("b")[2]["units"]}, "unit a: table units has a row of unit b"),
        ({**entry("a")[2], "steps": entry("b")[2]["steps"]}, "unit a: table steps has a row of unit b"),
        ({**entry("a")[2], "extra": []}, "unknown table 'extra'; tables: units, steps"),
        (
            {**entry("a")[2], "steps": [StepRow(unit_id="a", step=cast(int, 1.5), loss=0.0)]},
            "expected int64, but got double",
        ),
        (
            {**entry("a")[2], "steps": [StepRow(unit_id="a", step=2**63, loss=0.0)]},
            "column step: expected int64",
        ),
        (
            {**entry("a")[2], "steps": [StepRow(unit_id="a", step=1, loss=cast(float, None))]},
            "column loss.*got None",
        ),
    ],
)
def test_records_that_do_not_fit_are_refused_and_change_nothing(folder: Path, records: Records, message: str) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        with pytest.raises(StoreError, match=message):
            store.commit([entry("c"), ("a", "ok", records)])
        assert contents(folder) == {}
