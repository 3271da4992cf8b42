"""A small study and what MLflow says of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from distnlc.spec import StudySpec, spec_id
from distnlc.tracking import Tracker
from distnlc.tracking.view import View


def view(name: str, **changes: Any) -> View:
    base = View(
        name=name,
        params={"depth": 5, "activation": "relu", "debiased": True},
        metrics={"init_nlc": 2.5, "test_error": 0.25},
        curves={"rate_val_error": [(0, 0.9), (1, 0.5), (2, 0.7)]},
        tags={"part": "main"},
    )
    return replace(base, **changes)


class Study:
    """A study of its own at a tracking address; `rows` stands for its store."""

    def __init__(self, folder: Path, uri: str, seed: int) -> None:
        self.folder, self.uri = folder, uri
        self.spec = StudySpec(kind="nlc", name="tiny", seed=seed)
        self.rows: dict[str, tuple[str, View]] = {}

    def tracker(self) -> Tracker:
        return Tracker(self.spec, self.folder, self.statuses, self.views, uri=self.uri)

    def statuses(self) -> Mapping[str, str]:
        return {unit_id: status for unit_id, (status, _) in dict(self.rows).items()}

    def views(self, wanted: Collection[str]) -> Iterable[tuple[str, View]]:
        for unit_id, (_, shown) in dict(self.rows).items():
            if unit_id in wanted:
                yield unit_id, shown

    def commit(self, tracker: Tracker, unit_id: str, status: str = "ok", shown: View | None = None) -> None:
        """As the driver does it: first the store, then the sinks."""
        self.rows[unit_id] = status, shown or view(unit_id)
        tracker.unit(unit_id, *self.rows[unit_id])

    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri)

    def runs(self) -> list[Any]:
        name = f"tags.study_id = '{spec_id(self.spec)}'"
        (experiment,) = self.client().search_experiments(filter_string=name)
        return list(self.client().search_runs([experiment.experiment_id]))

    def units(self) -> dict[str, Any]:
        """Unit id -> its only run."""
        runs = [run for run in self.runs() if "unit_id" in run.data.tags]
        units = {run.data.tags["unit_id"]: run for run in runs}
        assert len(units) == len(runs)
        return units

    def summary(self) -> Any:
        (summary,) = [run for run in self.runs() if run.data.tags.get("role") == "summary"]
        return summary

    def artifacts(self) -> Path:
        """The folder of the summary run's artifacts."""
        return self.folder.resolve() / "mlartifacts" / self.summary().info.run_id / "artifacts"

    def curve(self, run: Any, key: str) -> list[tuple[int, float]]:
        history = self.client().get_metric_history(run.info.run_id, key)
        return sorted((point.step, point.value) for point in history)

    def assert_whole(self) -> None:
        """Each unit of the store is there once, with its status and every point of its curves."""
        units = self.units()
        assert {unit_id: run.data.tags["status"] for unit_id, run in units.items()} == self.statuses()
        for unit_id, (_, shown) in self.rows.items():
            run = units[unit_id]
            assert run.info.status in ("FINISHED", "FAILED")
            assert run.data.params == {key: str(value) for key, value in shown.params.items()}
            assert set(run.data.metrics) == {*shown.metrics, *shown.curves}
            for key, points in shown.curves.items():
                assert self.curve(run, key) == list(points)
