"""Study folders that several tests read."""

from pathlib import Path

import pytest

from distnlc.analysis.tables import Tables, load
from tests.helpers.synthetic import failed_row, realistic_rows, write_study


@pytest.fixture(scope="session")
def two_datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of waveform-noise (60 architectures and one more that failed) and CIFAR10 (40)."""
    rows = realistic_rows(60, failures=0) + realistic_rows(40, "cifar10", failures=0, seed=1)
    rows.append(failed_row(60, part="waveform-noise-sgd"))
    return write_study(tmp_path_factory.mktemp("two") / "study", rows, summary="two datasets")


@pytest.fixture(scope="session")
def tables(two_datasets: Path) -> Tables:
    return load(two_datasets)
