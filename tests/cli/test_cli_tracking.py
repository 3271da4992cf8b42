"""MLflow as the command line feeds it: a dead server costs one warning, and the mirror is made whole later."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from distnlc.analysis.report import study
from distnlc.analysis.tables import Tables
from distnlc.sinks import mirror
from distnlc.store import place_of, read_statuses
from tests.helpers.typed import assert_same_rows, distnlc, rows

pytestmark = pytest.mark.slow


def test_a_dead_server_costs_one_warning(
    home: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mirror, "find_spec", find_spec)
    to_nowhere = ["--tracking-uri", "http://127.0.0.1:9"]
    answer = distnlc("run", "tiny.yaml", "--executor", "serial", "--out", "study", *to_nowhere)
    assert answer.code == 0
    assert_same_rows(rows(home / "study"), rows(finished))
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    warnings = [each for each in warnings if "; Ctrl-C leaves that" not in each]  # of a machine that is busy
    assert len(warnings) == 1
    assert warnings[0].startswith("cannot mirror to http://127.0.0.1:9")
    assert "running the study again completes it" in warnings[0]


def one_line_report(folder: str, _: Tables) -> str:
    place_of(folder).write("report/index.html", b"the report")
    return f"{folder}/report/index.html"


def test_one_run_an_architecture_and_a_summary(home: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first unit is done before MLflow is there and comes from the store; the others while they are done."""
    run = ("run", "tiny.yaml", "--executor", "serial", "--out", "study")
    units = set(read_statuses(finished))
    assert distnlc(*run, "--unit", min(units)).code == 0
    monkeypatch.setattr(mirror, "find_spec", find_spec)
    monkeypatch.setattr(study, "write_report", one_line_report)
    answer = distnlc(*run)
    assert answer.code == 0
    uri = f"sqlite:///{home}/study/mlflow.db"
    assert answer.out.count(f"mlflow ui --backend-store-uri {uri}\n") == 2
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    (experiment,) = client.search_experiments(filter_string="name != 'Default'")
    runs = client.search_runs([experiment.experiment_id])
    mirrored = [run.data.tags["unit_id"] for run in runs if "unit_id" in run.data.tags]
    assert sorted(mirrored) == sorted(units)
    (summary,) = [run for run in runs if run.data.tags.get("role") == "summary"]
    assert summary.info.status == "FINISHED"
    assert (summary.data.metrics["done"], summary.data.metrics["total"]) == (3, 3)
    assert "correlation_log_nlc_test_error" in summary.data.metrics
    assert summary.data.metrics["units_per_hour"] > 0
    assert (
        Path(home, "study", "mlartifacts", summary.info.run_id, "artifacts", "report.html").read_text() == "the report"
    )


@pytest.mark.parametrize("uri", ["file:/data/mlruns", "postgresql+nothing://ann:s3cret@host/mlflow"])
def test_an_address_that_cannot_work_is_refused_before_anything_runs(home: Path, uri: str) -> None:
    answer = distnlc("run", "tiny.yaml", "--out", "study", "--tracking-uri", uri)
    assert answer.code == 2
    assert answer.err.startswith("error: tracking address ")
    assert "s3cret" not in answer.err
    assert not (home / "study").exists()
