"""Reading from outside: tables as single files, and folders of every schema version there ever was."""

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from distnlc.store import StoreError, export, read_spec_fields, read_statuses, read_table, read_tables
from tests.helpers import store_samples

ASSETS = Path(__file__).parent / "assets"


def test_export_writes_one_file_per_table(tmp_path: Path) -> None:
    store_samples.begin(tmp_path / "study")
    store_samples.work(tmp_path / "study")
    out = tmp_path / "out"
    assert export(tmp_path / "study", out, "parquet") == [str(out / "units.parquet"), str(out / "steps.parquet")]
    assert pq.read_table(out / "steps.parquet").equals(read_table(tmp_path / "study", "steps"))
    assert export(tmp_path / "study", out, "csv") == [str(out / "units.csv"), str(out / "steps.csv")]
    rows = list(csv.DictReader((out / "units.csv").read_text().splitlines()))
    assert [row["unit_id"] for row in rows] == ["d", "c", "b", "a"]
    assert rows[-1] == {"unit_id": "a", "part": "p", "index": "25", "good": "true", "value": "3"}


def test_parquet_files_say_nothing_of_a_columns_numbers_that_nan_would_make_wrong(tmp_path: Path) -> None:
    """Statistics leave nan out, and DuckDB finds no nan in a column that has them."""
    store_samples.begin(tmp_path / "study")
    store_samples.work(tmp_path / "study")
    export(tmp_path / "study", tmp_path, "parquet")
    columns = pq.read_metadata(tmp_path / "units.parquet").row_group(0)
    described = {columns.column(i).path_in_schema: columns.column(i).is_stats_set for i in range(columns.num_columns)}
    assert described == {"unit_id": True, "part": True, "index": True, "good": True, "value": False}


def test_export_to_where_nothing_can_be_written_is_a_clear_error(tmp_path: Path) -> None:
    store_samples.begin(tmp_path / "study")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot export to this folder \(--out names another\): File exists"):
        export(tmp_path / "study", tmp_path / "file", "csv")


def test_a_table_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    store_samples.begin(tmp_path / "study")
    with pytest.raises(StoreError, match="no table 'epochs'; tables: units, steps"):
        read_table(tmp_path / "study", "epochs")


def test_the_store_of_file_format_1_is_read() -> None:
    """Written by assets/make_store.py when the file format was 1; never to be written again."""
    folder = ASSETS / "store_v1"
    assert read_spec_fields(folder)["name"] == "tiny"
    assert read_statuses(folder) == {"u0": "ok", "u1": "failed"}
    tables = read_tables(folder)
    assert {name: table.num_rows for name, table in tables.items()} == {
        "architectures": 2,
        "runs": 2,
        "epochs": 4,
    }
    first, second = tables["architectures"].to_pylist()
    assert (first["unit_id"], first["depth"], first["init_nlc"]) == ("u0", 5, 2.5)
    assert first["best_at_edge"] is False
    assert (second["status"], second["reason"], second["init_nlc"]) == ("failed", "out of memory", None)
    assert tables["runs"]["val_error"].to_pylist() == [0.5, None]
    assert tables["epochs"]["train_loss"].to_pylist()[:2] == [1.25, 1.0]
    assert tables["epochs"].schema.metadata == {b"schema_version": b"1"}


def test_the_store_of_file_format_2_is_read() -> None:
    """Written by assets/make_store.py when the file format was 2, which brought initializations and costs."""
    folder = ASSETS / "store_v2"
    assert read_statuses(folder) == {"u0": "ok", "u1": "failed", "u2": "skipped"}
    first, _, third = read_tables(folder)["architectures"].to_pylist()
    assert (first["initialization"], first["jacobian_seconds"], first["device"]) == (1, 0.25, "a processor")
    assert (third["status"], third["init_nlc"], third["test_error"]) == ("skipped", 9.5, None)
