"""The parts `metrics` and `engine`: exact values, what counts as overhead, and a study that is stopped and resumed."""

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from distnlc.bench import engine_part, metrics_part, scale_part
from distnlc.bench.cells import SHAPES, Cell
from distnlc.bench.engine_part import StudyTimes, optuna_s, run_study, speedup
from distnlc.bench.metrics_part import exact_nlc, measure_cell
from distnlc.engine.executor import EngineError
from distnlc.metrics.nlc import nlc
from distnlc.plugins import kind_of, loaded
from distnlc.studies import resolve
from distnlc.studies.nlc.sampling import sample_architecture

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(500, 6, generator=GENERATOR, dtype=torch.float64)


def test_the_exact_nlc_of_a_linear_network_is_known() -> None:
    """Q_x ||J|| = ||W||_F; the spreads are those of these points."""
    network = torch.nn.Linear(6, 3, bias=False, dtype=torch.float64)
    weight = network.weight.detach()
    spreads = [each.var(0, correction=0).mean().sqrt() for each in (INPUTS, INPUTS @ weight.T)]
    expected = torch.linalg.matrix_norm(weight) * spreads[0] / (3**0.5 * spreads[1])
    for coupled in False, True:
        assert exact_nlc(network, INPUTS, coupled=coupled) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("index", [1, 2, 4])
def test_whole_batches_and_single_points_give_the_same_without_batch_statistics(index: int) -> None:
    network = sample_architecture(index, seed=3, d_in=6, d_out=3, parameters=300, depth_max=5)
    assert network.normalization != "batch"
    single, whole = (exact_nlc(network.build(), INPUTS, coupled=coupled) for coupled in (False, True))
    assert single == pytest.approx(whole, rel=1e-10)
    assert nlc(network.build(), INPUTS, batches=400) == pytest.approx(whole, rel=0.03)


def test_a_network_with_batch_norm_is_a_function_of_whole_batches() -> None:
    network = Cell(0, 3, 300, "batch", skips=True).architecture(SHAPES["cpu"]).build()
    inputs = torch.randn(250, 40, generator=GENERATOR, dtype=torch.float64)
    assert nlc(network, inputs, batches=200) == pytest.approx(exact_nlc(network, inputs, coupled=True), rel=0.03)


def test_a_cell_of_the_metrics_has_all_times_and_both_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_part, "REPETITIONS", 2)
    monkeypatch.setattr(metrics_part, "BATCHES", 20)
    found = json.loads(json.dumps(measure_cell(Cell(0, 3, 300, "batch", skips=False), "cpu", exact_points=250)))
    assert [len(found["seconds"][name]["repetitions"]) for name in ("nlc", "module", "epoch", "exact")] == [2, 2, 2, 2]
    assert found["nlc"] == pytest.approx(found["exact_nlc"], rel=0.15)
    assert found["nlc_to_epoch"] > 0
    assert found["exact_to_nlc"] > 0


ONE = StudyTimes(1, 5.0, [10.0, 13.0, 15.0, 18.0], {"a": 4.0, "b": 2.9, "c": 1.8, "d": 2.8}, True)
TWO = StudyTimes(2, 5.0, [10.0, 11.0, 14.0, 16.0], {"b": 4.0, "a": 4.5, "c": 3.5, "d": 4.9}, True)


def test_overhead_is_what_workers_do_not_spend_on_units_after_their_first() -> None:
    assert ONE.overhead_s() == pytest.approx((18 - 10 - 2.9 - 1.8 - 2.8) / 3)
    assert TWO.worker_s() == pytest.approx((14 - 10) + (16 - 11))
    assert TWO.overhead_s() == pytest.approx((9 - 3.5 - 4.9) / 2)


def test_throughput_is_weighed_by_the_units_seconds_with_one_worker() -> None:
    """Two workers do units of 1.8 + 2.8 s in 4.5 s; one does units of 7.5 s in 8 s."""
    assert speedup(ONE, TWO) == pytest.approx((4.6 / 4.5) / (7.5 / 8))


