"""Best rates, normalized losses and their intervals against plain loops over runs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from distnlc.analysis.scaling.losses import CUT, END, LAST_EPOCH, Ranking, over_worst, rankings
from distnlc.analysis.scaling.parts import largest
from distnlc.analysis.statistics.correlations import RESAMPLES, SEED
from distnlc.analysis.statistics.resampling import resamples
from distnlc.analysis.tables import Tables
from tests.helpers.synthetic_scaling import INITS, SETS, Invented

FEW = {name: SETS[name] for name in ("iris", "wine", "vowel")}


@pytest.fixture(scope="module")
def tables() -> Tables:
    study = Invented()
    study.libsvm(FEW)
    tables = study.tables
    generator = np.random.default_rng(1)
    runs = tables.runs
    noisy = runs.assign(
        train_loss=runs["train_loss"] * generator.lognormal(sigma=0.2, size=len(runs)),
        epoch_loss=runs["epoch_loss"] * generator.lognormal(sigma=0.2, size=len(runs)),
    )
    gone = generator.random(len(runs)) < 0.15
    noisy.loc[gone, ["train_loss", "epoch_loss"]] = np.nan
    noisy.loc[gone, "status"] = "diverged"
    return replace(tables, frames=tables.frames | {"runs": noisy})


def ranked(tables: Tables) -> dict[str, Ranking]:
    part = largest(tables, "libsvm")
    assert part is not None
    return {one.reading.name: one for one in rankings(tables, part)}


def plain_losses(tables: Tables, column: str, top: int = 99) -> dict[str, list[float]]:
    """Set -> lowest median over seeds of every initialization; a diverged run counts as infinite."""
    runs = tables.runs.merge(tables.units[["unit_id", "dataset", "init", "seed"]], on="unit_id")
    keys = zip(runs["dataset"], runs["init"], runs["seed"], runs["exponent"], strict=True)
    by_run = dict(zip(keys, runs[column].fillna(math.inf), strict=True))
    found = {}
    for name in FEW:
        found[name] = [math.inf] * len(INITS)
        for place, init in enumerate(INITS):
            for exponent in range(-6, min(5, top) + 1):
                losses = [by_run[name, init, seed, exponent] for seed in range(5)]
                found[name][place] = min(found[name][place], sorted(losses)[2])
    return found


@pytest.mark.parametrize("reading", [END, LAST_EPOCH, CUT])
def test_averages_and_counts_are_those_of_a_plain_loop(tables: Tables, reading: Any) -> None:
    one = ranked(tables)[reading.name]
    losses = plain_losses(tables, reading.column, top=99 if reading.top is None else reading.top)
    over = [[value / max(of_set) for value in of_set] for of_set in losses.values()]
    for place, init in enumerate(INITS):
        assert one.averages()[init].value == pytest.approx(np.mean([each[place] for each in over]))
        assert one.count("worst")[init] == sum(each[place] == max(each) for each in losses.values())
        assert one.count("winners")[init] == sum(each[place] == min(each) for each in losses.values())
        if place:
            difference = np.mean([each[0] - each[place] for each in over])
            assert one.differences()[init].value == pytest.approx(difference)


def test_intervals_over_sets_resample_sets(tables: Tables) -> None:
    one = ranked(tables)[END.name]
    over = np.array([[value / max(each) for value in each] for each in plain_losses(tables, "train_loss").values()])
    drawn = [np.repeat(over, counts.astype(int), axis=0).mean(axis=0) for counts in resamples(len(over))]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    for place, init in enumerate(INITS):
        assert one.averages()[init].sets == pytest.approx((low[place], high[place]))


def test_resampled_seeds_are_shared_by_initializations_and_choose_their_own_rates(tables: Tables) -> None:
    outcome = ranked(tables)[END.name].outcomes[0]
    drawn = np.random.default_rng(SEED).integers(5, size=(RESAMPLES, 5))
    for place in (0, 7, 1999):
        losses = [
            min(float(np.median([rate[seed] for seed in drawn[place]])) for rate in rates) for rates in outcome.values
        ]
        assert outcome.resampled[place] == pytest.approx([loss / max(losses) for loss in losses])


def test_the_lowest_of_equal_rates_is_best_and_edges_are_told(tables: Tables) -> None:
    level = replace(tables, frames=tables.frames | {"runs": tables.runs.assign(train_loss=1.0, epoch_loss=1.0)})
    outcome = ranked(level)[END.name].outcomes[0]
    assert outcome.exponents == [-6] * 4
    assert outcome.at_edge == [True] * 4
    assert outcome.worst == outcome.winners == [True] * 4  # ties go to all


def test_seeds_that_not_all_initializations_have_are_left_out(tables: Tables) -> None:
    units = tables.units
    gone = (units["dataset"] == "iris") & (units["init"] == "fan-in") & (units["seed"] == 3)
    one = ranked(replace(tables, frames=tables.frames | {"units": units[~gone]}))[END.name]
    assert [each.losses.seeds for each in one.outcomes] == [4, 5, 5]
    assert list(one.left_out) == ["1 of 5 seeds of iris"]


def test_steps_are_those_of_the_part_s_batches(tables: Tables) -> None:
    outcomes = ranked(tables)[END.name].outcomes
    assert [each.losses.steps for each in outcomes] == [10, 10, 25]


def test_beside_an_initialization_that_diverged_at_all_rates_the_others_are_0() -> None:
    found = over_worst(np.array([[1.0, 2.0, 4.0], [1.0, math.inf, 2.0], [0.0, 0.0, 0.0]]))
    assert found.tolist() == [[0.25, 0.5, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_the_paper_s_rates_are_a_reading_only_where_higher_ones_were_tried() -> None:
    study = Invented()
    study.libsvm({"iris": ((0.5, 0.5, 0.5, 0.6), (0, 0, 0, 0), 4, 3, 150)}, rates=(-3, 1))
    assert list(ranked(study.tables)) == [END.name, LAST_EPOCH.name]


def test_a_set_without_one_of_the_initializations_is_left_out(tables: Tables) -> None:
    units: pd.DataFrame = tables.units
    one = ranked(
        replace(
            tables,
            frames=tables.frames | {"units": units[(units["dataset"] != "wine") | (units["init"] != "fan-out")]},
        )
    )[END.name]
    assert [each.losses.name for each in one.outcomes] == ["iris", "vowel"]
    assert list(one.left_out) == ["5 of 5 seeds of wine"]
