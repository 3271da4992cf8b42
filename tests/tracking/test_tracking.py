"""The mirror shows every committed unit once and follows the study live."""

import json
import math
import sqlite3
import subprocess
import sys
from threading import Event, Thread
from typing import Any

import pytest

from distnlc.spec import spec_id, to_yaml
from distnlc.tracking import tracker as mirror
from distnlc.tracking.address import sqlite_file
from tests.helpers.mirrored import Study, view
from tests.helpers.servers import LONG_S, wait_for

pytestmark = pytest.mark.slow  # with a real database


def test_units_appear_with_params_metrics_curves_and_tags(study: Study) -> None:
    tracker = study.tracker()
    tracker.unit("u0", "ok", view("first"))
    tracker.unit("u1", "failed", view("second", params={}, metrics={}, curves={}, tags={"reason": "x" * 9000}))
    tracker.unit("u2", "ok", view("third"))
    assert tracker.close(LONG_S)
    units = study.units()
    assert {unit: run.info.status for unit, run in units.items()} == {
        "u0": "FINISHED",
        "u1": "FAILED",
        "u2": "FINISHED",
    }
    first = units["u0"]
    assert first.info.run_name == "first"
    assert first.data.params == {"depth": "5", "activation": "relu", "debiased": "True"}
    assert first.data.metrics == {"init_nlc": 2.5, "test_error": 0.25, "rate_val_error": 0.7}
    assert study.curve(first, "rate_val_error") == [(0, 0.9), (1, 0.5), (2, 0.7)]
    tags = {key: value for key, value in first.data.tags.items() if not key.startswith("mlflow.")}
    assert tags == {"part": "main", "unit_id": "u0", "status": "ok"}


def test_the_summary_run_follows_the_study_and_is_reused_on_resume(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "PROGRESS_S", 0.0)
    for done in (1, 2):
        tracker = study.tracker()
        tracker.progress(
            done=done,
            failed=1,
            total=3,
            units_per_hour=100.0,
            seconds_left=None if done == 1 else 36.0,
            headline={"correlation": done / 4, "undefined": math.nan},
        )
        assert tracker.close(LONG_S)
        summary = study.summary()
        assert summary.info.status == ("KILLED" if done == 1 else "FINISHED")
    assert study.curve(summary, "done") == [(2, 1.0), (3, 2.0)]
    assert study.curve(summary, "correlation") == [(2, 0.25), (3, 0.5)]
    assert study.curve(summary, "seconds_left") == [(3, 0.0)]
    tracker = study.tracker()  # with nothing to do
    tracker.progress(done=2, failed=1, total=3, units_per_hour=0.0, seconds_left=None, headline={})
    assert tracker.close(LONG_S)
    summary = study.summary()
    assert summary.data.metrics["units_per_hour"] == 100.0
    assert summary.data.metrics["seconds_left"] == 0.0
    assert "undefined" not in summary.data.metrics
    assert summary.data.tags["study_id"] == spec_id(study.spec)
    assert summary.data.tags["version.python"].startswith("3.")
    artifacts = study.artifacts()
    assert summary.info.artifact_uri == artifacts.as_uri()
    assert (artifacts / "study.yaml").read_text() == to_yaml(study.spec)


def test_resume_mirrors_what_is_missing_and_nothing_twice(study: Study) -> None:
    tracker = study.tracker()
    study.commit(tracker, "kept")
    study.commit(tracker, "repeated", "failed", view("old"))
    assert tracker.close(LONG_S)
    kept = study.units()["kept"].info.run_id
    experiment = study.summary().info.experiment_id
    study.client().create_run(experiment, tags={"unit_id": "cut short"})  # what a crash leaves behind
    study.rows["cut short"] = "ok", view("whole")
    study.rows["repeated"] = "ok", view("new")
    assert study.tracker().close(LONG_S)
    study.assert_whole()
    units = study.units()
    assert {unit: run.info.run_name for unit, run in units.items()} == {
        "kept": "kept",
        "repeated": "new",
        "cut short": "whole",
    }
    assert units["kept"].info.run_id == kept