def test_optuna_takes_less_than_a_tenth_of_a_second() -> None:
    assert 0 < optuna_s() < 0.1


def test_the_measured_study_has_units_of_about_equal_size() -> None:
    study = resolve("quick", [f"{field}={value}" for field, value in engine_part.STUDY.items()])
    costs = [unit.cost for unit in loaded(kind_of(study.kind).units)(study)]
    assert len(costs) == engine_part.STUDY["sampling.count"]
    assert max(costs) < 1.5 * min(costs)


TINY = {
    **dict.fromkeys(("data.validation", "data.test"), 250),
    "data.train": 500,
    "sampling.count": 3,
    "sampling.parameters": 300,
    "sampling.depth_max": 5,
    "training.divisions": 1,
    "training.first_patience": 2,
    "training.patience": 1,
    "search.rungs": [],
    "metrics.nlc_batches": 2,
    "metrics.walk_batches": 0,
}


@pytest.mark.slow
def test_a_true_study_is_timed_with_all_that_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
    study = resolve("quick", [f"{field}={json.dumps(value)}" for field, value in TINY.items()])
    times = run_study(study, tmp_path / "study", workers=1)
    assert len(times.units) == len(times.commits_s) == 3
    assert 0 < times.startup_s < times.commits_s[0] <= times.commits_s[1] <= times.commits_s[2]
    assert -0.1 < times.overhead_s() < 1, "below zero where a busy machine commits the first unit late"
    assert times.tracked
    assert (tmp_path / "study" / "mlflow.db").exists()


def test_speed_and_memory_at_scale_are_read_off_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_part, "STEP", 1_000)
    moments = [(100.0, 5.0, 50, 300.0), (102.0, 7.0, 1_100, 310.0), (103.0, 8.0, 1_900, 311.0)]
    few = scale_part.speed_and_memory(moments)
    assert few == {"units_per_s": 1_850 / 3, "memory_mb": {1_100: 310.0}, "memory_growth_mb": None}
    moments += [(104.0, 9.0, 2_000, 312.0), (108.0, 13.0, 4_050, 314.05)]
    found = scale_part.speed_and_memory(moments)
    assert found["units_per_s"] == 4_000 / 8
    assert list(found["memory_mb"]) == [1_100, 2_000, 4_050]
    assert found["memory_growth_mb"] == pytest.approx(1.0), "MB per thousand units"


PRELUDE = """
import sys
sys.modules["mlflow"] = None  # slow to start
from distnlc.sinks import console
console.PROGRESS_FILE_S, console.WRITING_SHARE = 0.05, 1
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_is_stopped_resumed_and_finished_by_the_command_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_part, "STEP", 100)
    monkeypatch.setattr(scale_part, "POLL_S", 0.02)
    monkeypatch.setattr(scale_part, "COMMAND", PRELUDE + scale_part.COMMAND)
    begun: list[str] = []
    found = scale_part.measure(lambda step, _: begun.append(step), units=1_800, stopped_at=600)
    assert 600 <= found["kept"] < 1_800
    assert begun == ["600 units that do nothing", f"the other {1_800 - found['kept']:,}"]
    assert found["units_per_s"] > 0
    assert all(100 < mb < 2_000 for mb in found["memory_mb"].values())
    assert 0 < found["status_s"] < found["resume_s"] < 200
    assert found["files"] == 8, "256 units a file at the end"
    shown = io.StringIO()
    Console(file=shown, width=80).print(scale_part.table(found))
    assert "units per second" in shown.getvalue()


def test_a_command_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_part, "COMMAND", "raise SystemExit('no Ray here')")
    with pytest.raises(EngineError, match=r"ended with code 1, expected 130.*\nno Ray here"):
        scale_part.measure(lambda *_: None, units=10, stopped_at=5)


def test_the_measured_command_ends_with_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_part, "COMMAND", "import time; time.sleep(600)")
    seen = []

    def interrupted(process: object, *_: object) -> None:
        seen.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(scale_part, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scale_part.measure(lambda *_: None)
    assert seen[0].poll() is not None
