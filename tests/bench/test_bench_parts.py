"""The parts `metrics` and `engine`: exact values, and what counts as overhead and as start-up."""

import json
from pathlib import Path

import pytest
import torch

from distnlc.bench import engine_part as engine
from distnlc.bench import metrics_part as metrics
from distnlc.bench.cells import Cell
from distnlc.bench.engine_part import StudyTimes, optuna_s, run_study, speedup
from distnlc.bench.metrics_part import exact_nlc, measure_cell
from distnlc.metrics.nlc import nlc
from distnlc.studies import kind_of, resolve
from distnlc.studies.nlc.sampling import sample_architecture

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(500, 6, generator=GENERATOR, dtype=torch.float64)


def test_the_exact_nlc_of_a_linear_network_is_known() -> None:
    """Q_x ||J|| = ||W||_F; the spreads are those of these points."""
    weight = torch.randn(3, 6, generator=GENERATOR, dtype=torch.float64)
    outputs = INPUTS @ weight.T
    spreads = [each.var(0, correction=0).mean().sqrt() for each in (INPUTS, outputs)]
    expected = torch.linalg.matrix_norm(weight) * spreads[0] / (3**0.5 * spreads[1])
    network = torch.nn.Linear(6, 3, bias=False, dtype=torch.float64)
    network.weight.data = weight
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
    network = Cell(0, 3, 300, "batch", skips=True).architecture(metrics.SHAPES["cpu"]).build()
    inputs = torch.randn(250, 40, generator=GENERATOR, dtype=torch.float64)
    whole = exact_nlc(network, inputs, coupled=True)
    assert nlc(network, inputs, batches=200) == pytest.approx(whole, rel=0.03)


def test_what_is_measured_of_metrics_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REPETITIONS", 2)
    monkeypatch.setattr(metrics, "BATCHES", 20)
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


TINY = {
    "data.train": 500,
    "data.validation": 250,
    "data.test": 250,
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
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
def test_a_true_study_is_timed_with_all_that_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
    study = resolve("quick", [f"{field}={json.dumps(value)}" for field, value in TINY.items()])
    kind_of(study.kind).prepare(study)
    times = run_study(study, tmp_path / "study", workers=1)
    assert len(times.units) == len(times.commits_s) == 3
    assert 0 < times.startup_s < times.commits_s[0] <= times.commits_s[1] <= times.commits_s[2]
    assert -0.1 < times.overhead_s() < 1, "below zero where a busy machine commits the first unit late"
    assert times.tracked
    assert (tmp_path / "study" / "mlflow.db").exists()


def test_the_study_that_is_measured_is_a_valid_one() -> None:
    study = resolve("quick", [f"{field}={value}" for field, value in engine.STUDY.items()])
    units = kind_of(study.kind).units(study)
    assert len(units) == engine.STUDY["sampling.count"]
    assert max(unit.cost for unit in units) < 1.5 * min(unit.cost for unit in units)
