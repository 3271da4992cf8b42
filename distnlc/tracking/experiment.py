"""A study's experiment in MLflow: one run per unit, one summary run. Every method may raise what MLflow raises.

A unit's run is RUNNING until all of it is there, so that a crash leaves nothing that passes for a mirrored unit.
"""

import hashlib
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from distnlc.records import FAILED
from distnlc.spec import StudySpec, spec_id, to_yaml
from distnlc.tracking.address import connect, is_server, masked
from distnlc.tracking.artifacts import Artifacts, follow
from distnlc.tracking.view import View
from distnlc.versions import versions

TAG_LENGTH = 5000
"""MLflow's limit for tags, in characters; for parameters it is a little higher"""
MIRRORED = "mirrored"
"""tag of the summary run: the digest of all units' statuses, once all are mirrored"""
SAVED_VIEW = "distnlc"
"""key of the table of units that the experiment page offers under Views"""
EXPERIMENT_NOTE = """
[Units]({units}) | [Progress of the study]({summary})

*Units* is a table with the columns that matter most, also offered under *Views*; a click on a column's head sorts by
it. Each unit's page says what its curves are. *Progress of the study*: units done, units per hour, time left and the
headline, over the number of units done.
"""
SUMMARY_NOTE = """
The whole study, its earlier sessions included. *Model metrics* shows its progress: step = units done or failed.
The spec, and the report when the study is over, are under *Artifacts*. [Units]({units})
"""
NOTE = "mlflow.note.content"

Warn = Callable[[str, str], None]
"""takes a kind and a message; says the first message of each kind"""


