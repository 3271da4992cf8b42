"""Successive halving inside a population: who leaves at a rung, and that nobody else notices."""

import numpy as np
import pytest

from distnlc.data.dataset import Dataset
from distnlc.records import DIVERGED, OK, PRUNED
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
