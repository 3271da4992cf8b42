"""A mirror on real servers, which are killed, hang, fail and come back: the study never waits, nothing is lost.

CHAOS=full leaves the server away for the true minute, with the true pause between attempts.
"""

import math
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from distnlc.tracking import default_uri
from distnlc.tracking import tracker as mirror
from distnlc.tracking.experiment import Experiment
from tests.helpers.mirrored import Study, view
from tests.helpers.servers import LONG_S, MlflowServer, PostgreSQL, Proxy, wait_for

FULL = os.environ.get("CHAOS") == "full"

pytestmark = pytest.mark.slow
HAS_POSTGRES = shutil.which("postgres") is not None


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[MlflowServer]]:
    """One over SQLite, and one over PostgreSQL where there is one; started together, since each takes seconds."""
    folder = tmp_path_factory.mktemp("sqlite")
    started = [MlflowServer(folder, default_uri(folder))]
    started[0].start()
    postgres = None
    try:
        if HAS_POSTGRES:
            postgres = PostgreSQL()
            started.append(MlflowServer(tmp_path_factory.mktemp("over_pg"), postgres.uri))
            started[1].start()
        yield started
    finally:
        for server in started:
            server.kill()
        if postgres is not None:
            postgres.stop()


@pytest.fixture
def server(servers: list[MlflowServer]) -> MlflowServer:
    servers[0].wait()
    return servers[0]


@pytest.fixture
def proxy(server: MlflowServer) -> Iterator[Proxy]:
    between = Proxy(server.port)
    yield between
    between.stop()


@pytest.fixture
def retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, but in a full chaos test."""
    if not FULL:
        monkeypatch.setattr(mirror, "RETRY_S", 0.5)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives up after a second, tries again at once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(mirror, "RETRY_S", 0.2)


def commit_at_once(study: Study, tracker: mirror.Tracker, *unit_ids: str) -> None:
    """As the driver does; it may not notice what happens to the mirror: it neither waits nor talks to MLflow itself."""
    called = set[tuple[str, str]]()  # module and function
    sys.setprofile(lambda frame, *_: called.add((frame.f_globals.get("__name__", ""), frame.f_code.co_name)))
    try:
        for unit_id in unit_ids:
            study.commit(tracker, unit_id)
            numbers = {"units_per_hour": 60.0, "seconds_left": None, "headline": {}}
            tracker.progress(done=len(study.rows), failed=0, total=99, **numbers)
    finally:
        sys.setprofile(None)
    modules, functions = map(set, zip(*called, strict=True))
    assert mirror.__name__ in modules
    assert Experiment.__module__ not in modules
    assert not functions & {"wait", "join"}


def until_whole(tracker: mirror.Tracker) -> None:
    wait_for(lambda: tracker.behind() == 0, "whole mirror")


@pytest.mark.usefixtures("retries")
def test_a_server_killed_amid_a_unit_and_back_later_misses_nothing(
    server: MlflowServer,
    proxy: Proxy,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    study = Study(tmp_path, proxy.uri, seed=1)
    tracker = study.tracker()
    commit_at_once(study, tracker, "before")
    until_whole(tracker)

    def kill(path: str) -> None:
        if path.endswith("log-batch"):
            server.kill()

    proxy.before = kill
    commit_at_once(study, tracker, "amid")
    wait_for(lambda: "cannot mirror to" in caplog.text, "failure")
    assert server.process is None
    proxy.before = lambda _: None
    commit_at_once(study, tracker, *(f"away {i}" for i in range(10)))
    time.sleep(60 if FULL else 1)
    server.start()
    server.wait()
    until_whole(tracker)
    commit_at_once(study, tracker, "after")
    assert tracker.close(LONG_S)
    study.assert_whole()
    assert caplog.text.count("cannot mirror to") == 1


@pytest.mark.usefixtures("impatient")
def test_a_server_that_answers_500_or_hangs_is_waited_for(proxy: Proxy, tmp_path: Path) -> None:
    study = Study(tmp_path, proxy.uri, seed=2)
    tracker = study.tracker()
    commit_at_once(study, tracker, "before")
    until_whole(tracker)
    proxy.failing = True
    commit_at_once(study, tracker, "while it fails")
    wait_for(lambda: proxy.failures, "failure")
    proxy.failing = False
    until_whole(tracker)
    with proxy.holding() as go_on:
        commit_at_once(study, tracker, "while it hangs", "and another")
        wait_for(lambda: tracker.behind() is None, "failure")
        wait_for(lambda: len(proxy.held) > 2, "more tries")
    until_whole(tracker)
    go_on.set()  # what the mirror gave up arrives all the same
    wait_for(lambda: not proxy.held, "arrival")
    assert tracker.close(LONG_S)
    study.assert_whole()


@pytest.mark.usefixtures("impatient")
def test_the_end_of_a_study_does_not_wait_for_a_server_that_hangs(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would wait for as long as the server answers; and after the first try it never does."""
    study = Study(tmp_path, proxy.uri, seed=3)
    with proxy.holding() as go_on:
        tracker = study.tracker()
        commit_at_once(study, tracker, "unseen")
        wait_for(lambda: "cannot mirror to" in caplog.text, "failure")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10000")
        assert tracker.close(math.inf) is False
    proxy.failing = True
    go_on.set()
    assert tracker.close(math.inf) is False
    proxy.failing = False
    assert study.tracker().close(LONG_S)  # the same command again
    study.assert_whole()


