"""Nodes join, leave and die while a study runs: a real cluster, whose head holds no worker."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
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
from tests.helpers.servers import LONG_S, wait_for
from tests.helpers.toys import KIND, SPEC, MemoryStore, Watcher, mishap, square, units

pytestmark = pytest.mark.slow
ROOT = str(Path(__file__).parents[2])
DEATH_IS_SEEN = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}
"""the cluster knows 2 s after a node's death, not 15; one that is only slow has 10 s for each answer"""


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


Step = tuple[str, Callable[[Progress], object], Callable[[], object]]
"""what is waited for, whether the study's progress shows it, what is done then"""


class Script(Watcher):
    """A sink that does the next step of a test once what it waits for is there; without that it ends the study."""

    def __init__(self, said: pytest.LogCaptureFixture, *steps: Step) -> None:
        super().__init__()
        self.said, self.steps = said, list(steps)
        self.deadline = time.monotonic() + LONG_S

    def progress(self, progress: Progress) -> None:
        super().progress(progress)
        if self.steps and self.steps[0][1](progress):
            self.steps.pop(0)[2]()
            self.deadline = time.monotonic() + LONG_S
        if self.steps and time.monotonic() > self.deadline:
            pytest.fail(f"not seen within {LONG_S} s: {self.seen()}")

    def seen(self) -> str:
        """For the message of a failure."""
        waited_for = [what for what, *_ in self.steps]
        nodes = {id_: places.get("CPU", 0) for id_, places in living_nodes(ray).items()}
        return f"{waited_for}; the last state: {self.states[-1]}; cores of nodes: {nodes}; said: {self.said.messages}"


def test_workers_come_and_go_with_the_nodes_and_a_study_without_any_waits_and_says_so(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The last units wait until all that has been seen."""
    nodes = list[Any]()

    def told(words: str, times: int = 1) -> bool:
        return sum(words in message for message in caplog.messages) >= times

    script = Script(
        caplog,
        ("a study without a worker", lambda now: now.workers == 0, lambda: nodes.append(cluster.add_node(num_cpus=1))),
        (
            "work on the first node",
            lambda now: now.workers == 1 and now.done,
            lambda: nodes.append(cluster.add_node(num_cpus=2)),
        ),
        ("work on both nodes", lambda now: now.workers == 3 and now.running == 3, lambda: kill(cluster, *nodes)),
        (
            "words that no worker is left",
            lambda now: now.workers == 0 and told("no worker left"),
            lambda: cluster.add_node(num_cpus=2),
        ),
        ("words that work goes on", lambda _: told("work goes on", times=2), (tmp_path / "released").touch),
    )
    store = MemoryStore()
    work = partial(mishap, "held", False, tmp_path)
    with caplog.at_level(logging.WARNING, logger="distnlc"):
        settings = {"kind": KIND, "spec": SPEC, "retries": 0, "sinks": [script]}
        outcome = run_units(units([1] * 20), executor=RayExecutor(work), store=store, **settings)
    assert script.steps == [], f"the study ended before {script.seen()}"
    assert (outcome.done, outcome.failed, outcome.interrupted) == (20, 0, False)
    assert max(state.workers for state in script.states) == 3
    assert script.states[-1].workers == 0, "the executor is closed"
    assert caplog.messages == [
        "no worker yet: waiting for machines to join, one worker per core or GPU wanted",
        "work goes on",
        "no worker left: waiting for machines to join, one worker per core wanted",
        "work goes on",
    ]


def test_ctrl_c_ends_a_study_that_waits_for_machines_at_once() -> None:
    """At once: the driver does not look about once more, as it does twice a second while it waits."""

    class Pressed(Watcher):
        def progress(self, progress: Progress) -> None:
            super().progress(progress)
            if len(self.states) == 1:
                timer.start()

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        looks.append(len(watcher.states))

    timer, watcher, looks = threading.Timer(0.7, press), Pressed(), list[int]()
    executor = RayExecutor(square)
    outcome = run_units(units([1]), executor=executor, store=MemoryStore(), kind=KIND, spec=SPEC, sinks=[watcher])
    timer.join()
    assert outcome.interrupted
    assert len(watcher.states) <= looks[0] + 2, "one that was under way, and the last"


def test_a_given_number_of_workers_waits_for_places_and_those_that_have_one_queue_units(cluster: Cluster) -> None:
    cluster.add_node(num_cpus=1)
    executor = RayExecutor(square, workers=2)
    wait_for(lambda: executor.wait(0.1) or executor.capacity == ray_executor.IN_FLIGHT, "worker")
    assert executor.slots == 1
    cluster.add_node(num_cpus=1)
    wait_for(lambda: executor.wait(0.1) or executor.slots == 2, "second worker")
    executor.close()


def test_a_dead_machine_is_told_from_a_dead_process_before_the_cluster_knows(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = cluster.add_node(num_cpus=1)
    executor = RayExecutor(partial(mishap, "killed", True, tmp_path))
    wait_for(lambda: executor.wait(0.1) or executor.capacity, "worker")
    executor.submit(units([1, 1])[1])
    finished: list[Finished] = []
    wait_for(lambda: finished.extend(executor.wait(0.1)) or finished, "result")
    assert (lost := finished[0].lost)
    assert executor.lives(lost.node)
    known = ray.nodes()
    raylet = node.all_processes["raylet"][0].process
    raylet.kill()
    raylet.wait()
    monkeypatch.setattr(ray, "nodes", lambda: known)  # the cluster may have heard of it meanwhile
    assert lost.node in living_nodes(ray)
    assert not executor.lives(lost.node)
    assert not executor.lives("no such node")
    monkeypatch.undo()
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
        time_limit_s=LONG_S,
    )
    assert set(store.failed()) == {"u1"}
    assert "out of memory" in (store.rows["u1"].reason or "")
    assert len(store.rows) == 4
