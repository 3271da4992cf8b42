"""The part `training`: the compared programs do the same work, in processes; how ratios and summaries are formed."""

import json
from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from distnlc.bench import training_part as training
from distnlc.bench.cells import Cell, Job, Shape, grid, make_job
from distnlc.bench.products import by_torch, epoch
from distnlc.bench.steps import bar, mixed
from distnlc.bench.team import VARIANTS, make_ready, team
from distnlc.bench.variants import plain, population, stacked
from distnlc.engine.executor import EngineError

SMALL = Shape("waveform-noise", d_in=6, classes=3, train_batches=2, validation_batches=1, population=3)


def small_job(number: int, normalization: str, skips: bool) -> Job:
    return make_job(Cell(number, 5, 300, normalization, skips), SMALL, "cpu")


@pytest.mark.parametrize(
    ("number", "normalization", "skips"),
    [(number, *kind) for number, kind in enumerate(product(["none", "batch", "layer"], [False, True]))],
)
@pytest.mark.slow
def test_the_three_ways_to_train_compute_the_same(number: int, normalization: str, skips: bool) -> None:
    job = small_job(number, normalization, skips)
    job = replace(job, rates=torch.tensor([0.001, 0.01, 0.05], dtype=torch.float64))
    ours, theirs = population(job), stacked(job)
    first = ours()
    for losses, errors in theirs(), np.hstack([np.stack(plain(job, member)()) for member in range(3)]):
        np.testing.assert_allclose(losses, first[0], rtol=1e-10)
        np.testing.assert_array_equal(errors, first[1])
    later = ours()
    assert len(set(later[0]) | set(first[0])) >= 4, "it is trained, each at its own rate"
    np.testing.assert_allclose(theirs()[0], later[0], rtol=1e-9)


def test_the_products_are_those_that_an_epoch_takes() -> None:
    """Counted while torch computes; numpy's are listed by the same code."""
    job = small_job(0, "none", skips=False)
    with FlopCounterMode(display=False) as expected:
        plain(job)()
    with FlopCounterMode(display=False) as counter:
        epoch(job, by_torch(job))
    assert counter.get_total_flops() == expected.get_total_flops() * len(job.rates)


@pytest.mark.slow
def test_cells_are_measured_in_processes_by_all_variants_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "REPETITIONS", 2)
    cells = [Cell(5, 3, 300, "layer", skips=True)]
    (found,) = json.loads(json.dumps(list(training.measure("cpu", cells)), allow_nan=False))
    (cell,) = found["cells"]
    assert list(cell["run_epochs_per_second"]) == list(VARIANTS)
    for rates in cell["run_epochs_per_second"].values():
        assert len(rates) == 2
        assert min(rates) > 0
    assert cell["ratios"]["plain loop"] > 1
    assert 0 < cell["ratios"]["products"] < 1
    assert list(found["summary"]) == ["all", "depth 3", "300 parameters"]


@pytest.mark.slow
def test_a_process_that_fails_ends_the_measurement_with_one_message() -> None:
    with (
        pytest.raises(EngineError, match=r"a process that measured .*'weird'.* failed \(\w+: "),
        team(2) as together,
    ):
        together(make_ready, Cell(0, 3, 300, "weird", skips=False), "cpu")


def test_what_there_is_after_each_cell_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "team", lambda _: nullcontext())
    ratios = {"ratios": dict.fromkeys(training.OTHERS, 2.0)}
    monkeypatch.setattr(training, "measure_cell", lambda cell, *_: {**asdict(cell), **ratios})
    every = list(training.measure("cpu"))
    assert [len(found["cells"]) for found in every] == list(range(1, 55))
    assert [found["how"].partition(";")[0] for found in every[:2]] == ["1 of 54 so far", "2 of 54 so far"]
    assert [cell["number"] for cell in every[-1]["cells"]] == list(range(54)), "in the grid's order"
    assert every[-1]["how"].startswith("the population trainer's run-epochs")
    assert list(every[0]["summary"]) == ["all", "depth 3", "20,000 parameters"]


def test_the_time_left_is_right_after_a_sixth_and_a_third_of_the_grid() -> None:
    """Depth and size may cost what they like together, and the machine may have been slow in the last half minute."""
    cells = mixed(grid())
    assert sorted(cell.number for cell in cells) == list(range(54))
    costs = {kind: 1.5**number for number, kind in enumerate(sorted({(c.depth, c.parameters) for c in cells}))}
    seconds = [costs[cell.depth, cell.parameters] for cell in cells]
    assert [sum(seconds[:done]) / done for done in (9, 18, 54)] == pytest.approx([sum(seconds) / 54] * 3)
    now = [0.0]
    shown = bar(lambda: now[0])
    task = shown.add_task("", total=54)
    for passed in [10.0, *[10.0] * 9, *[30.0] * 9]:
        now[0] += passed
        shown.advance(task)
    assert shown.tasks[task].time_remaining == 35 * 20


def test_ratios_are_medians_of_those_in_a_repetition() -> None:
    rates = {"population": [2.0, 4.0, 9.0], "plain loop": [1.0, 1.0, 3.0], "torch.func": [1.0, 2.0, 3.0]}
    found = training.ratios(rates | {"products": [4.0, 8.0, 18.0]})
    assert found == {"plain loop": 3.0, "torch.func": 2.0, "products": 0.5}, "of 2, 4, 3; that of the medians is 4"


def test_the_summary_gives_geometric_means_and_lowest_by_depth_and_size() -> None:
    cells = [
        {"depth": depth, "parameters": parameters, "ratios": dict.fromkeys(training.OTHERS, ratio)}
        for depth, parameters, ratio in [(3, 20_000, 3.0), (49, 1_000_000, 0.5)]
    ]
    found = training.summary(cells)
    assert list(found) == ["all", "depth 3", "depth 49", "20,000 parameters", "1,000,000 parameters"]
    assert found["all"]["products"] == {"geometric_mean": pytest.approx(1.5**0.5), "lowest": 0.5}
    assert found["depth 3"]["plain loop"] == {"geometric_mean": pytest.approx(3.0), "lowest": 3.0}
