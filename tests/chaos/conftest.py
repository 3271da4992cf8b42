"""The undisturbed table of the rehearsal, and the summary of the faults at the end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from ray.cluster_utils import Cluster

from distnlc.sinks import mirror
from tests.helpers.driving import ALL_END_S, FULL, RESULTS, SESSIONS, assert_gone, processes_of, rehearsal
from tests.helpers.typed import distnlc, no_mlflow


@pytest.fixture(scope="session", autouse=True)
def own_session() -> None:
    """A session of processes for each worker of pytest-xdist: by it a test knows its own Ray from its neighbours'."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.setsid()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The rows of a rehearsal that nothing happens to; how long its units wait is no part of it."""
    study = rehearsal(tmp_path_factory.mktemp("undisturbed") / "study", "--executor", "serial", seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "find_spec", no_mlflow)
        assert distnlc("run", *study.words, "--out", study.folder).code == 0
    return study.tables()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data of all drivers and workers."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def one_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(cache))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head that does no work, to which nodes are added. In CI it notices sooner that a node is gone."""
    soon = {} if FULL else {"_system_config": {"health_check_period_ms": 500}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **soon})
        yield cluster
        cluster.shutdown()


@pytest.fixture
def two_cores(cluster: Cluster) -> Iterator[str]:
    """The address of a cluster with a node of two cores."""
    node = cluster.add_node(num_cpus=2)
    yield cluster.address
    cluster.remove_node(node)


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> Iterator[None]:
    """At the end no process of any driver is left; Ray's agents had the tests in between for it."""
    yield
    for session in SESSIONS:
        assert_gone(session, ALL_END_S)


@pytest.fixture(autouse=True)
def stopped_after_a_failure() -> Iterator[None]:
    """Ends what a test that failed has left running."""
    yield
    for session in SESSIONS:
        if session in processes_of(session):
            os.kill(session, signal.SIGKILL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not RESULTS:
        return
    terminalreporter.section("chaos")
    terminalreporter.write_line(f"{'fault':<46} faults commands studies redone at most")
    for result in RESULTS:
        counts = f"{result.faults:>6} {result.commands:>8} {result.studies:>7} {result.redone:>6}"
        times = sorted(result.recoveries_s)
        line = f"{result.fault:<46} {counts} {result.redone_at_most:>7}"
        if times:
            line += f"  until {result.until}: median {times[len(times) // 2]:.1f} s, longest {times[-1]:.1f} s"
        terminalreporter.write_line(line)