def test_a_unit_that_was_done_again_is_shown_as_it_is_now(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if its status is the same, and if MLflow is away when it comes."""
    from mlflow.tracking import MlflowClient

    monkeypatch.setattr(mirror, "RETRY_S", 0.01)
    tracker = study.tracker()
    study.commit(tracker, "u", "failed", view("u", params={"depth": 1}))
    assert tracker.close(LONG_S)
    delete_run, failures = MlflowClient.delete_run, iter([True])

    def unreliable(*arguments: Any) -> None:
        if next(failures, False):
            raise ConnectionError("server gone")
        delete_run(*arguments)

    monkeypatch.setattr(MlflowClient, "delete_run", unreliable)
    tracker = study.tracker()
    study.commit(tracker, "u", "failed", view("u", params={"depth": 2}))
    wait_for(lambda: tracker.behind() == 0, "unit")
    assert tracker.close(LONG_S)
    study.assert_whole()


def test_a_mirror_left_whole_is_known_without_listing_its_runs(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = study.tracker()
    study.commit(tracker, "first")
    assert tracker.close(LONG_S)
    from mlflow.tracking import MlflowClient

    asked: list[str] = []
    search_runs = MlflowClient.search_runs

    def noted(client: Any, experiments: list[str], which: str = "", **named: Any) -> Any:
        asked.append(which)
        return search_runs(client, experiments, which, **named)

    monkeypatch.setattr(MlflowClient, "search_runs", noted)
    tracker = study.tracker()
    study.commit(tracker, "second")
    assert tracker.close(LONG_S)
    assert asked
    assert "" not in asked
    study.assert_whole()
    study.rows["third"] = "ok", view("third")  # committed by a session that died
    assert study.tracker().close(LONG_S)
    assert "" in asked
    study.assert_whole()


def test_the_ui_offers_a_table_of_units_and_says_what_there_is_to_see(study: Study) -> None:
    """What MLflow's page makes of these tags was looked at in a browser; see `Experiment`."""
    tracker = study.tracker()
    columns = {"table": ["test_error", "depth"], "note": "its curves", "metrics": {"test_error": 0.2, "seconds": 90.0}}
    study.commit(tracker, "u", shown=view("u", **columns))
    assert tracker.close(LONG_S)
    run, summary = study.units()["u"], study.summary()
    assert run.data.tags["mlflow.note.content"] == "its curves"
    assert run.info.end_time - run.info.start_time == 90_000
    experiment = study.client().get_experiment(run.info.experiment_id)
    saved = json.loads(experiment.tags["mlflow.sharedViewState.distnlc"])
    assert saved["name"] == "units"
    state = json.loads(saved["state"])
    assert state["selectedColumns"] == ["metrics.`test_error`", "params.`depth`"]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`test_error`", True)
    for note in (experiment.tags["mlflow.note.content"], summary.data.tags["mlflow.note.content"]):
        assert f"(#/experiments/{experiment.experiment_id}/runs?" in note
        assert "viewStateShareKey=distnlc" in note
    assert summary.info.run_id in experiment.tags["mlflow.note.content"]


def test_limits_of_mlflow_are_kept(study: Study) -> None:
    many = view(
        "many",
        params={f"p{i}": i for i in range(150)},
        metrics={"nlc": math.inf, "bias": math.nan, "test_error": 0.5},
        curves={"loss": [(i, i / 2) for i in range(2500)]},
    )
    tracker = study.tracker()
    tracker.unit("u", "diverged", many)
    assert tracker.close(LONG_S)
    run = study.units()["u"]
    assert len(run.data.params) == 150
    assert set(run.data.metrics) == {"test_error", "loss"}
    assert len(study.curve(run, "loss")) == 2500


def test_what_mlflow_rejects_costs_that_value_only(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    tracker = study.tracker()
    tracker.unit("odd", "ok", view("odd", metrics={"what?": 1.0}, curves={}))
    tracker.unit("next", "ok", view("next"))
    assert tracker.close(LONG_S)
    assert set(study.units()) == {"odd", "next"}
    assert "MLflow rejects a value" in caplog.text


def test_a_table_that_mlflow_does_not_take_costs_the_table_only(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    tracker = study.tracker()
    for unit in ("first", "second"):
        study.commit(tracker, unit, shown=view(unit, table=["test_error", "depth" * 2000]))
    assert tracker.close(LONG_S)
    study.assert_whole()
    assert caplog.text.count("MLflow takes no table of units") == 1


def test_the_report_is_an_artifact_of_the_summary_run(study: Study) -> None:
    """Each session puts its own in the place of the last one; one that is interrupted has none."""
    last = None
    for page in ("<p>first é</p>", "<p>second</p>", None):
        tracker = study.tracker()
        study.commit(tracker, f"unit {page}")
        if page is not None:
            tracker.report(lambda page=page: page)
        assert tracker.close(LONG_S)
        last = page or last
        assert (study.artifacts() / "report.html").read_text(encoding="utf-8") == last
    study.assert_whole()


def test_a_report_that_cannot_be_logged_costs_one_warning(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    def unreadable() -> str:
        raise FileNotFoundError("no such page")

    tracker = study.tracker()
    study.commit(tracker, "u")
    tracker.report(unreadable)
    assert tracker.close(LONG_S)
    study.assert_whole()
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning == "cannot put the report into the artifact store: FileNotFoundError: no such page"


def test_a_report_that_hangs_holds_nothing_up(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    reading, going_on = Event(), Event()

    def page() -> str:
        reading.set()
        going_on.wait()
        return "late"

    tracker = study.tracker()
    study.commit(tracker, "u")
    tracker.report(page)
    closing = Thread(target=tracker.close)
    closing.start()
    assert reading.wait(LONG_S)
    study.assert_whole()
    assert study.summary().info.status != "RUNNING"
    assert tracker.close(0.2), "every unit is there"
    assert "the report is not yet in MLflow; running the study again completes that" in caplog.text
    going_on.set()
    closing.join(LONG_S)


def test_importing_the_module_loads_no_mlflow() -> None:
    program = "import sys, distnlc.tracking; sys.exit('mlflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_database_is_whole_and_in_write_ahead_mode(database: str) -> None:
    path = sqlite_file(database)
    assert path is not None
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert not list(path.parent.glob(".mlflow-*"))
    assert [each.name for each in path.parent.parent.iterdir()] == [path.parent.name], "MLflow makes what it misreads"
