"""Placement cannot matter: one process, one worker and two workers give the same rows; of interruptions, see chaos."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster

from distnlc.sinks import mirror
from tests.helpers.typed import TINY, assert_same_rows, distnlc, no_mlflow, rows

pytestmark = pytest.mark.slow
UNITS = 8


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray head with two cores, joined by this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0})
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    (folder / "tiny.yaml").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def words(folder: Path) -> list[str]:
    return ["run", str(folder / "tiny.yaml"), "--set", f"sampling.count={UNITS}", "--out"]


@pytest.fixture(scope="module")
def expected(folder: Path, words: list[str], cache: Path) -> dict[str, pd.DataFrame]:
    """The rows that the serial executor gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTNLC_CACHE", str(cache))
        patch.setattr(mirror, "find_spec", no_mlflow)
        assert distnlc(*words, folder / "serial", "--executor", "serial").code == 0
    found = rows(folder / "serial")
    assert [len(found[name]) for name in ("architectures", "runs")] == [UNITS, 4 * UNITS]
    return found


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_the_rows_of_the_serial_executor(
    folder: Path, words: list[str], expected: dict[str, pd.DataFrame], workers: int
) -> None:
    out = folder / f"workers-{workers}"
    answer = distnlc(*words, out, "--workers", workers)
    assert answer.code == 0
    assert "starting Ray" in answer.out
    assert_same_rows(rows(out), expected)
