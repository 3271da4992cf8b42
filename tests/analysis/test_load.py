"""Loading gives every committed row of any kind, with the kind's columns, and says what is wrong with a folder."""

from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pytest

from distnlc import analysis
from distnlc.records import READ_BY_NAME
from distnlc.spec import StudySpec
from distnlc.store import Store, StoreError
from distnlc.studies.nlc import KIND
from distnlc.studies.nlc.records import ArchitectureRow, EpochRow, RunRow
from distnlc.studies.rehearsal import RehearsalRow
from tests.helpers.synthetic import architecture_row, failed_row, invented, write_study


def test_columns_are_those_of_the_records(tmp_path: Path) -> None:
    tables = analysis.load(write_study(tmp_path / "study", [architecture_row()]))
    for frame, row_type in zip(tables, (ArchitectureRow, RunRow, EpochRow), strict=True):
        assert list(frame.columns) == [field.name for field in fields(row_type)]
    assert [len(frame) for frame in tables] == [1, 3, 3]


def test_nothing_is_dropped_and_gaps_are_missing_values(tmp_path: Path) -> None:
    rows = [failed_row(2), architecture_row(1, init_nlc=float("inf")), architecture_row(0, best_at_edge=True)]
    frame = analysis.load(write_study(tmp_path / "study", rows)).architectures
    assert list(frame["index"]) == [0, 1, 2]
    assert list(frame["status"]) == ["ok", "ok", "failed"]
    assert frame["init_nlc"].isna().tolist() == [False, False, True]
    assert frame["init_nlc"][1] == float("inf")
    assert frame["best_at_edge"].tolist() == [True, False, pd.NA]


def test_some_tables_can_be_loaded_alone(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", [architecture_row()])
    whole, some = analysis.load(folder), analysis.load(folder, ["epochs", "architectures"])
    assert list(some.frames) == ["architectures", "epochs"]
    for name, frame in some.frames.items():
        pd.testing.assert_frame_equal(frame, whole[name])


def test_rows_do_not_depend_on_the_order_of_commits(tmp_path: Path) -> None:
    rows = [architecture_row(index) for index in range(5)]
    forwards = analysis.load(write_study(tmp_path / "a", rows))
    backwards = analysis.load(write_study(tmp_path / "b", rows[::-1]))
    for one, other in zip(forwards, backwards, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_an_older_study_has_todays_columns() -> None:
    frame = analysis.load(Path(__file__).parents[1] / "store" / "assets" / "store_v1").architectures
    assert list(frame.columns) == [field.name for field in fields(ArchitectureRow)]
    assert frame["initialization"].tolist() == [0, 0]
    assert frame["jacobian_seconds"].dtype == float
    assert frame[["jacobian_seconds", "device"]].isna().all(axis=None)


def test_a_study_without_rows_has_empty_tables_with_all_columns(tmp_path: Path) -> None:
    tables = analysis.load(write_study(tmp_path / "study", []))
    assert [len(frame) for frame in tables] == [0, 0, 0]
    assert tables.architectures["init_nlc"].dtype == float


def test_a_folder_that_is_no_study_is_refused_by_name(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StoreError, match=f"{folder}: not a study folder"):
            analysis.load(folder)


@dataclass
class Odd:
    """No row of a kind there is."""

    unit_id: str
    init_nlc: str


def test_a_study_that_is_not_of_the_kind_it_says_is_refused(tmp_path: Path) -> None:
    for number, (tables, said) in enumerate(
        (
            ({"measurements": ArchitectureRow}, "expected a study of kind nlc, but its tables are measurements"),
            ({"architectures": Odd}, "expected a column init_nlc of type float[?], found str"),
        )
    ):
        folder = tmp_path / str(number)
        with Store.create_or_open(folder, StudySpec(kind="nlc"), tables):
            pass
        with pytest.raises(StoreError, match=said):
            analysis.load(folder)


def test_a_kind_that_is_not_installed_is_loaded_as_its_folder_says(tmp_path: Path) -> None:
    with Store.create_or_open(tmp_path / "s", StudySpec(kind="other"), {"units": RehearsalRow, "long": RunRow}) as s:
        for index in (1, 0):
            unit = f"u{index}"
            row = invented(RehearsalRow, unit_id=unit, part="a", index=index, status="ok", value=None)
            runs = [invented(RunRow, unit_id=unit, architecture_id="a", run=run) for run in (2, 0)]
            s.commit([(unit, "ok", {"units": [row], "long": runs})])
    tables = analysis.load(tmp_path / "s")
    units, long = tables
    assert (tables.kind, list(tables.frames)) == ("other", ["units", "long"])
    assert tables["units"] is tables.units is tables.first is units
    assert list(units["index"]) == [0, 1]
    assert list(zip(long["unit_id"], long["run"], strict=True)) == [("u0", 0), ("u0", 2), ("u1", 0), ("u1", 2)]
    assert list(long.columns) == [field.name for field in fields(RunRow)]
    with pytest.raises(AttributeError, match="no table 'runs'; tables: units, long"):
        _ = tables.runs


def test_a_table_that_is_younger_than_the_study_is_empty(tmp_path: Path) -> None:
    with Store.create_or_open(tmp_path / "s", StudySpec(kind="nlc"), {"architectures": ArchitectureRow}):
        pass
    epochs = analysis.load(tmp_path / "s").epochs
    assert (len(epochs), list(epochs.columns)) == (0, [field.name for field in fields(EpochRow)])


def test_tables_that_are_read_by_name_are_never_unpacked() -> None:
    tables = analysis.load(analysis.EXAMPLE)
    assert len(list(tables)) == len(["architectures", "runs", "epochs"])
    for name, row_type in READ_BY_NAME.items():
        assert list(tables[name].columns) == [field.name for field in fields(row_type)]
    assert len(tables.measurements) > 0


def test_a_study_from_before_these_tables_is_continued(tmp_path: Path) -> None:
    spec = StudySpec(kind="nlc")
    older = {name: row_type for name, row_type in KIND.tables.items() if name not in READ_BY_NAME}
    Store.create_or_open(tmp_path / "study", spec, older).close()
    empty: dict[str, list[object]] = {name: [] for name in KIND.tables}
    with Store.create_or_open(tmp_path / "study", spec, KIND.tables) as store:
        row = architecture_row()
        store.commit([(row.unit_id, row.status, empty | {"architectures": [row]})])
    tables = analysis.load(tmp_path / "study")
    assert (len(tables.architectures), len(tables.measurements)) == (1, 0)
