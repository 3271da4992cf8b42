"""A commit is whole or absent, whatever happens; nothing is lost and nothing is doubled."""

import errno
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
import store_samples
from store_samples import BEFORE, FIRST, SPEC, STATES, TABLES, StepRow, UnitRow, contents, entry, expected

from distnlc.records import SCHEMA_VERSION, ArchitectureRow, EpochRow, Records, RunRow
from distnlc.store import Store, StoreError, arrow_schema, read_statuses, read_table

WRITES_OF_A_COMMIT = 7
"""two tables: fsync, replace, fsync of the folder each; then the manifest's fsync"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


def test_what_is_committed_is_read_back(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit([entry("a"), entry("b", status="failed")])
        store.commit([entry("c", steps=0)])
        assert store.statuses() == {"a": "ok", "b": "failed", "c": "ok"}
    assert contents(folder) == expected(entry("a"), entry("b", status="failed"), entry("c", steps=0))


def test_true_rows_keep_types_missing_values_and_nan(folder: Path) -> None:
    tables = {"architectures": ArchitectureRow, "runs": RunRow, "epochs": EpochRow}
    row = ArchitectureRow(
        unit_id="u", architecture_id="a", part="p", index=0, dataset="mnist", optimizer="sgd",
        criterion="validation-error", seed=2**63 - 1, d_in=1, d_out=2, depth=3, width=4, parameters=5,
        activation="relu", dilation=1.0, shift=0.0, debiased=False, bias_variance=0.05, initial_scale=1.0,
        normalization="batch", skip_strength=0.0, skip_start="linear", status="ok", seconds=1.5,
    )  # fmt: skip
    epoch = EpochRow(
        unit_id="u", architecture_id="a", run=0, epoch=1, rate=1e-300, train_loss=math.nan,
        val_error=0.1, train_error=None,
    )  # fmt: skip
    with Store.create_or_open(folder, SPEC, tables) as store:
        store.commit([("u", "ok", {"architectures": [row], "runs": [], "epochs": [epoch]})])
    (read,) = read_table(folder, "architectures").to_pylist()
    assert ArchitectureRow(**read) == row
    (read,) = read_table(folder, "epochs").to_pylist()
    assert math.isnan(read.pop("train_loss"))
    assert read == {
        "unit_id": "u", "architecture_id": "a", "run": 0, "epoch": 1, "rate": 1e-300, "val_error": 0.1,
        "train_error": None,
    }  # fmt: skip
    assert read_table(folder, "runs").schema.equals(arrow_schema(RunRow))


def test_the_schema_follows_from_the_row_type() -> None:
    schema = arrow_schema(UnitRow)
    assert [(field.name, field.type, field.nullable) for field in schema] == [
        ("unit_id", pa.string(), False),
        ("part", pa.string(), False),
        ("index", pa.int64(), False),
        ("good", pa.bool_(), False),
        ("value", pa.float64(), True),
    ]
    assert schema.metadata == {b"schema_version": str(SCHEMA_VERSION).encode()}


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
            {**entry("a")[2], "steps": [StepRow(unit_id="a", step=cast(int, "1"), loss=0.0)]},
            "step: expected int64",
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


def test_a_failing_disk_changes_nothing_and_the_commit_can_be_repeated(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for boundary in range(WRITES_OF_A_COMMIT + 1):
        here = folder / str(boundary)
        with Store.create_or_open(here, SPEC, TABLES) as store:
            store.commit(BEFORE)
            countdown = iter(range(boundary, -1, -1))

            def fail(countdown: Iterator[int] = countdown) -> None:
                if next(countdown, None) == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            with monkeypatch.context() as patch:
                store_samples.at_boundary(fail, patch.setattr)
                if boundary == WRITES_OF_A_COMMIT:
                    store.commit(FIRST)
                    break
                with pytest.raises(StoreError, match="cannot commit 2 units: No space left on device"):
                    store.commit(FIRST)
            assert contents(here) == STATES[0]
            assert not list(here.rglob("*.aside"))
            store.commit(FIRST)
            assert contents(here) == STATES[1]


def test_kill_at_every_write_boundary_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what is checked here needs no slow disk
    subprocess.run([sys.executable, store_samples.__file__, str(tmp_path)], check=True, timeout=60)
    killed = sorted((path for path in tmp_path.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    assert len(killed) > 30
    for folder in killed:
        returned = folder.with_name(folder.name + ".returned").read_bytes().count(b".")
        seen = contents(folder)
        assert seen in STATES[returned : returned + 2]
        with Store.create_or_open(folder, SPEC, TABLES) as store:
            assert contents(folder) == seen
            store.compact()
            assert contents(folder) == seen
            assert not list(folder.rglob("*.aside"))
            assert not list(folder.rglob("*.bad"))
        store_samples.work(folder)
        assert contents(folder) == STATES[2]


def test_a_torn_manifest_line_is_cut_and_the_lines_before_it_stand(folder: Path) -> None:
    store_samples.begin(folder)
    manifest = folder / "manifest"
    whole = manifest.read_bytes()
    tail = whole.splitlines(keepends=True)[-1]
    torn = [whole[:-cut] for cut in range(1, len(tail) + 1)]
    torn += [whole.removesuffix(tail) + b"\0" * 40, whole.removesuffix(tail) + b"garbage\nmore\n"]
    for data in torn:
        manifest.write_bytes(data)
        assert contents(folder) == expected(BEFORE[0])
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit(BEFORE[1:])
    assert contents(folder) == STATES[0]
    assert manifest.read_bytes() == whole


def test_a_damaged_line_amid_good_ones_is_refused_and_nothing_is_touched(folder: Path) -> None:
    store_samples.begin(folder)
    manifest = folder / "manifest"
    damaged = manifest.read_bytes().replace(b'"a":"ok"', b'"x":"ok"')
    manifest.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"manifest: line 2 is damaged.*delete that line"):
        read_statuses(folder)
    with pytest.raises(StoreError, match="line 2 is damaged"):
        Store.create_or_open(folder, SPEC, TABLES)
    assert manifest.read_bytes() == damaged
    manifest.write_bytes(b"".join(line for i, line in enumerate(damaged.splitlines(keepends=True)) if i != 1))
    assert contents(folder) == expected(BEFORE[1])
