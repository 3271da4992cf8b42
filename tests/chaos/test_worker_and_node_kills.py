"""Workers' processes and whole nodes are killed at random moments of one command: it finishes with the same table.

The nodes are those of a Ray cluster on this machine, each with one GPU that is not there.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ray.cluster_utils import Cluster

from distnlc.engine.driver import MAX_LOSSES
from tests.helpers.driving import (
    HELD,
    RESULTS,
    TIMEOUT_S,
    WITHOUT_MLFLOW,
    Result,
    Study,
    assert_finished,
    assert_nothing_works_on,
    at_most_in_flight,
    number_of,
    processes_of,
    rehearsal,
    seeded,
    status,
    tell,
)
from tests.helpers.servers import LONG_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

WORKERS = 4
RECOVERY_S, STARTS = 20.0, 3.0
"""in which another worker has to be at work where one was killed; on a slow machine, so many times what the command
took until its first unit, of which the start of a worker is a part"""
NODE_SECONDS, FREE = 0.1, 100
"""of each unit; how many may be done before the last node has joined"""


def working(study: Study, session: int) -> list[int]:
    """Ids of the worker processes that may be killed: those that have begun a unit, so that each kill has its own
    replacement; and not under a unit under which two have died, since a third is its own fault, as it should be."""
    attempts = study.attempts()
    begun = Counter(attempt.unit for attempt in attempts)
    at_work_on = {attempt.pid: attempt.unit for attempt in attempts}
    workers = [pid for pid, name in processes_of(session).items() if "ray::Actor" in name]
    return [pid for pid in workers if begun[at_work_on.get(pid, -1)] in range(1, MAX_LOSSES)]


def recoveries(study: Study, kills: list[float]) -> list[float]:
    """Seconds from each kill to the first unit of another new worker."""
    first: dict[int, float] = {}
    for attempt in study.attempts():
        first.setdefault(attempt.pid, attempt.began_s)
    replacements = sorted(first.values())[WORKERS:]
    return [began_s - killed_s for killed_s, began_s in zip(kills, replacements, strict=False)]


def test_workers_that_are_killed_are_replaced_within_seconds(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame]
) -> None:
    random, seconds = seeded("worker kills"), 0.3
    result = Result("worker killed (SIGKILL)", until="a replacement works")
    RESULTS.append(result)
    wanted, starts_s = number_of("worker_kills", 12, 200), list[float]()
    while result.faults < wanted:
        study = rehearsal(tmp_path / f"study{result.studies}", "--workers", str(WORKERS), seconds=seconds)
        started_s, process, kills = time.time(), study.start(), list[float]()
        result.commands += 1
        while process.poll() is None:
            time.sleep(random.uniform(0.5, 1.2))
            workers = working(study, process.pid)
            if len(workers) <= WORKERS // 2 or result.faults == wanted:
                continue
            for victim in random.sample(workers, min(random.choice([1, 1, 2]), wanted - result.faults)):
                os.kill(victim, signal.SIGKILL)
                kills.append(time.time())
                result.faults += 1
            tell(f"kill {result.faults}; {status(study).splitlines()[0]}")
        assert process.returncode == 0, study.last_words()
        assert_nothing_works_on(process.pid)
        redone_at_most = len(kills) * at_most_in_flight(1, seconds)
        assert_finished(study, undisturbed, redone_at_most)
        result.add(study, redone_at_most, recoveries(study, kills))
        starts_s.append(study.attempts()[0].began_s - started_s)
    tell(f"recoveries: {' '.join(f'{s:.1f}' for s in sorted(result.recoveries_s))} s; starts: {starts_s} s")
    assert max(result.recoveries_s) < max(RECOVERY_S, STARTS * max(starts_s))


def until(what: Callable[[], object], process: subprocess.Popen[bytes], study: Study) -> None:
    """Waits while the command is at work; fails if it ends before, or if that takes too long."""
    deadline = time.monotonic() + LONG_S
    while not what():
        assert process.poll() is None, study.last_words()
        assert time.monotonic() < deadline, study.last_words() + status(study)
        time.sleep(0.1)


def shows(study: Study, words: str) -> bool:
    """Whether `distnlc status` says this."""
    return words in status(study)


def wait_for_a_new_worker(study: Study, process: subprocess.Popen[bytes], result: Result) -> None:
    """Until the node that has just joined works; how long that takes is kept."""
    joined_s, before = time.time(), {attempt.pid for attempt in study.attempts()}

    def first_units() -> list[float]:
        return [attempt.began_s for attempt in study.attempts() if attempt.pid not in before]

    until(first_units, process, study)
    result.recoveries_s.append(first_units()[0] - joined_s)


def kill_nodes(cluster: Cluster, victims: list[Any], study: Study, result: Result) -> None:
    for node in victims:
        cluster.remove_node(node, allow_graceful=False)
    result.faults += len(victims)
    tell(f"{len(victims)} nodes killed; {(status(study) or 'nothing written yet').splitlines()[0]}")


def add_node(cluster: Cluster) -> Any:
    return cluster.add_node(num_cpus=0, num_gpus=1)


def test_nodes_that_are_killed_are_done_without_and_waited_for(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame], cluster: Cluster
) -> None:
    """In each study one of two nodes, then both that there are at once: the study waits for another.

    Its last units wait for the end of that.
    """
    random = seeded("node kills")
    result = Result("node killed hard, two at once included", until="a node that has joined works")
    RESULTS.append(result)
    wanted, nodes = number_of("node_kills", 3, 30), [add_node(cluster)]
    while result.faults < wanted:
        nodes.append(add_node(cluster))
        study = rehearsal(tmp_path / f"study{result.studies}", "--address", cluster.address, seconds=NODE_SECONDS)
        released = tmp_path / f"released{result.studies}"
        process = study.start(prelude=WITHOUT_MLFLOW + HELD.format(free=FREE, released=str(released)))
        result.commands += 1

        time.sleep(random.uniform(0, 5))
        kill_nodes(cluster, [nodes.pop(random.randrange(2))], study, result)
        time.sleep(random.uniform(0, 2))
        nodes.append(add_node(cluster))
        wait_for_a_new_worker(study, process, result)

        time.sleep(random.uniform(0, 2))
        kill_nodes(cluster, nodes, study, result)
        until(partial(study.has_said, "no worker left: waiting for machines to join"), process, study)
        until(partial(shows, study, "no worker now: waiting for machines"), process, study)
        nodes = [add_node(cluster)]
        wait_for_a_new_worker(study, process, result)
        released.touch()

        assert process.wait(TIMEOUT_S) == 0, study.last_words()
        assert study.has_said("work goes on")
        assert not study.has_said("Raylet is terminated"), "Ray's long lines are not for users"
        redone_at_most = 3 * at_most_in_flight(1, NODE_SECONDS)
        assert_finished(study, undisturbed, redone_at_most)
        result.add(study, redone_at_most)
    cluster.remove_node(*nodes)
    tell(f"from joining to the first unit: {' '.join(f'{s:.1f}' for s in sorted(result.recoveries_s))} s")
