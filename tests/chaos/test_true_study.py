"""A small true study, its drivers and workers killed at random moments, ends with the rows of an undisturbed one.

Commands alternate at random between this process's own units, with a checkpoint after each epoch, and Ray's workers;
neither may show in the rows. And the mirror in MLflow of a study whose driver was killed has each unit once.
"""

import os
import signal
import sqlite3
import time
from collections import Counter
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
    Study,
    assert_left_tidy,
    assert_nothing_works_on,
    comes_to_a_moment,
    kill,
    number_of,
    processes_of,
    rehearsal,
    seeded,
    status,
    survives,
    tell,
)
from tests.helpers.typed import assert_same_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S)]

SMALL = """
kind: nlc
sampling: {count: 6, parameters: 1000, depth_max: 9}
search: {method: refine, rates: 8, coarse: 5, wave: 2, waves: 1, edge: 1}
training: {first_patience: 5, patience: 3, divisions: 3, population: 3}
data: {train: 2000, validation: 500, test: 500}
metrics: {nlc_batches: 4, walk_batches: 0}
"""
SERIAL = "--executor", "serial"
CHECKPOINTS = "from distnlc.training import checkpoint; checkpoint.EVERY_S = 0.0; "
WORK_S = 3.0
"""of two workers, for all units"""
RUNS_OF_UNITS = """
SELECT tags.value, COUNT(*) FROM tags JOIN runs USING (run_uuid)
WHERE tags.key = 'unit_id' AND runs.lifecycle_stage = 'active' GROUP BY tags.value
"""


@pytest.fixture
def true_study(tmp_path: Path) -> tuple[dict[str, pd.DataFrame], float]:
    """The tables of the undisturbed study, and the seconds that its command takes without Ray."""
    (tmp_path / "small.yaml").write_text(SMALL)
    study, began = Study(tmp_path / "undisturbed", (str(tmp_path / "small.yaml"),)), time.monotonic()
    assert study.finish(*SERIAL) == 0, study.last_words()
    return study.tables(), time.monotonic() - began


def workers() -> list[int]:
    """Of the cluster in the session of these tests."""
    return [pid for pid, line in processes_of(os.getsid(0)).items() if "ray::Actor" in line]


def test_a_true_study_survives_the_loss_of_drivers_and_workers(
    tmp_path: Path, true_study: tuple[dict[str, pd.DataFrame], float], two_cores: str
) -> None:
    random, (undisturbed, life_s) = seeded("true study"), true_study
    drivers, others = Result("true study: driver killed (SIGKILL)"), Result("true study: worker killed (SIGKILL)")
    RESULTS.extend([drivers, others])
    wanted = number_of("true_kills", 3, 40)
    while drivers.faults + others.faults < wanted:
        study, process = Study(tmp_path / f"study{drivers.studies}", (str(tmp_path / "small.yaml"),)), None
        while True:
            if process is None:
                on_ray = random.random() < 0.5
                process = study.start(
                    *(("--address", two_cores) if on_ray else SERIAL), prelude=WITHOUT_MLFLOW + CHECKPOINTS
                )
                drivers.commands += 1
            aims_at_worker = on_ray and others.faults <= drivers.faults
            while aims_at_worker and not workers() and process.poll() is None:
                time.sleep(0.02)
            moment_s = random.uniform(0, WORK_S if aims_at_worker else life_s)
            if drivers.faults + others.faults == wanted or not survives(process, moment_s):
                break
            if aims_at_worker and (victims := workers()):
                os.kill(random.choice(victims), signal.SIGKILL)
                others.faults += 1
            else:
                kill(process)
                assert_nothing_works_on(process.pid)
                process = None
                drivers.faults += 1
            said = status(study) or "nothing written yet"
            tell(f"{drivers.faults} drivers, {others.faults} workers killed; {said.splitlines()[0]}")
        assert process.wait(TIMEOUT_S) == 0, study.last_words()
        assert_same_rows(study.tables(), undisturbed)
        assert_left_tidy(study)
        drivers.studies += 1


def test_the_mirror_of_a_study_whose_driver_was_killed_has_every_unit_once(tmp_path: Path) -> None:
    """The moments of the first kill are those in which MLflow creates its database, too."""
    random = seeded("mirror")
    result = Result("driver killed (SIGKILL), mirror in MLflow")
    RESULTS.append(result)
    wanted = number_of("mirror_kills", 2, 20)
    while result.faults < wanted:
        study = rehearsal(tmp_path / f"study{result.studies}", *SERIAL, seconds=0.02)
        while True:
            process = study.start(prelude="")
            result.commands += 1
            if result.faults == wanted or not comes_to_a_moment(random, study, process):
                break
            kill(process)
            result.faults += 1
            tell(f"driver killed; {(status(study) or 'nothing written yet').splitlines()[0]}")
        assert process.wait(TIMEOUT_S) == 0, study.last_words()
        assert_mirrored(study)
        result.studies += 1


def assert_mirrored(study: Study) -> None:
    """One run for each unit of the study, and no other unit."""
    database = sqlite3.connect(study.folder / "mlflow.db")
    try:
        mirrored = Counter(dict(database.execute(RUNS_OF_UNITS)))
    finally:
        database.close()
    assert len(mirrored) == UNITS
    assert mirrored == Counter(read_statuses(study.folder).keys())
