"""The estimate of a study on a GPU that is not there, against another model's figures for the same design; when runs
leave; what a calibration on a GPU scales. Nothing here is a measurement."""

from collections.abc import Sequence
from typing import Any

import pytest

from distnlc.search import SearchSpec
from distnlc.spec import SpecError, Unit
from distnlc.studies import resolve
from distnlc.studies.nlc import calibration, gpu_cost
from distnlc.studies.nlc.gpu_cost import H200, LAST_EPOCHS, estimate, last_epochs, recommended, sharing, unit_spent
from distnlc.studies.nlc.units import units
from distnlc.training.spec import TrainingSpec


def every_tenth(spec: Any) -> list[Unit]:
    return units(spec)[::10]


def test_the_paper_takes_what_another_model_of_the_same_design_gives() -> None:
    """7.3 hours on one H200 without metrics, 2.6 of them for CIFAR10; about 9 with metrics."""
    spec = resolve("paper", ())
    some = every_tenth(spec)
    found, told = estimate(spec, some)
    hours = 10 * sum(found) / 3600
    cifar10 = 10 * sum(taken_s for taken_s, unit in zip(found, some, strict=True) if unit.part == "cifar10") / 3600
    assert 9 / 1.5 < hours < 9 * 1.5
    assert 2.6 / 1.5 < cifar10 < 2.6 * 1.5
    assert "NVIDIA H200, estimated by a model; nobody has measured it" in told


def test_sharing_a_gpu_pays_more_with_mps_and_less_with_each_process() -> None:
    spec = resolve("cifar10", ())
    whole = sum((unit_spent(spec, unit.index, H200) for unit in every_tenth(spec)), gpu_cost.Spent(0, 0, 0))
    with_mps, without = (sharing(whole, mps=mps) for mps in (True, False))
    assert with_mps[1] == without[1] == whole.alone_s
    assert whole.busy_s < with_mps[8] < with_mps[2] < without[2] < whole.alone_s
    assert without[8] > whole.graph_s
    assert recommended({1: 10.0, 2: 9.0, 4: 8.9, 8: 8.8}) == 2
    assert recommended({1: 10.0, 2: 9.9, 4: 8.0, 8: 7.9}) == 4


def test_runs_leave_as_they_did_where_it_was_looked_at() -> None:
    schedule = TrainingSpec(population=40)
    assert last_epochs(schedule, SearchSpec(), 40) == list(LAST_EPOCHS)
    twenty = last_epochs(schedule, SearchSpec(), 20)
    assert sum(twenty) / 20 == pytest.approx(sum(LAST_EPOCHS) / 40, rel=0.01)
    quicker = last_epochs(TrainingSpec(population=40, first_patience=5, divisions=5), SearchSpec(), 40)
    assert max(quicker) == LAST_EPOCHS[-1] // 2
    assert max(last_epochs(TrainingSpec(epochs=70), SearchSpec(), 40)) == 70


def test_at_a_rung_half_of_each_population_leaves() -> None:
    search = SearchSpec(rungs=(5, 20))
    for population in (8, 40):
        stops = last_epochs(TrainingSpec(population=population), search, 40)
        assert (stops.count(5), stops.count(20)) == (20, 10)


def test_a_family_s_networks_have_no_model() -> None:
    class Family:
        name = "mine"

    class Sampling:
        family = Family()

    class Part:
        sampling = Sampling()

    with pytest.raises(SpecError, match="no model of a GPU for networks of the family mine"):
        unit_spent(Part(), 0, H200)  # type: ignore[arg-type]


def test_a_calibration_on_a_gpu_scales_the_model_by_the_program_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that takes twice the model's time for the timed epoch takes it for every unit."""
    spec = resolve("paper", ["sampling.count=3", "parts.waveform-training-error.sampling.count=2"])
    every = units(spec)
    model_s, _ = estimate(spec, every)

    def timed(part: Any, numbers: Sequence[int], _: str) -> tuple[float, float, int]:
        network = gpu_cost.sampled(part, calibration._median(part, numbers), *gpu_cost.dimensions(part.data)).layered
        epoch_s = gpu_cost.epoch_s(network, part, part.training.population, (40, 10), H200)
        return 2 * epoch_s, 1.0, part.training.population

    monkeypatch.setattr(calibration, "measured", lambda _: H200)
    monkeypatch.setattr(calibration, "_timed_epoch", timed)
    assert calibration.seconds(spec, every, "cuda") == pytest.approx([2 * each for each in model_s])
