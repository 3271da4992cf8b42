"""The undisturbed table of the rehearsal, and the summary of the faults at the end."""

import os
import signal
import time
from collections.abc import Iterator

import pandas as pd
import pytest
from driving import ALL_END_S, FULL, ON_RAY, RESULTS, SESSIONS, assert_gone, processes_of, rehearsal
from ray.cluster_utils import Cluster


@pytest.fixture(scope="session")
def undisturbed_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], float]:
    """The rows of a rehearsal that nothing happens to, and the seconds that the command takes."""
    study, began = rehearsal(tmp_path_factory.mktemp("undisturbed") / "study", *ON_RAY), time.monotonic()
    assert study.finish() == 0, study.last_words()
    return study.tables(), time.monotonic() - began


@pytest.fixture(scope="session")
def undisturbed(undisturbed_study: tuple[dict[str, pd.DataFrame], float]) -> dict[str, pd.DataFrame]:
    return undisturbed_study[0]


@pytest.fixture(scope="session")
def life_s(undisturbed_study: tuple[dict[str, pd.DataFrame], float]) -> float:
    return undisturbed_study[1]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A head that does no work, to which nodes are added. In CI it notices sooner that a node is gone."""
    soon = {} if FULL else {"_system_config": {"health_check_period_ms": 500, "health_check_timeout_ms": 2000}}
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
    header = f"{'fault':<44} {'faults':>6} {'commands':>8} {'studies':>7} {'redone':>6} {'at most':>7}  recovery"
    terminalreporter.write_line(header)
    for result in RESULTS:
        times = sorted(result.recoveries_s)
        recovery = f"median {times[len(times) // 2]:.1f} s, longest {times[-1]:.1f} s" if times else ""
        terminalreporter.write_line(
            f"{result.fault:<44} {result.faults:>6} {result.commands:>8} {result.studies:>7} {result.redone:>6} "
            f"{result.redone_at_most:>7}  {recovery}"
        )
