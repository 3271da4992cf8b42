"""The parts `engine` and `scale` of the bench measure true studies on Ray."""

import json
from pathlib import Path

import pytest

from distnlc.bench import scale_part
from distnlc.bench.engine_part import optuna_s, run_study
from distnlc.plugins import kind_of, loaded
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
    times = run_study(study, workers=1)
    assert len(times.units) == len(times.commits_s) == 3
    assert -0.1 < times.overhead_s() < 1, "below zero where a busy machine commits the first unit late"
    assert 0 < optuna_s() < 0.5


PRELUDE = """
import sys
sys.modules["mlflow"] = None  # slow to start
from distnlc.sinks import console
console.PROGRESS_FILE_S, console.WRITING_SHARE = 0.05, 1
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_is_stopped_resumed_and_finished_by_the_command_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_part, "POLL_S", 0.02)
    monkeypatch.setattr(scale_part, "COMMAND", PRELUDE + scale_part.COMMAND)
    *before, found = json.loads(json.dumps(list(scale_part.measure(units=1_800, stopped_at=600))))
    assert [len(each["summary"]) for each in before] == [2, 3], "what was known after each command"
    speed, _, resume_s, status_s = (row["value"] for row in found["summary"].values())
    assert speed > 0
    assert 0 < status_s < resume_s < 200
    assert all(100 < memory_mb < 2_000 for *_, memory_mb in found["samples"])
