"""A second driver is refused and disturbs nothing; a disk that takes no more stops the study, and loses nothing."""

import socket
import time
from pathlib import Path

import pandas as pd
import pytest

from distnlc.store import read_statuses
from tests.helpers.driving import (
    RESULTS,
    TIMEOUT_S,
    UNITS,
    WITHOUT_MLFLOW,
    Result,
    assert_finished,
    rehearsal,
    seeded,
    status,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

SERIAL = "--executor", "serial"
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
"""The kernel writes up to there and then refuses, as it does on a full disk: the first write over it is cut in two."""


def test_a_second_driver_is_refused_and_told_who_the_first_one_is(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame]
) -> None:
    study = rehearsal(tmp_path / "study", *SERIAL, seconds=0.03)
    first = study.start()
    while not study.attempts():
        assert first.poll() is None, study.last_words()
        time.sleep(0.05)
    assert study.finish() == 2
    said = study.last_words()
    assert (
        f"another writer is at work on this study: process {first.pid} on {socket.gethostname()}" in study.last_words()
    )
    assert "Traceback" not in said
    assert first.wait(TIMEOUT_S) == 0, study.last_words()
    assert_finished(study, undisturbed, redone_at_most=0)
    RESULTS.append(Result("two drivers on one study", faults=1, commands=2, studies=1))


def test_a_full_disk_stops_the_study_and_space_lets_it_go_on(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame]
) -> None:
    size = seeded("full disk").randrange(3_000, 15_000)  # bytes; a first commit fits, the last does not
    study = rehearsal(tmp_path / "study", *SERIAL, seconds=0.001)
    assert study.finish(prelude=WITHOUT_MLFLOW + LIMITED.format(size=size)) == 2, study.last_words()
    assert "File too large. What was committed before is safe" in study.last_words()
    assert "Traceback" not in study.last_words()
    kept = read_statuses(study.folder)
    assert 0 < len(kept) < UNITS
    assert f"{len(kept)} of {UNITS} units done, 0 failed" in status(study)
    rows = study.tables()["units"].sort_values("index", ignore_index=True)
    expected = undisturbed["units"][undisturbed["units"]["unit_id"].isin(list(kept))].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, expected, check_exact=True)

    assert study.finish() == 0, study.last_words()
    assert_finished(study, undisturbed, redone_at_most=1)
    RESULTS.append(Result("disk full", 1, 2, 1, study.redone(), 1))
