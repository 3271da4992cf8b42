"""Workers' processes and whole nodes are killed at random moments of one command: it finishes with the same table."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from driving import (
    RESULTS,
    TIMEOUT_S,
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

from distnlc.engine.driver import MAX_LOSSES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

WORKERS = 4
RECOVERY_S = 10.0
"""in which another worker has to be at work where one was killed"""
WAITING_S = 90.0
"""in which a study has to notice that no node is left, and go on when there is one; Ray itself takes 15 s"""


def working(study: Study, session: int) -> list[int]:
    """Ids of the worker processes that may be killed: a unit under which three die is blamed, and so it should be."""
    attempts = study.attempts()
    begun = Counter(attempt.unit for attempt in attempts)
    at_work_on = {attempt.pid: attempt.unit for attempt in attempts}
    workers = [pid for pid, name in processes_of(session).items() if "ray::_Actor" in name]
    return [pid for pid in workers if pid not in at_work_on or begun[at_work_on[pid]] < MAX_LOSSES]


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
    result = Result("worker killed (SIGKILL)")
    RESULTS.append(result)
    wanted = number_of("worker_kills", 20, 200)
    while result.faults < wanted:
        study = rehearsal(tmp_path / f"study{result.studies}", "--workers", str(WORKERS), seconds=seconds)
        process, kills = study.start(), list[float]()
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
    tell(f"recoveries: {' '.join(f'{s:.1f}' for s in sorted(result.recoveries_s))} s")
    assert max(result.recoveries_s) < RECOVERY_S
