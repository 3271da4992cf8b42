"""The driver is killed at random moments, and the same command typed again: every unit once, the same table.

A command that ends before its moment is not disturbed, finishes its study, and the next one begins.
"""

from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.driving import (
    ON_RAY,
    RESULTS,
    SECONDS,
    TIMEOUT_S,
    WORKERS,
    Result,
    assert_finished,
    assert_nothing_works_on,
    at_most_in_flight,
    comes_to_a_moment,
    kill,
    number_of,
    rehearsal,
    seeded,
    status,
    tell,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]


@pytest.mark.parametrize("ray", ["own", "joined"])
def test_a_driver_killed_at_any_moment_is_continued_by_the_same_command(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame], ray: str, request: pytest.FixtureRequest
) -> None:
    """Half of the kills each: of drivers that have started a Ray of their own, which has to end with them, and of
    those that have joined a cluster, which goes on but has to let go of their workers."""
    random = seeded(f"driver kills, Ray {ray}")
    result = Result(f"driver killed (SIGKILL), Ray {ray}", until="its processes are gone")
    RESULTS.append(result)
    where = ON_RAY if ray == "own" else ("--address", request.getfixturevalue("two_cores"))
    wanted = number_of("driver_kills", 6, 100) // 2
    while result.faults < wanted:
        study, kills = rehearsal(tmp_path / f"study{result.studies}", *where), 0
        while True:
            process = study.start()
            result.commands += 1
            if result.faults == wanted or not comes_to_a_moment(random, study, process):
                break
            kill(process)
            said = status(study) or "nothing written yet"
            result.recoveries_s.append(assert_nothing_works_on(process.pid))
            kills, result.faults = kills + 1, result.faults + 1
            tell(f"kill {result.faults}; {said.splitlines()[0]}")
        assert process.wait(TIMEOUT_S) == 0, study.last_words()
        assert_nothing_works_on(process.pid)
        redone_at_most = kills * at_most_in_flight(WORKERS, SECONDS)
        assert_finished(study, undisturbed, redone_at_most)
        result.add(study, redone_at_most)
