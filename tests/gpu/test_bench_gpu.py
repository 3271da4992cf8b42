"""`distnlc bench gpu` runs through on the pretended GPU, in little and with few libraries; faults of a GPU are found;
the launches of the model are those of the program."""

import json
import sys
from functools import partial
from typing import Any

import pytest
import torch

from distnlc.bench import gpu_same, gpu_speed
from distnlc.bench.cells import Cell, Shape, make_job
from distnlc.bench.gpu_part import PIECES, here, measure
from distnlc.bench.gpu_size import Size, Task
from distnlc.metrics.spec import MetricsSpec
from distnlc.studies import resolve
from distnlc.studies.nlc import calibration
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import units
from distnlc.training import gpu_ceilings
from distnlc.training.fused_program import FusedProgram
from distnlc.training.gpu_model import count_step, train_step
from distnlc.training.spec import OptimizerName, StepSpec
from tests.gpu.pretended import Machine

LITTLE = Shape("waveform-noise", d_in=6, classes=3, train_batches=2, validation_batches=1, population=3)
SMALL = Size(
    *(LITTLE, LITTLE, LITTLE),
    parameters=300,
    few_parameters=200,
    depths=(3,),
    kinds=(("batch", False), ("layer", True)),
    members=(3, 1),
    compared=1,
    populations=2,
    processes=(),
    too_many=20_000,
    product=16,
    copied=256,
    kernels=5,
    epochs=2,
    metrics=MetricsSpec(nlc_batches=2, walk_batches=0),
    repetitions=1,
)


NOT_NEEDED = (
    *("ray", "mlflow", "optuna", "pyarrow", "pandas", "matplotlib", "plotly", "jinja2", "sklearn", "scipy", "PIL"),
    *("sqlalchemy", "scipy_openblas32"),
)
"""libraries that a machine with a GPU may lack"""


def test_it_runs_through_and_every_piece_is_right(gpu: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in NOT_NEEDED:
        monkeypatch.setitem(sys.modules, library, None)
    vars(gpu.memory).update(limit_bytes=30 * 10**6)
    every = list(measure(SMALL, run=here))
    found = json.loads(json.dumps(every[-1]))
    assert list(found["pieces"]) == list(PIECES)
    assert {name: piece["why"] for name, piece in found["pieces"].items()} == dict.fromkeys(PIECES, "")
    assert {row["result"] for row in found["summary"].values()} == {"ok"}
    pieces = found["pieces"]
    assert len(pieces["steps"]["cells"]) == len(SMALL.members) * len(SMALL.depths) * len(SMALL.kinds)
    assert {cell["program"] for cell in pieces["steps"]["cells"]} == {"FusedProgram"}
    assert set(pieces["equal to cpu"]["largest relative difference"]) == {"chosen", "plain torch", "module"}
    assert pieces["same bits"]["trainings"] == SMALL.compared
    assert pieces["company"]["of"] == len(SMALL.kinds)
    assert pieces["unit"]["sweep complete"]
    assert pieces["out of memory"]["raised"]
    assert len(pieces["memory"]["used bytes"]) == SMALL.populations
    assert "chosen, from its steps" in pieces["hours"]


@pytest.mark.parametrize(("normalization", "skips"), [("none", False), ("batch", True), ("layer", True)])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "rmsprop-tf1"])
def test_the_model_counts_the_launches_of_the_program(
    gpu: Machine, optimizer: OptimizerName, normalization: str, skips: bool
) -> None:
    job = make_job(Cell(1, 5, 300, normalization, skips), LITTLE, "cuda", whole=True)
    spec = StepSpec(optimizer=optimizer)
    program, network = FusedProgram(job.start.expanded(3), spec), job.network.layered
    order = torch.arange(len(job.data.train_labels), device="cuda")[None]
    program.train(job.data.train_inputs, job.data.train_labels, order, job.rates[:, None])
    program.count_errors(job.data.validation_inputs, job.data.validation_labels)
    for step, modelled in ((program.train_step, train_step), (program.count_step, count_step)):
        program._step.zero_()
        before = gpu.count.kernels
        step()
        assert gpu.count.kernels - before == len(modelled(network, spec))


def test_a_gpu_that_computes_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = gpu_same._trained

    def other(cell: Cell, size: Size, device: str, *rest: Any) -> list[torch.Tensor]:
        return [each * (1 + 1e-6 * (device == "cuda")) for each in trained(cell, size, device, *rest)]

    monkeypatch.setattr(gpu_same, "_trained", other)
    *_, found = gpu_same.equal_to_cpu(Task(SMALL, ends=float("inf"), found={}))
    assert len(found["wrong"]) == 3 * SMALL.compared
    assert found["wrong"][0].endswith("sgd: 1.0e-06")


def test_a_training_that_is_resumed_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = gpu_same._outcomes

    def other(*arguments: Any, **settings: Any) -> Any:
        found = outcomes(*arguments, **settings)
        if "saved" in settings:
            found[0].row = found[0].row.nextafter(found[0].row + 1)
        return found

    monkeypatch.setattr(gpu_same, "_outcomes", other)
    *_, found = gpu_same.same_bits(Task(SMALL, ends=float("inf"), found={}))
    assert any("other bits when resumed after epoch 1" in each for each in found["wrong"])


def test_a_unit_that_would_take_too_long_is_told_as_far_as_it_got() -> None:
    *_, found = gpu_speed.unit(Task(SMALL, ends=0.0, found={}))
    assert not found["sweep complete"]
    assert found["epochs"] == 1
    assert "trained metrics" not in found["stages, s"]


@pytest.mark.parametrize("schedule", ["divisions: 10", "epochs: 2", "first_patience: 1, patience: 1, divisions: 1"])
def test_a_plan_on_a_gpu_measures_its_ceilings_and_times_the_program(
    monkeypatch: pytest.MonkeyPatch, schedule: str
) -> None:
    """In little, also where the study's own runs end before enough epochs are timed; that the model is scaled by what
    was timed is tested without a GPU."""
    quick = partial(gpu_ceilings.measured, product=16, copied=256, kernels=5)
    monkeypatch.setattr(calibration, "measured", quick)
    monkeypatch.setattr(calibration, "BATCHES", {"cuda": 4})
    settings = [
        "sampling={count: 2, parameters: 300, depth_max: 3}",
        f"training={{population: 2, batch_size: 50, {schedule}}}",
    ]
    spec = resolve("quick", [*settings, "metrics.walk_batches=0"])
    assert isinstance(spec, Spec)
    found = calibration.seconds(spec, units(spec), "cuda")
    assert len(found) == 2
    assert 0 < min(found) <= max(found) < float("inf")
