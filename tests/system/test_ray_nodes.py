"""Nodes join, leave and die while a study runs: a real cluster, whose head holds no worker."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory
from ray.cluster_utils import Cluster

from distnlc.engine import ray_executor, ray_fleet
from distnlc.engine.driver import run_units
from distnlc.engine.executor import Finished
from distnlc.engine.ray_cluster import living_nodes
from distnlc.engine.ray_executor import RayExecutor
from distnlc.progress import Progress
from tests.helpers.servers import wait_for
from tests.helpers.toys import KIND, SPEC, MemoryStore, Watcher, mishap, square, units

pytestmark = pytest.mark.slow
ROOT = str(Path(__file__).parents[2])
DEATH_IS_SEEN = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}
"""the cluster knows after 2 s that a node is gone, and not after 15"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT)  # workers import the toys
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        for name, value in DEATH_IS_SEEN.items():
            patch.setenv(name, value)
        patch.setattr(ray_fleet, "LOOK_S", 0.3)
        patch.setattr(ray_executor, "START_S", 0.0)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(autouse=True)
def clean(cluster: Cluster) -> Iterator[None]:
    """Each test begins with the head alone."""
    yield
    for node in list(cluster.worker_nodes):
        cluster.remove_node(node)
    wait_for(lambda: sum(node["Alive"] for node in ray.nodes()) == 1, "end of the nodes")


def kill(cluster: Cluster, *nodes: Any) -> None:
    for node in nodes:
        cluster.remove_node(node, allow_graceful=False)


class Script(Watcher):
    """A sink that does the next step of a test once its condition on the study's progress holds."""

    def __init__(self, *steps: tuple[Any, Any]) -> None:
        super().__init__()
        self.steps = list(steps)

    def progress(self, progress: Progress) -> None:
        super().progress(progress)
        if self.steps and self.steps[0][0](progress):
            _, act = self.steps.pop(0)
            act()


def test_workers_come_and_go_with_the_nodes_and_a_study_without_any_waits_and_says_so(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nodes: list[Any] = []
    script = Script(
        (lambda now: now.workers == 0, lambda: nodes.append(cluster.add_node(num_cpus=1))),
        (lambda now: now.workers == 1 and now.done, lambda: nodes.append(cluster.add_node(num_cpus=2))),
        (lambda now: now.workers == 3 and now.running == 3, lambda: kill(cluster, *nodes)),
        (lambda now: now.workers == 0 and len(caplog.messages) == 3, lambda: cluster.add_node(num_cpus=2)),
    )
    store = MemoryStore()
    work = partial(mishap, "slow", False, tmp_path)
    with caplog.at_level(logging.WARNING, logger="distnlc"):
        outcome = run_units(
            units([1] * 20), executor=RayExecutor(work), store=store, kind=KIND, spec=SPEC, retries=0, sinks=[script]
        )
    assert script.steps == [], "not all steps were come to"
    assert (outcome.done, outcome.failed) == (20, 0)
    assert max(state.workers for state in script.states) == 3
    assert script.states[-1].workers == 0, "the executor is closed"
    assert caplog.messages == [
        "no worker yet: waiting for machines to join, one worker per core or GPU wanted",
        "work goes on",
        "no worker left: waiting for machines to join, one worker per core wanted",
        "work goes on",
    ]


def test_ctrl_c_ends_a_study_that_waits_for_machines_at_once() -> None:
    executor = RayExecutor(square)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    outcome = run_units(units([1]), executor=executor, store=MemoryStore(), kind=KIND, spec=SPEC)
    assert outcome.interrupted
    assert time.monotonic() - began < 4


def test_a_given_number_of_workers_waits_for_places_and_those_that_have_one_queue_units(cluster: Cluster) -> None:
    cluster.add_node(num_cpus=1)
    executor = RayExecutor(square, workers=2)
    wait_for(lambda: executor.wait(0.1) or executor.capacity == ray_executor.IN_FLIGHT, "worker")
    assert executor.slots == 1
    cluster.add_node(num_cpus=1)
    wait_for(lambda: executor.wait(0.1) or executor.slots == 2, "second worker")
    executor.close()


def test_a_dead_machine_is_told_from_a_dead_process_before_the_cluster_knows(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    executor = RayExecutor(partial(mishap, "killed", True, tmp_path))
    wait_for(lambda: executor.wait(0.1) or executor.capacity, "worker")
    executor.submit(units([1, 1])[1])
    finished: list[Finished] = []
    wait_for(lambda: finished.extend(executor.wait(0.1)) or finished, "result")
    assert (lost := finished[0].lost)
    assert executor.lives(lost.node)
    os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert lost.node in living_nodes(ray)
    assert not executor.lives(lost.node)
    assert not executor.lives("no such node")
    executor.close()
    cluster.remove_node(node, allow_graceful=False)


def test_a_unit_that_takes_the_nodes_memory_is_given_up_with_that_reason_and_the_rest_is_done(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = (get_used_memory() + 2 * 2**30) / get_system_memory()
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{limit:.4f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")
    cluster.add_node(num_cpus=2)
    store = MemoryStore()
    run_units(
        units([1, 9, 1, 1]),
        executor=RayExecutor(partial(mishap, "memory", False, tmp_path)),
        store=store,
        kind=KIND,
        spec=SPEC,
    )
    assert set(store.failed()) == {"u1"}
    assert "out of memory" in (store.rows["u1"].reason or "")
    assert len(store.rows) == 4
