"""The MLflow mirror: a view of the study while it runs and after; the store is the truth.

In: Views of committed units and the progress of the study. Out: one MLflow run per unit, one summary run.
One background thread does all the talking, so a slow or dead server cannot slow, stop or change the study.
After a failure the thread connects again, asks which units are mirrored, and has the caller give the others
from the store. The same happens on resume, so that nothing is lost and nothing is mirrored twice.
"""

import logging
import math
import os
import platform
import queue
import shlex
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from distnlc.records import FAILED, View
from distnlc.spec import StudySpec, spec_id, to_yaml

log = logging.getLogger(__name__)

Mirrored = tuple[str, str, View]
"""unit id, status, view"""

SQLITE = "sqlite:///"
RETRY_S = 30.0
"""pause after a failure"""
PROGRESS_S = 5.0
"""the summary run gets at most one point in this time"""
QUEUED_UNITS = 1000
"""units waiting to be mirrored; beyond it they are taken from the store later"""
METRICS_A_CALL, PARAMS_A_CALL, TAG_LENGTH = 1000, 100, 5000
"""MLflow's limits"""
VERSIONS_OF = ("distnlc", "torch", "numpy", "optuna", "mlflow", "ray")


def default_uri(folder: Path) -> str:
    """The tracking address used when the user names none: a SQLite file in the study folder."""
    return f"{SQLITE}{folder.resolve()}/mlflow.db"


def ui_command(uri: str) -> str:
    """The line to type to see the mirror, as it works in this shell; for a tracking server its own address."""
    if uri.startswith("http"):
        return uri
    mlflow = "mlflow" if shutil.which("mlflow") else str(Path(sys.executable).with_name("mlflow"))
    return shlex.join([mlflow, "ui", "--backend-store-uri", uri])


