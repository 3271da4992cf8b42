"""A true but tiny study, run once for all tests that only read it; the command as a user types it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distnlc.analysis.report import study
from distnlc.sinks import mirror
from distnlc.training.native_library import NoLibrary, library
from tests.helpers.typed import TINY, distnlc, no_mlflow


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data, shared by all tests. The native program is the machine's, not compiled again."""
    with suppress(NoLibrary):
        library(torch.float64)
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, str]:
    """The folder of a finished study, and what was said while it ran."""
    home = tmp_path_factory.mktemp("home")
    (home / "tiny.yaml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTNLC_CACHE", str(cache))
        patch.setattr(mirror, "find_spec", no_mlflow)
        draw_few(patch)
        answer = distnlc("run", home / "tiny.yaml", "--out", home / "study", "--executor", "serial")
    assert answer.code == 0, answer.err
    return home / "study", answer.out


@pytest.fixture
def finished(finished_study: tuple[Path, str]) -> Path:
    """The folder of a finished study, to be read only."""
    return finished_study[0]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with the tiny study's file; no MLflow, which takes seconds to start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTNLC_CACHE", str(cache))
    monkeypatch.delenv("DISTNLC_DATA", raising=False)
    monkeypatch.setattr(mirror, "find_spec", no_mlflow)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def draw_few(patch: pytest.MonkeyPatch) -> None:
    """A report of one figure and one table, which takes a second even so."""
    from distnlc.analysis.nlc import report

    few = replace(report.REPORT, figures=report.REPORT.figures[:1], tables=report.REPORT.tables[:1])
    patch.setattr(report, "REPORT", few)


@pytest.fixture
def full_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that need the report drawn."""
    draw_few(monkeypatch)


@pytest.fixture(autouse=True)
def no_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing is drawn."""
    if "full_report" not in request.fixturenames:
        monkeypatch.setattr(study, "write_report", lambda folder, *_, **__: f"{folder}/report/index.html")
