"""The parts `engine` and `scale` of the bench measure true studies on Ray."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from distnlc.bench import scale_part
from distnlc.bench.engine_part import optuna_s, run_study
from distnlc.plugins import kind_of, loaded
from distnlc.sinks.console import AtWork, at_work_on
from distnlc.store.place import Place
from distnlc.studies import resolve

TINY = """
data.train=500 data.validation=250 data.test=250 sampling.count=3 sampling.parameters=300 sampling.depth_max=5
training.divisions=1 training.first_patience=2 training.patience=1 search.rungs=[] metrics.nlc_batches=2
metrics.walk_batches=0
"""


@pytest.mark.slow
def test_a_true_study_is_timed_with_all_that_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
    study = resolve("quick", TINY.split())
    loaded(kind_of(study.kind).prepare)(study, study.part_names())
    began_s = time.perf_counter()
    times = run_study(study, workers=1)
    whole_s, units_s = time.perf_counter() - began_s, list(times.units.values())
    assert len(times.units) == len(times.commits_s) == 3
    assert sum(units_s) < whole_s
    assert -max(units_s[1:]) <= times.overhead_s() < (whole_s - sum(units_s)) / 2, "below zero: a late first commit"
    assert 0 < optuna_s() < whole_s


PRELUDE = """
import os, sys, time
sys.modules["mlflow"] = None  # slow to start
from distnlc.sinks import console
console.PROGRESS_FILE_S, console.WRITING_SHARE = 0.05, 1

from distnlc.cli import run
from distnlc.engine.executor import StudyWork, study_work

class Held(StudyWork):  # goes to the workers by value, since it is this script's
    def __call__(self, unit, device):
        while unit.index >= 300 and not os.path.exists("{seen}"):
            time.sleep(0.01)
        while unit.index >= 1200 and os.path.exists("{first}"):
            time.sleep(0.01)
        return super().__call__(unit, device)

run.study_work = lambda *given: Held(**vars(study_work(*given)))
"""
"""a study that goes on when its first progress has been seen, and is not over before it is interrupted"""


@pytest.mark.slow
def test_a_study_is_stopped_resumed_and_finished_by_the_command_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first := tmp_path / "first").touch()
    seen, statuses = tmp_path / "seen", scale_part.read_statuses

    def noted(place: Place) -> AtWork | None:
        at_work = at_work_on(place)
        if at_work and at_work.progress and at_work.progress.done:
            seen.touch()
        return at_work

    def interrupted(folder: Path) -> Any:
        first.unlink()
        return statuses(folder)

    monkeypatch.setattr(scale_part, "at_work_on", noted)
    monkeypatch.setattr(scale_part, "read_statuses", interrupted)
    monkeypatch.setattr(scale_part, "POLL_S", 0.02)
    monkeypatch.setattr(scale_part, "COMMAND", PRELUDE.format(seen=seen, first=first) + scale_part.COMMAND)
    *before, found = json.loads(json.dumps(list(scale_part.measure(units=1_800, stopped_at=600))))
    assert [len(each["summary"]) for each in before] == [2, 3], "what was known after each command"
    speed, _, resume_s, status_s = (row["value"] for row in found["summary"].values())
    assert speed > 0
    assert 0 < status_s < resume_s
    assert all(100 < memory_mb < 2_000 for *_, memory_mb in found["samples"])
