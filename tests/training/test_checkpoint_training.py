"""From a checkpoint of any epoch, training goes on bit by bit as it would have."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distnlc.training import checkpoint
from distnlc.training.checkpoint import Checkpoints
from distnlc.training.trainer import PopulationTrainer, RunOutcome, train_population
from tests.helpers.checkpoints import UNIT, bits
from tests.helpers.plain_training import SHORT, architecture, small_data, start_for

RATES = [1e-4, 0.05, 0.3, 1e60]
"""for the square function without normalization: the last one diverges and ends first"""


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every offer is taken."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)


def assert_same_outcomes(found: list[RunOutcome], expected: list[RunOutcome]) -> None:
    assert [bits(outcome.state()) for outcome in found] == [bits(outcome.state()) for outcome in expected]


@pytest.mark.parametrize(
    ("changes", "rungs"),
    [
        ({}, ()),
        ({"criterion": "training-error"}, ()),
        ({"population": 2}, (2, 5)),
        *(({"optimizer": name}, (5,)) for name in ("momentum", "adam", "adam-tf1", "rmsprop-tf1")),
    ],
)
@pytest.mark.parametrize("as_module", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_population_goes_on_bit_by_bit_from_every_epoch(
    tmp_path: Path, changes: dict[str, Any], rungs: tuple[int, ...], as_module: bool
) -> None:
    """Runs that improve, rewind, diverge, leave at a rung and finish before others included."""
    spec = SHORT.model_copy(update={"divisor": 30.0} | changes)
    data = small_data()
    start, kept = start_for(architecture("square"), data), Checkpoints(tmp_path / "u0", UNIT)
    if as_module:
        start = replace(start, network=architecture("square").build())
    saved: list[dict[str, Any]] = []

    def keep(trainer: PopulationTrainer) -> None:
        kept.offer(trainer.state)
        saved.append(Checkpoints(tmp_path / "u0", UNIT).load("cpu") or {})

    expected = train_population(start, data, RATES, spec, rungs=rungs, after_epoch=keep)
    assert len({len(state["members"]) for state in saved}) > 1
    for epoch, state in enumerate(saved, start=1):
        more: list[PopulationTrainer] = []
        found = train_population(start, data, RATES, spec, rungs=rungs, saved=state, after_epoch=more.append)
        assert len(more) == len(saved) - epoch, "what the checkpoint held was trained again"
        assert_same_outcomes(found, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_population_on_a_gpu_goes_on_bit_by_bit(tmp_path: Path, optimizer: str) -> None:
    spec = SHORT.model_copy(update={"divisor": 30.0, "optimizer": optimizer})
    start, data = start_for(architecture("square"), small_data()), small_data().to("cuda", torch.float64)
    there = {name: getattr(start, name).cuda() for name in ("rows", "buffers", "loss_scale")}
    start, kept = replace(start, **there), Checkpoints(tmp_path / "u0", UNIT)

    def keep(trainer: PopulationTrainer) -> None:
        if trainer.schedule.epoch <= 5:
            kept.offer(trainer.state)

    expected = train_population(start, data, RATES, spec, after_epoch=keep)
    assert_same_outcomes(train_population(start, data, RATES, spec, saved=kept.load("cuda")), expected)
