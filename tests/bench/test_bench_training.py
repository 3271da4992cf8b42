"""The training benchmark: cells are measured in processes; how rates, ratios and summaries are formed; the tables."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import Console

from distnlc.bench import cells
from distnlc.bench import training_part as training
from distnlc.bench.cells import Cell
from distnlc.bench.team import VARIANTS, Prepared, ProcessTeam, compilation_s
from distnlc.engine.executor import EngineError
from distnlc.training.native_library import NoLibrary, library

PREPARED = Prepared(run_epochs=2.0, epoch_s=0.1, startup_s=0.25, program_s=0.5, memory_bytes=3_000_000, how="")


def measured(cell: Cell, rates: dict[str, list[float]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A cell whose variants have these rates, one for each repetition, in two processes of equal speed."""
    closed = []

    class Team:
        def __init__(self, cell: Cell, variant: str, processes: int) -> None:
            self.prepared = [PREPARED, replace(PREPARED, memory_bytes=None, startup_s=1.5)]
            self.rates, self.close = iter(rates[variant]), lambda: closed.append(variant)

        def seconds(self, repeats: int) -> list[float]:
            assert repeats == 3, "three epochs of 0.1 s take 0.3 s"
            return [2 * 2.0 * repeats / next(self.rates)] * 2

    monkeypatch.setattr(training, "ProcessTeam", Team)
    found = training.measure_cell(cell, "cpu", processes=2, repetitions=len(rates["a"]))
    assert sorted(closed) == list(VARIANTS)
    return found


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    three = {"a": [2.0, 4.0, 9.0], "b": [1.0, 1.0, 3.0], "c": [1.0, 2.0, 3.0], "d": [4.0, 8.0, 18.0]}
    one = {"a": [1.0], "b": [2.0], "c": [0.5], "d": [1.25]}
    return [
        measured(Cell(0, 3, 20_000, "batch", skips=True), three, monkeypatch),
        measured(Cell(51, 49, 1_000_000, "batch", skips=True), one, monkeypatch),
    ]


@pytest.mark.slow
def test_a_cell_is_measured_in_processes_by_all_variants_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TARGET_S", 0.01)
    found = training.measure_cell(Cell(5, 3, 300, "layer", skips=True), "cpu", processes=2, repetitions=2)
    for variant, one in found["variants"].items():
        assert len(one["repetitions"]) == 2
        assert min(one["repetitions"]) > 0
        assert [each["run_epochs"] for each in one["processes"]] == [0.25 if variant == "b" else 2.0] * 2
        assert 0 <= (one["memory_bytes"] or 0) < 200e6
    assert {each["how"] for each in found["variants"]["d"]["processes"]} <= {"torch_bmm", "openblas"}
    json.dumps(found, allow_nan=False)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_measurement_with_a_message() -> None:
    with pytest.raises(EngineError, match=r"measured the plain loop of cell .*'weird'.* died"):
        ProcessTeam(Cell(0, 3, 300, "weird", skips=False), "b", 2)


@pytest.mark.slow
def test_the_time_of_compiling_is_that_of_a_machine_that_never_did() -> None:
    try:
        library(torch.float64)  # after which the next process finds it compiled
    except NoLibrary:
        expected = 0.0
    else:
        expected = 0.1
    assert compilation_s() > expected


def test_rates_add_up_over_processes_and_ratios_are_medians_of_those_in_a_repetition(
    results: list[dict[str, Any]],
) -> None:
    found = json.loads(json.dumps(results[0]))
    assert found["ratios"] == {"a/b": 3.0, "a/c": 2.0, "a/d": 0.5}, "of 2, 4, 3; the ratio of the medians would be 4"
    assert (found["depth"], found["activation"], found["width"]) == (3, "relu", 121)
    assert found["variants"]["a"]["run_epochs_per_second"] == 4.0
    assert found["variants"]["a"]["repetitions"] == [2.0, 4.0, 9.0]
    assert found["variants"]["a"]["memory_bytes"] == 3_000_000
    assert len(found["variants"]["a"]["processes"]) == 2


def test_the_summary_gives_means_and_lowest_by_depth_and_size(results: list[dict[str, Any]]) -> None:
    found = training.summary(results)
    assert list(found["ratios"]) == ["all", "depth 3", "depth 49", "20,000 parameters", "1,000,000 parameters"]
    assert found["ratios"]["all"]["a/b"] == {"geometric_mean": pytest.approx((3 * 0.5) ** 0.5), "lowest": 0.5}
    assert found["ratios"]["1,000,000 parameters"]["a/d"] == {"geometric_mean": pytest.approx(0.8), "lowest": 0.8}
    assert found["startup_s"] == dict.fromkeys("abc", 1.5)
    assert found["program_s"] == dict.fromkeys("abc", 0.5)


def test_the_tables_fit_into_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {variant: [1234.56] for variant in VARIANTS}
    found = [measured(cell, wide, monkeypatch) for cell in cells.grid()]
    result = {"how": "how", "compilation_s": 1.25, "cells": found, "summary": training.summary(found)}
    out = io.StringIO()
    for table in training.rates_table, training.costs_table, training.summary_table:
        Console(file=out, width=80).print(table(result))
    assert "…" not in out.getvalue()
    for written in "odd-square", "gaussian", " 1235 ":
        assert written in out.getvalue()
    assert "once per process: a 1.50" in " ".join(out.getvalue().split())
