"""Studies that several tests read, and their figures, each drawn once."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.nlc.report import REPORT
from distnlc.analysis.tables import Tables, load
from tests.helpers.synthetic import failed_row, paper_rows, realistic_rows, tables_of, write_study


@pytest.fixture(scope="session")
def two_datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of waveform-noise (60 architectures and one more that failed) and CIFAR10 (40)."""
    rows = realistic_rows(60, failures=0) + realistic_rows(40, "cifar10", failures=0, seed=1)
    rows.append(failed_row(60, part="waveform-noise-sgd"))
    return write_study(tmp_path_factory.mktemp("two") / "study", rows, summary="two datasets")


@pytest.fixture(scope="session")
def tables(two_datasets: Path) -> Tables:
    return load(two_datasets)


@pytest.fixture(scope="session")
def paper() -> Tables:
    """All five parts of the paper, 25 architectures each, a few of them failed."""
    return tables_of(paper_rows(25))


@pytest.fixture(scope="session")
def drawn(paper: Tables) -> Callable[[str], Drawing]:
    """A figure of the study `paper` by its name."""
    figures = {figure.name: figure for figure in REPORT.figures}
    return cache(lambda name: figures[name].draw(paper))