class Tracker:
    """Mirrors one study. No method raises or waits for the server, but `close`, which waits a bounded time.

    `missing` is called in the tracker's thread with unit id -> status of all mirrored units. It gives the
    units whose committed status is not mirrored, and may read the store for them.
    """

    def __init__(
        self,
        spec: StudySpec,
        folder: Path,
        missing: Callable[[Mapping[str, str]], Iterable[Mirrored]],
        *,
        uri: str | None = None,
    ) -> None:
        self.uri = uri or default_uri(folder)
        self._spec = spec
        self._folder = folder.resolve()
        self._missing = missing
        self._queue: queue.Queue[Mirrored] = queue.Queue(QUEUED_UNITS)
        self._overflowed = threading.Event()
        self._closing = threading.Event()
        self._progress: tuple[int, dict[str, float]] | None = None
        self._sent: tuple[int, dict[str, float]] | None = None
        self._complete = False
        self._whole = False
        self._warned: set[str] = set()
        self._client: Any = None
        self._experiment = ""
        self._summary = ""
        self._runs: dict[str, tuple[str, str]] = {}  # unit id -> run id, status ('' until all of it is there)
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def unit(self, unit_id: str, status: str, view: View) -> None:
        """Mirrors a unit that has just been committed, in place of what was there of it."""
        try:
            self._queue.put_nowait((unit_id, status, view))
        except queue.Full:
            self._overflowed.set()

    def progress(
        self,
        *,
        done: int,
        failed: int,
        total: int,
        units_per_hour: float,
        seconds_left: float | None,
        headline: Mapping[str, float],
    ) -> None:
        """Shows how far the whole study is, units of earlier sessions included."""
        counts = {"done": done, "failed": failed, "total": total, "units_per_hour": units_per_hour}
        left = {} if seconds_left is None else {"seconds_left": seconds_left}
        self._complete = done + failed >= total
        self._progress = (done + failed, {**headline, **counts, **left})

    def close(self, timeout_s: float = 30.0) -> bool:
        """Lets the thread finish, `timeout_s` at most. True if the mirror is whole; a resume completes it."""
        self._closing.set()
        self._thread.join(timeout_s)
        if not self._whole:
            self._warn("failure", "the MLflow mirror is not complete; running the study again completes it")
        return self._whole

    def _work(self) -> None:
        while True:
            last_try = self._closing.is_set()
            try:
                self._connect()
                self._catch_up()
                self._follow()
                self._whole = True
                return
            except Exception as error:
                self._warn(
                    "failure",
                    f"cannot mirror to {self.uri}: {_short(error)} "
                    "(the study goes on; if the mirror stays behind, running the study again completes it)",
                )
            if last_try:
                return
            self._closing.wait(RETRY_S)

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            log.warning("%s", message)

    def _connect(self) -> None:
        """Finds or makes the study's experiment and summary run."""
        if self.uri.startswith(SQLITE):
            _create_database(Path(self.uri.removeprefix(SQLITE)))
        self._client = _client(self.uri)
        study_id = spec_id(self._spec)
        self._experiment = self._find_experiment(study_id)
        found = self._client.search_runs([self._experiment], "tags.role = 'summary'", max_results=1)
        if found:
            self._summary = found[0].info.run_id
            self._client.update_run(self._summary, status="RUNNING")
        else:
            tags = {"role": "summary", "study_id": study_id, "kind": self._spec.kind}
            name = f"summary of {self._spec.name}"
            self._summary = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
            self._log_spec()
        for key, value in _versions().items():
            self._client.set_tag(self._summary, f"version.{key}", value)

    def _find_experiment(self, study_id: str) -> str:
        # a deleted one still owns its name; view type 3: all
        found = self._client.search_experiments(view_type=3, filter_string=f"tags.study_id = '{study_id}'")
        if not found:
            local = str(self._folder / "mlartifacts") if self.uri.startswith(SQLITE) else None
            return str(
                self._client.create_experiment(
                    f"{self._spec.name} {study_id}", artifact_location=local, tags={"study_id": study_id}
                )
            )
        if found[0].lifecycle_stage == "deleted":
            self._client.restore_experiment(found[0].experiment_id)
        return str(found[0].experiment_id)

    def _log_spec(self) -> None:
        try:
            self._client.log_text(self._summary, to_yaml(self._spec), "study.yaml")
        except Exception as error:  # an artifact store out of reach is no reason to go without all the rest
            self._warn("artifact", f"cannot put study.yaml into the artifact store: {_short(error)}")

    def _catch_up(self) -> None:
        """Mirrors what is committed and not there; removes what a crash left unfinished."""
        self._overflowed.clear()
        self._runs = {}
        page: Any = None
        while page is None or page.token:
            page = self._client.search_runs([self._experiment], page_token=page and page.token)
            for run in page:
                unit_id = run.data.tags.get("unit_id")
                if unit_id is None:
                    continue
                if run.info.status == "RUNNING" or unit_id in self._runs:
                    self._client.delete_run(run.info.run_id)
                else:
                    self._runs[unit_id] = (run.info.run_id, run.data.tags.get("status", ""))
        for unit in self._missing({unit_id: status for unit_id, (_, status) in self._runs.items()}):
            self._mirror(*unit)

    def _follow(self) -> None:
        """Mirrors what comes in until the study is over."""
        next_progress = 0.0
        while True:
            over = self._closing.is_set()
            unit = self._next(0.0 if over else 0.2)
            if unit is not None:
                self._mirror(*unit)
            elif self._overflowed.is_set():
                self._catch_up()
            elif over:
                break
            if time.monotonic() >= next_progress:
                self._send_progress()
                next_progress = time.monotonic() + PROGRESS_S
        self._send_progress()
        self._client.set_terminated(self._summary, "FINISHED" if self._complete else "KILLED")

    def _next(self, wait_s: float) -> Mirrored | None:
        try:
            return self._queue.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _send_progress(self) -> None:
        progress = self._progress
        if progress is not self._sent and progress is not None:
            step, numbers = progress
            self._log(self._summary, [(key, value, step) for key, value in numbers.items()], {})
            self._sent = progress

    def _mirror(self, unit_id: str, status: str, view: View) -> None:
        run_id, mirrored = self._runs.get(unit_id, ("", ""))
        if mirrored == status:
            return
        if run_id:
            self._client.delete_run(run_id)
        tags = {key: value[:TAG_LENGTH] for key, value in view.tags.items()}
        tags |= {"unit_id": unit_id, "status": status}
        run_id = self._client.create_run(self._experiment, run_name=view.name, tags=tags).info.run_id
        self._runs[unit_id] = (run_id, "")
        points = [(key, value, 0) for key, value in view.metrics.items()]
        points += [(key, value, step) for key, curve in view.curves.items() for step, value in curve]
        self._log(run_id, points, view.params)
        self._client.set_terminated(run_id, "FAILED" if status == FAILED else "FINISHED")
        self._runs[unit_id] = (run_id, status)

    def _log(self, run_id: str, points: Iterable[tuple[str, float, int]], params: Mapping[str, Any]) -> None:
        """(name, value, step) points, the finite ones, and params, in calls that MLflow accepts."""
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException

        now_ms = int(1000 * time.time())
        metrics = [Metric(key, float(v), now_ms, step) for key, v, step in points if math.isfinite(v)]
        fields = [Param(key, str(value)) for key, value in params.items()]
        try:
            for start in range(0, len(fields), PARAMS_A_CALL):
                self._client.log_batch(run_id, params=fields[start : start + PARAMS_A_CALL])
            for start in range(0, len(metrics), METRICS_A_CALL):
                self._client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_CALL])
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            # trying again would not help: leave the rest of this run out
            self._warn("rejected", f"MLflow rejects a value of run {run_id}: {_short(error)}")


def _client(uri: str) -> Any:
    """A client that gives up soon and says nothing. Settings in the user's environment come first."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow.tracking import MlflowClient

    for chatter in ("mlflow", "alembic", "urllib3.connectionpool"):  # what goes wrong is said here, once
        logging.getLogger(chatter).setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=uri)


def _create_database(path: Path) -> None:
    """Makes the SQLite file, if there is none, with write-ahead log.

    Its tables are made aside and published whole: two processes in the schema migration at once break it, and
    so does a crash in the middle.
    """
    if path.exists():
        return
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=path.parent) as folder:
        aside = Path(folder) / path.name
        _client(f"{SQLITE}{aside}")
        with closing(sqlite3.connect(aside)) as database:
            database.execute("PRAGMA journal_mode=WAL")
        if not path.exists():  # the user's `mlflow ui` may have been faster
            os.replace(aside, path)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in VERSIONS_OF:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _short(error: Exception) -> str:
    """The first line of an error's message."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"
