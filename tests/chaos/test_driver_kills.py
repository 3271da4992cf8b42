"""The driver is killed at random moments, and the same command typed again: every unit once, the same table.

The moments are uniform over the life of an undisturbed command, its start and its end included; a command that ends
before its moment is not disturbed, finishes its study, and the next one begins.
"""

import time
from pathlib import Path

import pandas as pd
import pytest
from driving import (
    ON_RAY,
    RESULTS,
    SECONDS,
    TIMEOUT_S,
    WORKERS,
    Result,
    assert_finished,
    assert_nothing_works_on,
    at_most_in_flight,
    kill,
    number_of,
    rehearsal,
    seeded,
    status,
    survives,
    tell,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


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
        redone_at_most = kills * at_most_in_flight(WORKERS, SECONDS)
        assert_finished(study, undisturbed, redone_at_most)
        result.add(study, redone_at_most)
