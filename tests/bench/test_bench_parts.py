"""The parts `metrics`, `engine` and `scale`: what they measure of something small; what counts as overhead."""

import json
from pathlib import Path

import pytest

from distnlc.bench import engine_part, metrics_part, scale_part
from distnlc.bench.cells import Cell
from distnlc.bench.engine_part import StudyTimes
from distnlc.bench.scale_part import Sample
from distnlc.engine.executor import EngineError


def test_the_cost_of_the_nlc_is_told_in_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_part, "REPETITIONS", 1)
    monkeypatch.setattr(metrics_part, "BATCHES", 5)
    monkeypatch.setattr(metrics_part, "CELLS", [Cell(0, 3, 300, "batch", skips=False)])
    (found,) = json.loads(json.dumps(list(metrics_part.measure("cpu"))))
    (row,) = found["summary"].values()
    assert list(row) == ["NLC s", "module s", "epoch s", "NLC/epoch"]
    assert min(row.values()) > 0
    assert row["NLC/epoch"] == row["NLC s"] / row["epoch s"]


ONE = StudyTimes(1, [10.0, 13.0, 15.0, 18.0], {"a": 4.0, "b": 2.9, "c": 1.8, "d": 2.8})
TWO = StudyTimes(2, [10.0, 11.0, 14.0, 16.0], {"b": 4.0, "a": 4.5, "c": 3.5, "d": 4.9})


def test_overhead_is_what_workers_do_not_spend_on_units_after_their_first() -> None:
    assert ONE.overhead_s() == pytest.approx((18 - 10 - 2.9 - 1.8 - 2.8) / 3)
    assert TWO.overhead_s() == pytest.approx((9 - 3.5 - 4.9) / 2)


def test_throughput_is_weighed_by_units_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two workers do units of 1.8 + 2.8 s in 4.5 s; one does units of 7.5 s in 8 s. Optuna's time is overhead."""
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path))
    monkeypatch.setattr(engine_part, "run_study", lambda _, workers: ONE if workers == 1 else TWO)
    monkeypatch.setattr(engine_part, "optuna_s", lambda: 0.25)
    first, _, found = json.loads(json.dumps(list(engine_part.measure())))
    assert len(first["repetitions"]) == 1
    assert first["how"].startswith("1 of 3 so far; 4 units of ")
    assert found["summary"]["1 worker"] == {"overhead s": pytest.approx(0.5 / 3 + 0.25), "throughput": 1.0}
    assert found["summary"]["2 workers"]["overhead s"] == pytest.approx(0.3 + 0.25)
    assert found["summary"]["2 workers"]["throughput"] == pytest.approx((4.6 / 4.5) / (7.5 / 8))


def test_speed_and_memory_at_scale_are_read_off_the_samples() -> None:
    samples = [(5.0, 50, 300.0), (7.0, 10_000, 310.0), (9.0, 20_000, 312.0), (13.0, 40_050, 314.01)]
    found = scale_part.speed_and_memory([Sample(*each) for each in samples])
    assert list(found.values()) == [40_000 / 8, pytest.approx(4.01 / 3.005)]


def test_a_command_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_part, "COMMAND", "raise SystemExit('no Ray here')")
    with pytest.raises(EngineError, match=r"ended with code 1, expected 130.*\nno Ray here"):
        list(scale_part.measure(units=10, stopped_at=5))
