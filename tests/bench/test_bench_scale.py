"""The part `engine` at scale: what is read off the samples, and a small study that is stopped and resumed for real."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from distnlc.bench import scale_part as scale
from distnlc.bench.scale_part import Sample
from distnlc.engine.executor import EngineError

SAMPLES: list[Sample] = [
    (100.0, 5.0, 50, 300.0),
    (102.0, 7.0, 1_100, 310.0),
    (103.0, 8.0, 1_900, 311.0),
    (104.0, 9.0, 2_000, 312.0),
    (108.0, 13.0, 4_050, 314.05),
]


def test_rate_and_growth_are_read_off_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "STEP", 1_000)
    assert scale._rate(SAMPLES) == (4_050 - 50) / 8
    assert [done for _, _, done, _ in scale._each_step(SAMPLES)] == [1_100, 2_000, 4_050]
    assert scale._growth(scale._each_step(SAMPLES)) == pytest.approx(1.0), "MB per thousand units"
    assert scale._growth(scale._each_step(SAMPLES[:3])) is None


PRELUDE = """
import sys
sys.modules["mlflow"] = None  # slow to start
from distnlc.sinks import console
console.PROGRESS_FILE_S, console.WRITING_SHARE = 0.05, 1
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_is_stopped_resumed_and_finished_by_the_command_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "STEP", 100)
    monkeypatch.setattr(scale, "POLL_S", 0.02)
    monkeypatch.setattr(scale, "COMMAND", PRELUDE + scale.COMMAND)
    begun: list[str] = []
    found = scale.measure(lambda what, _: begun.append(what), units=1_800, stopped_at=600)
    assert 600 <= found["kept"] < 1_800
    assert begun == ["600 units that do nothing", f"the other {1_800 - found['kept']:,}"]
    assert found["units_per_s"] > 0
    assert all(100 < mb < 2_000 for mb in found["memory_mb"].values())
    assert 0 < found["status_s"] < found["resume_s"] < 200
    assert found["files"] == 8, "256 units a file at the end"
    shown = io.StringIO()
    Console(file=shown, width=80).print(scale.table(found))
    assert "units per second" in shown.getvalue()


def test_the_measured_command_ends_with_the_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "COMMAND", "import time; time.sleep(600)")
    with pytest.raises(KeyboardInterrupt), scale._command(str(tmp_path), "run") as command:
        raise KeyboardInterrupt
    assert command.poll() is not None


def test_a_command_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "COMMAND", "raise SystemExit('no Ray here')")
    with pytest.raises(EngineError, match=r"ended with code 1, expected 130.*\nno Ray here"):
        scale.measure(lambda *_: None, units=10, stopped_at=5)
