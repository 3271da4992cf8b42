"""The training benchmark: what is measured in processes, how ratios and summaries are formed, and the tables."""

import io
import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from distnlc.bench import cells
from distnlc.bench import training_part as training
from distnlc.bench.cells import SHAPES, Cell
from distnlc.bench.team import VARIANTS, Prepared, compilation_s, make_team
from distnlc.bench.training_part import (
    CellResult,
    costs_table,
    measure_cell,
    plain_data,
    rates_table,
    summary,
    summary_table,
)
from distnlc.engine.executor import EngineError
from distnlc.training.native_library import NoLibrary, library

PREPARED = Prepared(run_epochs=2.0, epoch_s=0.1, startup_s=0.25, program_s=0.5, memory_bytes=3_000_000, how="")


def result(number: int, depth: int, parameters: int, rates: dict[str, list[float]]) -> CellResult:
    prepared = {variant: [PREPARED, replace(PREPARED, memory_bytes=None, startup_s=1.5)] for variant in VARIANTS}
    return CellResult(Cell(number, depth, parameters, "batch", skips=True), 1234, 10**9, prepared, rates)


RESULTS = [
    result(0, 3, 20_000, {"a": [2.0, 4.0, 9.0], "b": [1.0, 1.0, 3.0], "c": [1.0, 2.0, 3.0], "d": [4.0, 8.0, 18.0]}),
    result(51, 49, 1_000_000, {"a": [1.0], "b": [2.0], "c": [0.5], "d": [1.25]}),
]


@pytest.mark.slow
def test_a_cell_is_measured_in_processes_by_all_variants_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TARGET_S", 0.01)
    found = measure_cell(Cell(5, 3, 300, "layer", skips=True), "cpu", processes=2, repetitions=2)
    for variant in VARIANTS:
        assert len(found.rates[variant]) == 2
        assert min(found.rates[variant]) > 0
        assert [each.run_epochs for each in found.prepared[variant]] == [0.25 if variant == "b" else 2.0] * 2
        assert 0 <= (found.memory_bytes(variant) or 0) < 200e6
    assert {prepared.how for prepared in found.prepared["d"]} <= {"torch_bmm", "numpy_matmul", "openblas"}
    json.dumps(plain_data(found), allow_nan=False)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_measurement_with_a_message() -> None:
    with pytest.raises(EngineError, match=r"measured the plain loop of cell .*'weird'.* died"):
        make_team(Cell(0, 3, 300, "weird", skips=False), "b", "cpu", 2)


@pytest.mark.slow
def test_the_time_of_compiling_is_that_of_a_machine_that_never_did() -> None:
    try:
        library(torch.float64)  # after which the next process finds it compiled
    except NoLibrary:
        expected = 0.0
    else:
        expected = 0.1
    assert compilation_s() > expected


def test_rates_are_whole_epochs_a_second_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight runs train a quarter of an epoch in each repeat; one process takes twice the other's time."""
    asked: list[tuple[str, int]] = []

    class Team:
        def __init__(self, cell: Cell, variant: str, device: str, processes: int) -> None:
            self.variant = variant
            self.prepared = [replace(PREPARED, epoch_s=epoch_s) for epoch_s in (0.05, 0.1)]

        def seconds(self, repeats: int) -> list[float]:
            asked.append((self.variant, repeats))
            return [1.0, 2.0]

        def close(self) -> None:
            asked.append((self.variant, 0))

    monkeypatch.setattr(training, "make_team", Team)
    found = measure_cell(Cell(0, 3, 300, "none", skips=False), "cpu", processes=2, repetitions=3)
    assert asked == [*[(variant, 3) for variant in "abcd"] * 3, *[(variant, 0) for variant in "dcba"]]
    assert found.rates["a"] == [pytest.approx(3 * 2.0 * (1 / 1.0 + 1 / 2.0))] * 3


def test_ratios_are_medians_over_repetitions_of_the_ratio_in_a_repetition() -> None:
    assert RESULTS[0].ratio("a", "b") == 3.0  # of 2, 4, 3; the ratio of the medians would be 4
    assert RESULTS[0].ratio("a", "d") == 0.5


def test_the_summary_gives_means_and_lowest_by_depth_and_size() -> None:
    found = summary(RESULTS)
    assert list(found["ratios"]) == ["all", "depth 3", "depth 49", "20,000 parameters", "1,000,000 parameters"]
    assert found["ratios"]["all"]["a/b"] == {"geometric_mean": pytest.approx((3 * 0.5) ** 0.5), "lowest": 0.5}
    assert found["ratios"]["1,000,000 parameters"]["a/d"] == {"geometric_mean": pytest.approx(0.8), "lowest": 0.8}
    assert found["startup_s"] == dict.fromkeys("abc", 1.5)
    assert found["program_s"] == dict.fromkeys("abc", 0.5)


def test_the_data_hold_medians_and_single_repetitions() -> None:
    found = json.loads(json.dumps(plain_data(RESULTS[0])))
    assert found["depth"] == 3
    assert found["activation"] == RESULTS[0].cell.activation
    assert found["variants"]["a"]["run_epochs_per_second"] == 4.0
    assert found["variants"]["a"]["repetitions"] == [2.0, 4.0, 9.0]
    assert found["variants"]["a"]["memory_bytes"] == 3_000_000
    assert len(found["variants"]["a"]["processes"]) == 2
    assert found["ratios"] == {"a/b": 3.0, "a/c": 2.0, "a/d": 0.5}


def test_the_tables_fit_into_eighty_columns() -> None:
    wide = {variant: [1234.56] for variant in VARIANTS}
    long = [replace(RESULTS[0], cell=cell, rates=wide) for cell in cells.grid()]
    out = io.StringIO()
    terminal = Console(file=out, width=80)
    for table in rates_table(long, "how"), costs_table(long, 1.25), summary_table(long):
        terminal.print(table)
    assert "…" not in out.getvalue()
    for activation in "odd-square", "gaussian":
        assert activation in out.getvalue()
    assert " 1235 " in out.getvalue()
    assert "once per process: a 1.50" in " ".join(out.getvalue().split())


def test_the_shapes_are_those_of_the_targets() -> None:
    assert (SHAPES["cpu"].train_batches, SHAPES["cpu"].validation_batches) == (3_000 / 250, 1_000 / 250)
    assert (SHAPES["cuda"].train_batches, SHAPES["cuda"].validation_batches) == (40_000 / 250, 10_000 / 250)