class Experiment:
    """Finds or makes the study's experiment and summary run."""

    def __init__(self, spec: StudySpec, folder: Path, uri: str, warn: Warn) -> None:
        self._warn = warn
        self._client = connect(uri)
        study_id = spec_id(spec)
        # a server knows where its artifacts go; for a bare database MLflow would take the current folder
        self._artifacts = None if is_server(uri) else Artifacts(folder)
        self._id = self._find_or_create(f"{spec.name} {study_id}", study_id)
        if self._artifacts:
            self._follow(uri, self._artifacts)
        found = self._client.search_runs([self._id], "tags.role = 'summary'", max_results=1)
        if found:
            self._summary = found[0].info.run_id
            self._client.update_run(self._summary, status="RUNNING")
        else:
            tags = {"role": "summary", "study_id": study_id, "kind": spec.kind}
            self._summary = self._client.create_run(self._id, run_name=f"summary of {spec.name}", tags=tags).info.run_id
            self._log_spec(spec)
            # unless the address says otherwise, the UI opens on its pages for language models
            page, mode = f"#/experiments/{self._id}/runs", "workflowType=machine_learning"
            links = {
                "units": f"{page}?{mode}&viewStateShareKey={SAVED_VIEW}",
                "summary": f"{page}/{self._summary}/model-metrics?{mode}",
            }
            self._client.set_tag(self._summary, NOTE, SUMMARY_NOTE.format(**links))
            self._client.set_experiment_tag(self._id, NOTE, EXPERIMENT_NOTE.format(**links))
        for key, value in versions().items():
            self._client.set_tag(self._summary, f"version.{key}", value)
        self._has_view = f"mlflow.sharedViewState.{SAVED_VIEW}" in self._client.get_experiment(self._id).tags

    def _follow(self, uri: str, artifacts: Artifacts) -> None:
        are_there, before = follow(uri, self._id, artifacts)
        if before is not None:
            self._warn("moved", f"the study's artifacts are in {artifacts.folder}; MLflow had them in {before!r}")
        if not are_there:
            self._artifacts = None

    def _find_or_create(self, name: str, study_id: str) -> str:
        # a deleted one still owns its name; view type 3: all
        found = self._client.search_experiments(view_type=3, filter_string=f"tags.study_id = '{study_id}'")
        if not found:
            artifacts = self._artifacts and self._artifacts.location()
            tags = {"study_id": study_id, "mlflow.experimentKind": "custom_model_development"}
            return str(self._client.create_experiment(name, artifact_location=artifacts, tags=tags))
        if found[0].lifecycle_stage == "deleted":
            self._client.restore_experiment(found[0].experiment_id)
        return str(found[0].experiment_id)

    def _log_spec(self, spec: StudySpec) -> None:
        try:
            self._log_text("study.yaml", to_yaml(spec))
        except Exception as error:  # an artifact store out of reach must not cost the rest of the mirror
            self._warn("artifact", f"cannot put study.yaml into the artifact store: {short(error)}")

    def _log_text(self, name: str, text: str) -> None:
        if self._artifacts:
            self._artifacts.write(self._summary, name, text)
        else:
            self._client.log_text(self._summary, text, name)

    def log_report(self, page: Callable[[], str]) -> None:
        """Logs the study's report, an HTML page, in place of an older one."""
        try:
            self._log_text("report.html", page())
        except Exception as error:
            self._warn("report", f"cannot put the report into the artifact store: {short(error)}")

    def mirrored(self, committed: Mapping[str, str], between: Callable[[], None]) -> dict[str, str]:
        """Unit id -> status of the units that are there in full; removes the rest.

        Listing the runs takes 2 ms each, in pages of 1000; `between` is called after each page. To avoid that, a tag
        of the summary run tells whether the last session left all of `committed` (unit id -> status) mirrored.
        """
        tags = self._client.get_run(self._summary).data.tags
        self._client.set_tag(self._summary, MIRRORED, "")
        self.remove_unfinished()
        if tags.get(MIRRORED) == _digest(committed):
            return dict(committed)
        mirrored: dict[str, str] = {}
        for page in self._pages(""):
            for run in page:
                unit_id = run.data.tags.get("unit_id")
                if unit_id in mirrored:
                    self._client.delete_run(run.info.run_id)
                elif unit_id is not None and run.info.status != "RUNNING":  # else left by a call that was given up
                    mirrored[unit_id] = run.data.tags.get("status", "")
            between()
        return mirrored

    def remove_unfinished(self) -> None:
        """Deletes the runs of units that arrived only in part."""
        for run in [run for page in self._pages("attributes.status = 'RUNNING'") for run in page]:
            if "unit_id" in run.data.tags:
                self._client.delete_run(run.info.run_id)

    def remove(self, unit_id: str) -> None:
        """Deletes the unit's run."""
        for run in [run for page in self._pages(f"tags.unit_id = '{unit_id}'") for run in page]:
            self._client.delete_run(run.info.run_id)

    def _pages(self, which: str) -> Iterator[Any]:
        page: Any = None
        while page is None or page.token:
            page = self._client.search_runs([self._id], which, page_token=page and page.token)
            yield page

    def add(self, unit_id: str, status: str, view: View) -> None:
        """Makes the run of a unit that has none; its metric `seconds`, if any, is shown as the run's duration."""
        if view.table and not self._has_view:
            self._save_view(view)
        tags = {key: _text(value) for key, value in view.tags.items()} | {"unit_id": unit_id, "status": status}
        if view.note:
            tags[NOTE] = _text(view.note)
        end_ms = int(1000 * time.time())
        start_ms = end_ms - int(1000 * view.metrics.get("seconds", 0.0))
        run_id = self._client.create_run(self._id, run_name=view.name, tags=tags, start_time=start_ms).info.run_id
        points = [(key, value, 0) for key, value in view.metrics.items()]
        points += [(key, value, step) for key, curve in view.curves.items() for step, value in curve]
        self._log(run_id, points, view.params)
        self._client.set_terminated(run_id, "FAILED" if status == FAILED else "FINISHED", end_ms)

    def _save_view(self, view: View) -> None:
        """Offers a table of units with the columns of `View.table`; by itself the UI shows no metric in it."""
        columns = [f"{'params' if name in view.params else 'metrics'}.`{name}`" for name in view.table]
        order = ["1", "attributes.`Run Name`", *columns]  # column 1 ticks a run
        state = {"orderByKey": columns[0], "orderByAsc": True, "selectedColumns": columns, "columnOrder": order}
        now_ms = int(1000 * time.time())
        saved = {"name": "units", "createdAt": now_ms, "updatedAt": now_ms, "state": json.dumps(state)}
        try:
            self._client.set_experiment_tag(self._id, f"mlflow.sharedViewState.{SAVED_VIEW}", json.dumps(saved))
        except Exception as error:
            if not _is_rejection(error):
                raise
            self._warn("view", f"MLflow takes no table of units: {short(error)}")
        self._has_view = True

    def log_progress(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of each number on the summary run."""
        self._log(self._summary, [(key, value, step) for key, value in numbers.items()], {})

    def finish(self, mirrored: Mapping[str, str], complete: bool) -> None:
        """Ends the session. `mirrored`: unit id -> status of all units that are there; `complete`: none is to do."""
        self._client.set_tag(self._summary, MIRRORED, _digest(mirrored))
        self._client.set_terminated(self._summary, "FINISHED" if complete else "KILLED")

    def _log(self, run_id: str, points: Iterable[tuple[str, float, int]], params: Mapping[str, Any]) -> None:
        """Logs the finite (name, value, step) points and the params, except what MLflow rejects."""
        from mlflow.entities import Metric, Param

        now_ms = int(1000 * time.time())
        curves = defaultdict(list)
        for key, value, step in points:
            if math.isfinite(value):
                curves[key].append(Metric(key, float(value), now_ms, step))
        fields = [Param(key, _text(str(value))) for key, value in params.items()]
        if not self._accepts(run_id, metrics=[point for curve in curves.values() for point in curve], params=fields):
            for field in fields:
                self._accepts(run_id, params=[field])
            for curve in curves.values():
                self._accepts(run_id, metrics=curve)

    def _accepts(self, run_id: str, **batch: Any) -> bool:
        """Logs a batch of any size, which MLflow's client splits into calls; False if MLflow rejects it."""
        try:
            self._client.log_batch(run_id, **batch)
        except Exception as error:
            if not _is_rejection(error):
                raise
            self._warn("rejected", f"MLflow rejects a value of run {run_id}: {short(error)}")
            return False
        return True


def _is_rejection(error: Exception) -> bool:
    """Whether MLflow was reached and refused the values."""
    return getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE"


def _digest(statuses: Mapping[str, str]) -> str:
    """A digest of which units have which status; never empty."""
    return hashlib.sha256(repr(sorted(statuses.items())).encode()).hexdigest()[:32]


def _text(value: str) -> str:
    """Text that every database takes: PostgreSQL refuses NUL, all of them lone surrogates."""
    return value.replace("\0", "").encode(errors="replace").decode()[:TAG_LENGTH]


def short(error: Exception) -> str:
    """The first line of an error's message, without passwords; a database's own words where MLflow wraps them."""
    error = getattr(error.__cause__, "orig", None) or error
    return masked(f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}")
