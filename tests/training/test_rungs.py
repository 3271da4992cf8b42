"""Successive halving inside a population: who leaves at a rung, and that nobody else notices."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from distnlc.data.dataset import Dataset
from distnlc.records import DIVERGED, OK, PRUNED
from distnlc.search import SearchSpec
from distnlc.studies.nlc import sweep as sweeps
from distnlc.studies.nlc.sweep import sweep_rates
from distnlc.training.trainer import RunOutcome, train_population
from tests.helpers.plain_training import SHORT, SKIPS, architecture, error_of, small_data, start_for

RATES = [1e-6, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0]
RUNGS = (3, 6)
"""of seven runs four go on after epoch 3 and two after epoch 6, unless some have ended by themselves"""
DRAWN = architecture("tanh", "batch", SKIPS[1])


@pytest.fixture(scope="module")
def data() -> Dataset:
    return small_data()


@pytest.fixture(scope="module")
def whole(data: Dataset) -> list[RunOutcome]:
    return train_population(start_for(DRAWN, data), data, RATES, SHORT)


@pytest.fixture(scope="module")
def halved(data: Dataset) -> list[RunOutcome]:
    return train_population(start_for(DRAWN, data), data, RATES, SHORT, rungs=RUNGS)


def lowest_error(outcome: RunOutcome, data: Dataset, epochs: int) -> float:
    """The lowest of the initial network and the first epochs."""
    initial = error_of(DRAWN.build(), data.validation_inputs, data.validation_labels, SHORT.batch_size)
    return float(np.nanmin([initial, *[epoch.val_error for epoch in outcome.history[:epochs]]]))


def test_after_each_rung_the_better_half_goes_on(
    data: Dataset, whole: list[RunOutcome], halved: list[RunOutcome]
) -> None:
    left = list(range(len(RATES)))
    for rung in RUNGS:
        ranked = sorted(left, key=lambda run: (lowest_error(whole[run], data, rung), RATES[run]))
        left, leaving = ranked[: (len(ranked) + 1) // 2], ranked[(len(ranked) + 1) // 2 :]
        assert {(halved[run].epochs, halved[run].status) for run in leaving} == {(rung, PRUNED)}
    assert [run for run, outcome in enumerate(halved) if outcome.status == OK] == sorted(left)
    assert len(left) == 2


def test_until_it_leaves_or_ends_every_run_trains_as_if_nobody_had_left(
    data: Dataset, whole: list[RunOutcome], halved: list[RunOutcome]
) -> None:
    """But for rounding: batched kernels may round differently at other population sizes."""
    for full, outcome in zip(whole, halved, strict=True):
        first = full.history[: outcome.epochs]
        assert [epoch.val_error for epoch in outcome.history] == [epoch.val_error for epoch in first]
        losses = [epoch.train_loss for epoch in outcome.history]
        np.testing.assert_allclose(losses, [epoch.train_loss for epoch in first], rtol=1e-8)
        assert outcome.val_error == lowest_error(full, data, outcome.epochs)
        assert np.isfinite([outcome.test_error, outcome.train_error]).all()
        if outcome.status == OK:
            np.testing.assert_allclose(outcome.row, full.row, rtol=1e-8)
            assert (outcome.test_error, outcome.best_epoch) == (full.test_error, full.best_epoch)


def test_of_equal_runs_the_lower_rate_goes_on(data: Dataset) -> None:
    """At rates that change nothing all errors are those of the initial network; the order of the rates is no matter."""
    outcomes = train_population(start_for(DRAWN, data), data, [3e-30, 1e-30, 2e-30], SHORT, rungs=(1,))
    assert [outcome.status for outcome in outcomes] == [PRUNED, OK, OK]


def test_a_run_that_was_never_finite_leaves_first_whatever_its_rate(data: Dataset) -> None:
    """The square function without normalization leaves float64 within an epoch at a large rate; one below zero stands
    for a low one that diverges."""
    start, spec = start_for(architecture("square"), data), SHORT.model_copy(update={"divisor": 1e3})
    outcomes = train_population(start, data, [-1e60, 1e-30, 1e61, 1e-29], spec, rungs=(2,))
    assert [outcome.status for outcome in outcomes] == [PRUNED, OK, PRUNED, OK]
    assert [outcome.diverged for outcome in outcomes] == [True, False, True, False]
    (alone,) = train_population(start, data, [1e60], spec, rungs=(2, 3))
    assert (alone.status, alone.epochs) == (DIVERGED, spec.divisions + 1)


def bits(outcome: RunOutcome) -> Any:
    row = None if outcome.row is None else outcome.row.numpy().tobytes()
    return row, repr(replace(outcome, row=None, buffers=None))


def test_populations_in_one_program_are_halved_each_by_itself(data: Dataset) -> None:
    """Bit by bit, since the native program computes one run after the other; populations of three, three and one."""
    start, spec = start_for(DRAWN, data), SHORT.model_copy(update={"population": 3})
    together = train_population(start, data, RATES, spec, rungs=RUNGS)
    apart = [
        outcome
        for first in range(0, len(RATES), spec.population)
        for outcome in train_population(start, data, RATES[first : first + spec.population], spec, rungs=RUNGS)
    ]
    assert [bits(outcome) for outcome in together] == [bits(outcome) for outcome in apart]
    assert [sum(run.status != PRUNED for run in together[first : first + 3]) for first in (0, 3, 6)] == [1, 1, 1]


@pytest.mark.parametrize("search", [{}, {"method": "refine", "coarse": 5, "wave": 2, "waves": 2}])
def test_a_wave_is_one_program_on_cuda_and_one_for_each_population_on_a_cpu_with_the_same_rows(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, search: dict[str, Any]
) -> None:
    """The device is only named here: both are trained on the CPU."""
    on_cpu, programs = start_for(DRAWN, data), list[int]()
    on_cuda: Any = SimpleNamespace(rows=SimpleNamespace(device=torch.device("cuda")))
    spec = SHORT.model_copy(update={"population": 2, "divisions": 1})
    fields = SearchSpec(rates=10, rungs=RUNGS, edge=1, **search)

    def counting(_: object, data: Dataset, rates: Sequence[float], *rest: Any, **more: Any) -> list[RunOutcome]:
        programs.append(len(rates))
        return train_population(on_cpu, data, rates, *rest, **more)

    monkeypatch.setattr(sweeps, "train_population", counting)
    cuda, cpu = (sweep_rates(start, data, 1e-4, spec, fields) for start in (on_cuda, on_cpu))
    waves = [5, 2, 2] if search else [10]
    assert programs == waves + [size for wave in waves for size in [2] * (wave // 2) + [1] * (wave % 2)]
    assert {run: bits(outcome) for run, outcome in cuda.results.items()} == {
        run: bits(outcome) for run, outcome in cpu.results.items()
    }
    assert PRUNED in {outcome.status for outcome in cuda.results.values()}