@pytest.mark.skipif(not HAS_POSTGRES, reason="PostgreSQL is not installed here: no `postgres` on the path")
def test_a_study_on_a_server_over_postgresql(servers: list[MlflowServer], tmp_path: Path) -> None:
    server = servers[1]
    server.wait()
    for number, uri in enumerate((server.uri, server.backend)):  # through the server, then the bare database
        folder = tmp_path / str(number)
        folder.mkdir()
        study = Study(folder, uri, seed=4 + number)
        tracker = study.tracker()
        commit_at_once(study, tracker, *(f"u{i}" for i in range(5)))
        strange = {"reason": "NUL \0 and half a \ud800 character, which PostgreSQL does not take"}
        study.commit(tracker, "failed", "failed", view("failed", metrics={}, curves={}, tags=strange))
        assert tracker.close(LONG_S)
        study.assert_whole()
        study.rows["failed"] = "ok", view("done again")
        assert study.tracker().close(LONG_S)
        study.assert_whole()
        assert study.summary().data.metrics["done"] == 5


@pytest.fixture
def hasty_sqlite() -> Iterator[None]:
    """MLflow lets SQLite wait 20 s for a lock; here 2 s, but in a full chaos test."""

    def sooner(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return statement.replace("busy_timeout = 20000", "busy_timeout = 2000"), parameters

    if not FULL:
        event.listen(Engine, "before_cursor_execute", sooner, retval=True)
    yield
    if not FULL:
        event.remove(Engine, "before_cursor_execute", sooner)


@pytest.mark.usefixtures("hasty_sqlite")
def test_a_locked_sqlite_file_is_waited_for_longer_than_sqlite_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mirror, "RETRY_S", 0.2)
    study = Study(tmp_path, default_uri(tmp_path), seed=6)
    tracker = study.tracker()
    commit_at_once(study, tracker, "before")
    until_whole(tracker)
    other = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    commit_at_once(study, tracker, "locked")
    wait_for(lambda: "database is locked" in caplog.text, "failure")
    other.execute("ROLLBACK")
    until_whole(tracker)
    other.execute("BEGIN EXCLUSIVE")
    commit_at_once(study, tracker, "locked to the end")
    assert tracker.close(4) is False
    other.execute("ROLLBACK")
    other.close()
    assert tracker.close(LONG_S) or study.tracker().close(LONG_S)  # the same command again
    study.assert_whole()
