"""Ctrl-C, SIGHUP and SIGTERM at random moments: the command ends soon with exit code 130, and the same command goes on.

In two moments SIGHUP and SIGTERM end the command as they end any process: before its first words, while it is being
loaded; and for the second in which Ray connects. Nothing is under way in them.
"""

import os
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.driving import (
    ON_RAY,
    RESULTS,
    SECONDS,
    TIMEOUT_S,
    WITHOUT_MLFLOW,
    WORKERS,
    WORKING,
    Result,
    assert_finished,
    assert_gone,
    at_most_in_flight,
    comes_to_a_moment,
    number_of,
    rehearsal,
    seeded,
    tell,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

END_S = 100.0
"""generous: in which an interrupted command has ended, and all that it had started"""
SIGNALS = signal.SIGINT, signal.SIGHUP, signal.SIGTERM
HANGS_UP = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); {WITHOUT_MLFLOW}"
"""although the tests may have been started by nohup"""


def test_an_interrupted_study_says_so_and_is_continued(tmp_path: Path, undisturbed: dict[str, pd.DataFrame]) -> None:
    """Ctrl-C and a closed terminal's SIGHUP go to all processes of the terminal, SIGTERM to the driver alone.

    After it no unit is handed out."""
    random = seeded("interruptions")
    result = Result("Ctrl-C, SIGHUP or SIGTERM", until="the command has ended")
    RESULTS.append(result)
    wanted = number_of("interruptions", 3, 21)
    while result.faults < wanted:
        study, interruptions = rehearsal(tmp_path / f"study{result.studies}", *ON_RAY), 0
        while True:
            begun, process, before = len(study.attempts()), study.start(prelude=HANGS_UP), study.said.stat().st_size
            result.commands += 1
            while study.said.stat().st_size == before and process.poll() is None:
                time.sleep(0.02)
            if result.faults == wanted or not comes_to_a_moment(random, study, process):
                break
            number, began = SIGNALS[result.faults % len(SIGNALS)], time.monotonic()
            if number == signal.SIGTERM:
                process.send_signal(number)
            else:
                os.killpg(process.pid, number)
            in_time = len(study.attempts())
            code = process.wait(TIMEOUT_S)
            tell(f"{number.name}: exit code {code}: {study.last_words().splitlines()[-1]}")
            if code == 0:  # it had just finished
                break
            nothing_is_under_way = len(study.attempts()) == begun
            ended_by_it = {-number, -signal.SIGABRT} if number != signal.SIGINT and nothing_is_under_way else set()
            assert code in {130, *ended_by_it}, study.last_words()
            assert len(study.attempts()) - in_time <= at_most_in_flight(WORKERS, SECONDS), "it went on for a while"
            result.recoveries_s.append(time.monotonic() - began)
            assert_gone(process.pid, END_S, WORKING)
            interruptions, result.faults = interruptions + 1, result.faults + 1
        assert process.wait(TIMEOUT_S) == 0, study.last_words()
        assert "Traceback" not in study.said.read_text()
        redone_at_most = interruptions * at_most_in_flight(WORKERS, SECONDS)
        assert_finished(study, undisturbed, redone_at_most)
        result.add(study, redone_at_most)
    assert max(result.recoveries_s) < END_S
