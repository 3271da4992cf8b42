"""Units that go wrong every time: tried again, given up within their time limit, said; the others are done once.

One study holds all of them at once: an exception, NaN, a refused allocation, a process that ends, an endless loop.
"""

import shlex
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from distnlc.engine.driver import MAX_LOSSES
from tests.helpers.driving import (
    RESULTS,
    TIMEOUT_S,
    UNITS,
    Result,
    assert_left_tidy,
    at_most_in_flight,
    rehearsal,
    seeded,
    status,
)
from tests.helpers.typed import assert_same_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

LIMIT_HOURS, LIMIT_S = "0.001", 3.6
SLACK_S = 60.0
"""generous: the driver looks twice a second, and the machine may be busy"""
SECONDS = 0.02
RETRIED = 2
"""attempts at a unit that fails without killing its worker"""
FAULTS = {
    "raises": (RETRIED, "ValueError: unit {} was told to raise"),
    "nan": (RETRIED, "ValueError: the value of unit {} is not finite: nan"),
    "memory": (RETRIED, "MemoryError"),
    "exits": (MAX_LOSSES, f"worker died {MAX_LOSSES} times while it worked on this unit"),
    "hangs": (RETRIED, "exceeded the time limit of 3.6 s"),
}
"""fault -> attempts, reason"""


def test_poisoned_units_are_given_up_alone_and_done_by_the_commands_that_are_printed(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame], two_cores: str
) -> None:
    random = seeded("poison")
    poisoned = dict(zip(FAULTS, random.sample(range(UNITS), len(FAULTS)), strict=True))
    result = Result("units poisoned in five ways", faults=len(FAULTS))
    RESULTS.append(result)
    study = rehearsal(tmp_path / "study", "--address", two_cores, "--unit-hours", LIMIT_HOURS, seconds=SECONDS)

    def begun() -> Counter[int]:
        return Counter(attempt.unit for attempt in study.attempts())

    faults = [f"--set=faults.{fault}=[{unit}]" for fault, unit in poisoned.items()]
    assert study.finish(*faults) == 3, study.last_words()
    rows = study.tables()["units"].set_index("index", drop=False)
    attempts, said = begun(), study.said.read_text()
    commands = {}
    for fault, unit in poisoned.items():
        times, reason = FAULTS[fault]
        row = rows.loc[unit]
        assert (row["status"], row["attempts"]) == ("failed", times)
        assert reason.format(unit) in row["reason"]
        assert times <= attempts[unit] <= times + 1, "a unit that is only suspected is tried once more"
        line = next(line for line in said.splitlines() if f"failed: rehearsal {unit}: {row['reason']}" in line)
        commands[fault] = line.partition("; again: ")[2]
    others = undisturbed["units"].set_index("index", drop=False).drop(list(poisoned.values()))
    pd.testing.assert_frame_equal(rows.drop(list(poisoned.values())), others, check_exact=True)
    redone_at_most = (MAX_LOSSES + RETRIED) * at_most_in_flight(1, SECONDS)
    redone = sum(attempts[unit] - 1 for unit in range(UNITS) if unit not in poisoned.values())
    assert redone <= redone_at_most
    given_up = study.seconds()
    assert given_up[poisoned["hangs"]] < RETRIED * (LIMIT_S + SLACK_S)
    assert f"{UNITS - len(FAULTS)} of {UNITS} units done, {len(FAULTS)} failed" in status(study)

    program, *words = shlex.split(commands["raises"])
    assert program == "distnlc"
    assert study.type_in(words).wait(TIMEOUT_S) == 3, "the fault is still there"
    assert begun() - attempts == {poisoned["raises"]: RETRIED}

    attempts = begun()
    assert study.finish("--retry-failed") == 0, study.last_words()
    assert begun() - attempts == dict.fromkeys(poisoned.values(), 1)
    assert_same_rows(study.tables(), undisturbed)
    assert_left_tidy(study)
    result.commands, result.studies = 3, 1
    result.redone, result.redone_at_most = redone, redone_at_most
