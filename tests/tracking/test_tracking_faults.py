"""Whatever happens to MLflow: the study is neither slowed nor stopped, and the mirror is whole in the end."""

import logging
import math
import sys
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distnlc.tracking import default_uri
from distnlc.tracking import tracker as mirror
from distnlc.tracking.experiment import Experiment
from distnlc.tracking.view import View
from tests.helpers.mirrored import Study, view
from tests.helpers.servers import LONG_S, wait_for


def test_a_failure_amid_a_unit_is_repaired_from_the_store(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setattr(mirror, "RETRY_S", 0.01)
    log_batch, failures = MlflowClient.log_batch, iter([True, True])

    def unreliable(*arguments: Any, **named: Any) -> None:
        if next(failures, False):
            raise ConnectionError("server gone")
        log_batch(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", unreliable)
    tracker = study.tracker()
    study.commit(tracker, "u0")
    study.commit(tracker, "u1")
    wait_for(lambda: tracker.behind() == 0, "whole mirror")
    assert tracker.close(LONG_S)
    study.assert_whole()
    assert caplog.text.count("ConnectionError: server gone") == 1


def test_one_unit_that_never_gets_through_does_not_keep_the_others_out(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setattr(mirror, "RETRY_S", 0.01)
    create_run = MlflowClient.create_run

    def picky(*arguments: Any, run_name: str, **named: Any) -> Any:
        if run_name == "poison":
            raise ConnectionError("reset by peer")
        return create_run(*arguments, run_name=run_name, **named)

    monkeypatch.setattr(MlflowClient, "create_run", picky)
    tracker = study.tracker()
    for unit in ("first", "poison", "last"):
        study.commit(tracker, unit)
    wait_for(lambda: tracker.behind() == 1, "mirror of the others")
    assert tracker.close(LONG_S) is False
    assert set(study.units()) == {"first", "last"}
    assert "the mirror goes without unit poison" in caplog.text


def test_units_that_do_not_fit_in_the_queue_come_from_the_store(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "QUEUED_UNITS", 2)
    tracker = study.tracker()
    for i in range(20):
        study.commit(tracker, f"u{i}")
    assert tracker.close(LONG_S)
    study.assert_whole()


@pytest.mark.slow
def test_close_says_what_is_left_and_the_next_session_does_it(
    study: Study, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store gives no more than the first units before it is let go on."""
    going_on, views = threading.Event(), study.views

    def held_up(wanted: Collection[str]) -> Iterable[tuple[str, View]]:
        for number, each in enumerate(views(wanted)):
            if number == 3:
                going_on.wait()
            yield each

    monkeypatch.setattr(study, "views", held_up)
    monkeypatch.setattr(mirror, "PATIENCE_S", 0.0)
    for i in range(60):
        study.rows[f"u{i}"] = "ok", view(f"unit {i}")
    tracker = study.tracker()
    wait_for(lambda: tracker.behind() is not None, "list of what is mirrored")
    assert tracker.close(0.5) is False
    assert "of 60 units are not yet in MLflow; Ctrl-C leaves that to the next run of this study" in caplog.text
    assert "of 60 units are not yet in MLflow; running the study again completes that" in caplog.text
    monkeypatch.setattr(mirror, "REST", 0.0)
    going_on.set()
    assert tracker.close(math.inf)
    study.assert_whole()


@pytest.mark.slow
def test_while_the_study_runs_the_mirror_takes_a_small_share_of_the_interpreter(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its processor time and the pauses that it asks for, both of which other work leaves as they are."""
    pauses_s: list[float] = []

    class Noted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses_s.append(timeout or 0.0)
            return super().wait(timeout)

    monkeypatch.setattr(mirror, "threading", SimpleNamespace(Event=Noted, Thread=threading.Thread))
    enough = threading.Event()

    def views(wanted: Collection[str]) -> Iterable[tuple[str, View]]:
        for unit_id in wanted:
            if enough.is_set():
                return
            yield unit_id, view(unit_id)

    monkeypatch.setattr(study, "views", views)
    study.rows = {f"u{i}": ("ok", view(f"u{i}")) for i in range(10_000)}
    tracker = study.tracker()
    wait_for(lambda: (tracker.behind() or 0) in range(1, 10_000), "first unit")
    before_s, paused, missing = time.process_time() - time.thread_time(), len(pauses_s), tracker.behind() or 0
    wait_for(lambda: (tracker.behind() or 0) <= missing - 20, "twenty units more")
    cpu_s = time.process_time() - time.thread_time() - before_s
    assert cpu_s < sum(pauses_s[paused:])
    enough.set()
    assert tracker.close(LONG_S)


def test_a_dead_server_is_one_warning_and_the_end_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By the third try; `close` may wait for as long as there is an answer, and there is none."""
    tries: list[str] = []

    def noted(*arguments: Any) -> Experiment:
        tries.append("another")
        return Experiment(*arguments)

    monkeypatch.setattr(mirror, "Experiment", noted)
    monkeypatch.setattr(mirror, "RETRY_S", 0.1)
    study = Study(tmp_path, "http://somebody:secret@127.0.0.1:9", seed=0)
    tracker = study.tracker()
    study.commit(tracker, "u")
    tracker.progress(done=1, failed=0, total=1, units_per_hour=1.0, seconds_left=0.0, headline={})
    wait_for(lambda: len(tries) == 3, "third try")
    with caplog.at_level(logging.DEBUG):
        assert tracker.close(math.inf) is False
    assert caplog.text.count("cannot mirror to http://***@127.0.0.1:9") == 1
    assert "running the study again completes it" in caplog.text
    assert "secret" not in caplog.text


def test_close_does_not_wait_for_one_that_never_answers(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def never() -> Mapping[str, str]:
        answer.wait()
        return {}

    monkeypatch.setattr(study, "statuses", never)
    tracker = study.tracker()
    assert tracker.close(0.3) is False, "there is no answer yet"
    answer.set()
    assert tracker.close(LONG_S)


def test_without_mlflow_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in ("mlflow", "mlflow.tracking"):
        monkeypatch.setitem(sys.modules, module, None)
    tracker = Study(tmp_path, default_uri(tmp_path), seed=0).tracker()
    tracker.unit("u", "ok", view("unseen"))
    assert tracker.close(LONG_S) is False
    assert "ModuleNotFoundError" in caplog.text


def test_a_mirror_that_can_never_be_made_is_not_promised(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    """The database became a link after the study had begun."""
    study.uri = default_uri(study.folder)
    (study.folder / "mlflow.db").symlink_to(study.folder / "victim")
    tracker = study.tracker()
    study.commit(tracker, "u")
    assert tracker.close(10) is False
    (said,) = caplog.messages
    assert said.startswith(f"no mirror in MLflow: {study.folder}/mlflow.db: a symbolic link")
    assert "running the study again" not in said
    assert not (study.folder / "victim").exists()


def test_an_end_that_does_not_wait_leaves_no_half_a_database_and_no_word(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    making, going_on = threading.Event(), threading.Event()

    def make_slowly(*_: Any) -> Mapping[str, str]:
        (study.folder / ".mlflow-half").mkdir()
        making.set()
        going_on.wait(30)
        return {}

    monkeypatch.setattr(study, "statuses", make_slowly)
    tracker = study.tracker()
    assert making.wait(30)
    started = time.monotonic()
    assert tracker.close(0.0) is False
    assert time.monotonic() - started < 1.0
    assert list(study.folder.iterdir()) == []
    assert caplog.messages == []
    going_on.set()
    assert tracker.close(30)
