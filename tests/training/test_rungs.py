"""Successive halving inside a population: who leaves at a rung, and that nobody else notices."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from distnlc.data.dataset import Dataset
from distnlc.records import DIVERGED, OK, PRUNED
from distnlc.training.trainer import PopulationTrainer, RunOutcome, train_population
from tests.training.test_population_training import SHORT, SKIPS, architecture, start_of

RATES = [1e-6, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0]
RUNGS = (3, 6)
"""of seven runs four go on after epoch 3 and two after epoch 6, unless some have ended by themselves"""


@pytest.fixture(scope="module")
def data() -> Dataset:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(3, (140,), generator=generator)
    inputs = torch.randn(140, 6, generator=generator, dtype=torch.float64)
    inputs[:, 0] += 2.0 * labels
    parts = [(inputs[a:b], labels[a:b]) for a, b in ((0, 80), (80, 120), (120, 140))]
    return Dataset("waveform-noise", 3, *[tensor for part in parts for tensor in part])


def lowest_error(outcome: RunOutcome, initial: float, epochs: int) -> float:
    """Of the initial network and the first epochs."""
    errors = [epoch.val_error for epoch in outcome.history[:epochs]]
    return min([initial, *[error for error in errors if error is not None and np.isfinite(error)]])


@pytest.fixture(scope="module")
def whole(data: Dataset) -> list[RunOutcome]:
    return train_population(start_of(architecture("tanh", "batch", SKIPS[1]), data), data, RATES, SHORT)


@pytest.fixture(scope="module")
def halved(data: Dataset) -> list[RunOutcome]:
    start = start_of(architecture("tanh", "batch", SKIPS[1]), data)
    return train_population(start, data, RATES, SHORT, rungs=RUNGS)


def initial_error(data: Dataset) -> float:
    network = architecture("tanh", "batch", SKIPS[1]).build()
    with torch.no_grad():
        batches = [network(inputs).argmax(1) for inputs in data.validation_inputs.split(SHORT.batch_size)]
    return float((torch.cat(batches) != data.validation_labels).double().mean())


def test_after_each_rung_the_better_half_goes_on(
    data: Dataset, whole: list[RunOutcome], halved: list[RunOutcome]
) -> None:
    initial, left = initial_error(data), list(range(len(RATES)))
    for rung in RUNGS:
        ranked = sorted(left, key=lambda run: (lowest_error(whole[run], initial, rung), RATES[run]))
        left, leaving = ranked[: (len(ranked) + 1) // 2], ranked[(len(ranked) + 1) // 2 :]
        assert {len(halved[run].history) for run in leaving} == {rung}
        assert {halved[run].status for run in leaving} == {PRUNED}
    assert [run for run, outcome in enumerate(halved) if outcome.status == OK] == sorted(left)
    assert len(left) == 2


def test_the_runs_that_go_on_end_as_if_nobody_had_left(whole: list[RunOutcome], halved: list[RunOutcome]) -> None:
    """But for rounding: batched kernels may round differently at other population sizes."""
    for full, outcome in zip(whole, halved, strict=True):
        if outcome.status == OK:
            assert outcome.row is not None
            assert full.row is not None
            np.testing.assert_allclose(outcome.row, full.row, rtol=1e-8)
            assert [epoch.val_error for epoch in outcome.history] == [epoch.val_error for epoch in full.history]
            assert (outcome.test_error, outcome.best_epoch) == (full.test_error, full.best_epoch)


def test_a_pruned_run_is_the_first_epochs_of_a_whole_one_and_its_best_state_is_measured(
    data: Dataset, whole: list[RunOutcome], halved: list[RunOutcome]
) -> None:
    initial = initial_error(data)
    for full, outcome in zip(whole, halved, strict=True):
        if outcome.status == PRUNED:
            epochs = len(outcome.history)
            first = full.history[:epochs]
            assert [epoch.val_error for epoch in outcome.history] == [epoch.val_error for epoch in first]
            np.testing.assert_allclose(
                [epoch.train_loss for epoch in outcome.history], [epoch.train_loss for epoch in first], rtol=1e-8
            )
            assert outcome.val_error == lowest_error(full, initial, epochs)
            assert np.isfinite([outcome.test_error, outcome.train_error]).all()


def test_of_equal_runs_the_lower_rate_goes_on(data: Dataset) -> None:
    """At rates that change nothing all errors are those of the initial network; the order of the rates is no matter."""
    start = start_of(architecture("tanh", "batch", SKIPS[1]), data)
    outcomes = train_population(start, data, [3e-30, 1e-30, 2e-30], SHORT, rungs=(1,))
    assert [outcome.status for outcome in outcomes] == [PRUNED, OK, OK]


def test_a_run_that_was_never_finite_leaves_first_whatever_its_rate(data: Dataset) -> None:
    """The square function without normalization leaves float64 within an epoch at a large rate; one below zero stands
    for a low one that diverges."""
    start = start_of(architecture("square", "none", SKIPS[0]), data)
    spec = SHORT.model_copy(update={"divisor": 1e3})
    outcomes = train_population(start, data, [-1e60, 1e-30, 1e61, 1e-29], spec, rungs=(2,))
    assert [outcome.status for outcome in outcomes] == [PRUNED, OK, PRUNED, OK]
    assert [outcome.diverged for outcome in outcomes] == [True, False, True, False]
    alone = train_population(start, data, [1e60], spec, rungs=(2, 3))
    assert (alone[0].status, len(alone[0].history)) == (DIVERGED, spec.divisions + 1)


def test_a_rung_that_nobody_reaches_changes_nothing(data: Dataset, whole: list[RunOutcome]) -> None:
    start = start_of(architecture("tanh", "batch", SKIPS[1]), data)
    longest = max(len(outcome.history) for outcome in whole)
    late = train_population(start, data, RATES, SHORT, rungs=(longest,))
    for one, other in zip(whole, late, strict=True):
        assert one.history == other.history
        assert other.status == OK


def test_a_saved_population_goes_on_after_a_rung_to_the_same_bits(data: Dataset) -> None:
    start = start_of(architecture("tanh", "batch", SKIPS[1]), data)
    saved: list[dict[str, Any]] = []

    def keep(trainer: PopulationTrainer) -> None:
        if trainer.schedule.epoch == RUNGS[0]:
            saved.append(copy.deepcopy(trainer.state()))

    undisturbed = train_population(start, data, RATES, SHORT, rungs=RUNGS, after_epoch=keep)
    resumed = train_population(start, data, RATES, SHORT, rungs=RUNGS, saved=saved[0])
    for one, other in zip(undisturbed, resumed, strict=True):
        assert (one.history, one.status) == (other.history, other.status)
        assert one.row is not None
        assert other.row is not None
        assert torch.equal(one.row, other.row)
