"""Placement cannot matter: one process, one worker, two workers and an interrupted study give the same rows."""

import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster
from typed import TINY, assert_same_rows, distnlc, no_mlflow, rows

from distnlc import mirror
from distnlc.store import StoreError, read_statuses

pytestmark = pytest.mark.slow
UNITS = 8
IN_ANOTHER_PROCESS = (
    sys.executable,
    "-c",
    "import sys; sys.modules['mlflow'] = None; from distnlc.cli import main; main()",
)
WAIT_S = 90


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray head with two cores, joined by this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0})
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield cluster.address
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


def test_an_interrupted_study_goes_on_to_the_same_rows(
    folder: Path, words: list[str], expected: dict[str, pd.DataFrame], cluster: str
) -> None:
    out = folder / "interrupted"
    typed = [*words, str(out), "--workers", "1", "--address", cluster]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*IN_ANOTHER_PROCESS, *typed], **streams) as process:
        deadline = time.monotonic() + WAIT_S
        while not units_in(out) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGINT)
        said, complained = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    kept = units_in(out)
    assert 0 < kept < UNITS
    assert f"interrupted: {kept} of {UNITS} units are kept; go on: distnlc {shlex.join(typed)}\n" in said
    again = subprocess.run([*IN_ANOTHER_PROCESS, *typed], capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert again.returncode == 0, again.stderr
    assert f"{UNITS - kept} of {UNITS} units to do" in again.stdout
    assert_same_rows(rows(out), expected)


def units_in(folder: Path) -> int:
    try:
        return len(read_statuses(folder))
    except StoreError:  # not there yet
        return 0
