"""The artifacts of a study's own database are in the study's folder, wherever MLflow's records say they are."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from distnlc.tracking import default_uri
from distnlc.tracking.address import sqlite_file
from tests.helpers.mirrored import Study


@pytest.fixture
def own(tmp_path: Path, database: str) -> Study:
    """A study with a database of its own, copied from one that is made already."""
    folder = tmp_path / "study"
    folder.mkdir()
    made = sqlite_file(database)
    assert made is not None
    with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(folder / "mlflow.db")) as copy:
        source.backup(copy)
    return Study(folder, default_uri(folder), seed=13)


def elsewhere(study: Study, folder: Path) -> Study:
    """The same study in another folder."""
    other = Study(folder, default_uri(folder), seed=13)
    other.rows = study.rows
    return other


def finish(study: Study, page: str) -> None:
    """One session, with a unit of its own and a report."""
    tracker = study.tracker()
    study.commit(tracker, f"unit {page}")
    tracker.report(lambda: page)
    assert tracker.close(30)
    study.assert_whole()


def report(study: Study) -> str:
    return (study.artifacts() / "report.html").read_text(encoding="utf-8")


def said_of_artifacts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All but that the mirror takes its time."""
    return [message for message in caplog.messages if "; Ctrl-C leaves that" not in message]


def edit(study: Study, change: str, *values: Any) -> None:
    with closing(sqlite3.connect(study.folder / "mlflow.db")) as database:
        database.execute(change, values)
        database.commit()


@pytest.mark.parametrize("copied", [False, True])
def test_the_artifacts_follow_a_folder_that_is_moved_or_copied(
    own: Study, copied: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finish(own, "first")
    assert said_of_artifacts(caplog) == []
    (shutil.copytree if copied else shutil.move)(own.folder, tmp_path / "moved #2")
    moved = elsewhere(own, tmp_path / "moved #2")
    finish(moved, "second")
    assert report(moved) == "second"
    if copied:
        assert report(own) == "first"
    assert own.folder.exists() == copied
    runs = moved.runs()
    assert {run.info.artifact_uri for run in runs} == {
        f"{(moved.folder / 'mlartifacts').as_uri()}/{run.info.run_id}/artifacts" for run in runs
    }
    was = (own.folder / "mlartifacts").as_uri()
    assert said_of_artifacts(caplog) == [
        f"the study's artifacts are in {moved.folder}/mlartifacts; MLflow had them in {was!r}"
    ]


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("runs", "http://127.0.0.1:9/x\x1b"),
        ("runs", "../../victim"),
        ("experiments", "FOLDER"),
        ("experiments", "mlflow-artifacts:/1"),
    ],
)
def test_a_place_that_was_edited_is_not_used_and_that_is_said(
    own: Study, place: str, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finish(own, "first")
    place = place.replace("FOLDER", (tmp_path / "victim").as_uri())
    column = "artifact_uri" if table == "runs" else "artifact_location"
    edit(own, f"UPDATE {table} SET {column} = ?", place)
    edit(own, f"CREATE TRIGGER again AFTER UPDATE ON {table} BEGIN UPDATE {table} SET {column} = 'http://x'; END")
    finish(own, "second")
    assert report(own) == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"]
    (said,) = said_of_artifacts(caplog)
    assert said == f"the study's artifacts are in {own.folder}/mlartifacts; MLflow had them in {place!r}"
    assert said.isprintable()


@pytest.mark.parametrize("linked", ["mlartifacts", "mlartifacts/RUN/artifacts/report.html"])
def test_artifacts_are_not_written_through_a_link(
    own: Study, linked: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finish(own, "first")
    path = own.folder / linked.replace("RUN", own.summary().info.run_id)
    path.rename(tmp_path / "victim")
    path.symlink_to(tmp_path / "victim")
    before = {file: file.read_bytes() for file in (tmp_path / "victim").rglob("*") if file.is_file()}
    finish(own, "second")
    assert {file: file.read_bytes() for file in (tmp_path / "victim").rglob("*") if file.is_file()} == before
    assert "cannot put the report into the artifact store: TrackingError" in caplog.text
    assert "leads elsewhere, through a symbolic link" in caplog.text


def test_in_a_database_of_the_user_s_the_place_that_he_chose_stays(
    study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finish(study, "first")
    chosen, experiment = (tmp_path / "chosen").as_uri(), int(study.summary().info.experiment_id)
    path = sqlite_file(study.uri)
    assert path is not None
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (chosen, experiment))
        database.execute(
            "UPDATE runs SET artifact_uri = ? || '/' || run_uuid WHERE experiment_id = ?", (chosen, experiment)
        )
        database.commit()
    finish(study, "second")
    assert (tmp_path / "chosen" / study.summary().info.run_id / "report.html").read_text(encoding="utf-8") == "second"
    assert said_of_artifacts(caplog) == []


def test_in_a_database_of_the_user_s_the_artifacts_follow_the_folder_too(
    study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study.folder = tmp_path / "before"
    study.folder.mkdir()
    finish(study, "first")
    study.folder = study.folder.rename(tmp_path / "after")
    finish(study, "second")
    assert report(study) == "second"
    assert not (tmp_path / "before").exists()
    assert len(said_of_artifacts(caplog)) == 1
