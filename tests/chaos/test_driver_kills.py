"""The driver is killed at random moments, and the same command typed again: every unit once, the same table.

The moments are uniform over the life of an undisturbed command, its start and its end included; a command that ends
before its moment is not disturbed, finishes its study, and the next one begins.
"""

import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from driving import (
    ON_RAY,
    RESULTS,
    TIMEOUT_S,
    UNITS,
    WORKERS,
    Result,
    Study,
    assert_left_tidy,
    assert_nothing_works_on,
    assert_same_rows,
    kill,
    number_of,
    rehearsal,
    seeded,
    status,
    tell,
)

from distnlc.engine.ray_executor import IN_FLIGHT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


def survives(process: subprocess.Popen[bytes], moment_s: float) -> bool:
    """Whether the command is still at work at that moment of its life."""
    try:
        process.wait(moment_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def assert_finished(study: Study, undisturbed: dict[str, pd.DataFrame], kills: int) -> None:
    assert_same_rows(study.tables(), undisturbed)
    assert_left_tidy(study)
    assert "finished" in status(study)
    attempts, redone = study.attempts(), study.redone()
    assert {attempt.unit for attempt in attempts} == set(range(UNITS))
    assert redone <= kills * WORKERS * IN_FLIGHT, f"{redone} units done again after {kills} kills"


def test_a_driver_killed_at_any_moment_is_continued_by_the_same_command(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame], life_s: float
) -> None:
    random = seeded("driver kills")
    result = Result("driver killed (SIGKILL)")
    RESULTS.append(result)
    wanted = number_of("driver_kills", 10, 100)
    tell(f"undisturbed, the command lives {life_s:.1f} s")
    while result.faults < wanted:
        study = rehearsal(tmp_path / f"study{result.studies}", *ON_RAY)
        kills = 0
        while True:
            began, moment_s = time.monotonic(), random.uniform(0, life_s)
            process = study.start()
            result.commands += 1
            if result.faults == wanted or not survives(process, moment_s):
                break
            kill(process)
            said = status(study).splitlines()
            result.recoveries_s.append(assert_nothing_works_on(process.pid))
            kills, result.faults = kills + 1, result.faults + 1
            tell(f"kill {result.faults} after {moment_s:.1f} s; {said[0] if said else 'nothing written yet'}")
        assert process.wait(TIMEOUT_S) == 0, study.last_words()
        if not kills:  # the machine's pace changes
            life_s = time.monotonic() - began
        assert_nothing_works_on(process.pid)
        assert_finished(study, undisturbed, kills)
        result.studies += 1
        result.redone += study.redone()
        result.redone_at_most += kills * WORKERS * IN_FLIGHT
