"""Pieces of the part `gpu` that compare: rows of a GPU with those of a CPU, a training with itself repeated and
resumed, a run alone with the same one in company.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from distnlc.bench.cells import Cell, Job
from distnlc.bench.gpu_size import PROGRAMS, Size, Task, as_module, counting, job_of, training
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.programs import make_program
from distnlc.training.spec import OptimizerName, StepSpec, TrainingSpec
from distnlc.training.start import Program, Start
from distnlc.training.trainer import PopulationTrainer, RunOutcome, train_population

ALIKE = 1e-8
"""largest relative difference that rounding may make in so short a training"""
ERROR = 300
"""characters that are kept of an error"""
OPTIMIZERS: tuple[OptimizerName, ...] = ("sgd", "adam", "momentum")
WHOLE_RUNS = 3
"""networks that are trained by the schedule to their end on both devices"""
RATES = 3e-4, 3.0
"""lowest starting rate of the trainings that are compared, and the factor between neighbours"""
SCHEDULE = TrainingSpec(first_patience=2, patience=1, divisions=2)


def equal_to_cpu(task: Task) -> Iterator[dict[str, Any]]:
    """Small networks of every activation function, normalization and kind of skip connection, trained for a few steps
    by every program on the GPU and by plain torch on the CPU; two members leave on the way."""
    worst: dict[str, float] = {}
    wrong: list[str] = []
    for number in range(task.size.compared):
        if task.left_s < 0:
            break
        cell = _little(task.size, number)
        spec = StepSpec(optimizer=OPTIMIZERS[number % len(OPTIMIZERS)], batch_size=SCHEDULE.batch_size)
        reference = _trained(cell, task.size, "cpu", LayeredProgram, spec)
        there = job_of(cell, task.size.little, task.size.little.population)
        for name, make in {**PROGRAMS, "module": as_module(there.network)}.items():
            case = f"{name}, {cell.architecture(task.size.little).label()}, {spec.optimizer}"
            try:
                found = _trained(cell, task.size, "cuda", make, spec)
            except Exception as error:
                wrong.append(f"{case}: {type(error).__name__}: {error}"[:ERROR])
                continue
            apart = max(_relative(ours, theirs) for ours, theirs in zip(found, reference, strict=True))
            worst[name] = max(worst.get(name, 0.0), apart)
            if not apart <= ALIKE:
                wrong.append(f"{case}: {apart:.1e}")
        yield {"networks": number + 1, "largest relative difference": dict(worst), "wrong": list(wrong)}
    yield {"networks": number + 1, "largest relative difference": worst, "wrong": wrong, **_whole_runs(task.size)}


def _little(size: Size, number: int) -> Cell:
    """Small networks of all kinds in turn."""
    depth = (3, 5, 15)[number % 3]
    kind = (("none", False), ("batch", True), ("layer", False), ("layer", True), ("batch", False), ("none", True))
    return Cell(number, depth, size.few_parameters, *kind[number % len(kind)])


def _trained(
    cell: Cell, size: Size, device: str, make: Callable[[Start, StepSpec], Program], spec: StepSpec
) -> list[torch.Tensor]:
    """Losses of two epochs, wrong answers and parameters at the end, on the CPU."""
    members = size.little.population
    job = job_of(cell, size.little, members, device)
    job = replace(job, rates=_rates(members).to(job.rates))
    program = make(job.start.expanded(members), spec)
    losses = [training(program, job)().cpu()]
    kept = torch.tensor([row for row in range(members) if row not in {1, members - 1}], device=job.rates.device)
    program.keep(kept)
    job = replace(job, rates=job.rates[kept])
    losses.append(training(program, job, epoch=1)().cpu())
    wrong, _ = counting(program, job)()
    return [*losses, wrong.double().cpu(), program.plain(program.flat).cpu()]


def _rates(members: int) -> torch.Tensor:
    """From small to too large for no network."""
    lowest, factor = RATES
    return lowest * torch.tensor(factor, dtype=torch.float64) ** (torch.arange(members) % 4)


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference beside the largest value; infinite where one is not finite and the other is."""
    if not torch.equal(found.isfinite(), expected.isfinite()):
        return float("inf")
    finite = expected.isfinite()
    largest = expected[finite].abs().max() if finite.any() else torch.tensor(0.0)
    return float((found[finite] - expected[finite]).abs().max() / largest.clamp_min(1e-300)) if finite.any() else 0.0


def _whole_runs(size: Size) -> dict[str, Any]:
    """Trainings by the schedule to their end, on both devices: in how many runs epochs, errors and status are equal."""
    equal = of = 0
    for number in range(min(WHOLE_RUNS, size.compared)):
        cell = _little(size, number)
        rows = [_rows(_outcomes(cell, size, device)) for device in ("cpu", "cuda")]
        equal += sum(ours == theirs for ours, theirs in zip(*rows, strict=True))
        of += len(rows[0])
    return {"whole runs with equal rows": equal, "of": of}


def _rows(outcomes: list[RunOutcome]) -> list[tuple[Any, ...]]:
    """What a study's table says of the runs, but for losses."""
    return [
        (each.status, each.epochs, each.best_epoch, each.divisions, each.val_error, each.test_error, each.train_error)
        for each in outcomes
    ]


def _outcomes(cell: Cell, size: Size, device: str, **settings: Any) -> list[RunOutcome]:
    job = job_of(cell, size.little, size.little.population, device)
    data = replace(
        job.data, test_inputs=job.data.validation_inputs.clone(), test_labels=job.data.validation_labels.clone()
    )
    lowest, factor = RATES
    rates = [lowest * factor**index for index in range(size.little.population)]
    return train_population(job.start, data, rates, SCHEDULE, **settings)


def same_bits(task: Task) -> Iterator[dict[str, Any]]:
    """Trainings to their end: repeated, and resumed from the state after each third epoch."""
    found: dict[str, Any] = {"trainings": 0, "wrong": []}
    for number in range(task.size.compared):
        if task.left_s < 0:
            break
        cell = _little(task.size, number)
        states: list[dict[str, Any]] = []

        def keep(trainer: PopulationTrainer, states: list[dict[str, Any]] = states) -> None:
            if trainer.schedule.epoch % 3 == 1:
                states.append(_copied(trainer.state()))

        whole = _outcomes(cell, task.size, "cuda", after_epoch=keep)
        others = {"repeated": _outcomes(cell, task.size, "cuda")}
        for state in states[:2]:
            epoch = state["schedule"]["epoch"]
            others[f"resumed after epoch {epoch}"] = _outcomes(cell, task.size, "cuda", saved=state)
        label = cell.architecture(task.size.little).label()
        found["wrong"] += [
            f"{label}: other bits when {name}" for name, other in others.items() if _differ(whole, other)
        ]
        found["trainings"] += 1
        yield dict(found)


def _copied(state: Any) -> Any:
    """A state that training does not change any more."""
    if isinstance(state, torch.Tensor):
        return state.clone()
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list) else state


def _differ(one: list[RunOutcome], other: list[RunOutcome]) -> bool:
    """Whether anything differs, histories and parameters to the last bit."""
    for ours, theirs in zip(one, other, strict=True):
        assert ours.row is not None
        assert theirs.row is not None
        if not torch.equal(ours.row.cpu(), theirs.row.cpu()):
            return True
        one_s, other_s = (np.array([_numbers(epoch) for epoch in each.history]) for each in (ours, theirs))
        if not np.array_equal(one_s, other_s, equal_nan=True):
            return True
    return False


def _numbers(epoch: Any) -> list[float]:
    return [float("nan") if value is None else value for value in vars(epoch).values()]


def company(task: Task) -> Iterator[dict[str, Any]]:
    """Whether the bits of a run depend on the others in its program: one epoch alone and among others, by depth and
    kind. Not wrong either way, but it decides whether the population belongs to the spec."""
    size, rows = task.size, dict[str, Any]()
    for depth in size.depths:
        for number, kind in enumerate(size.kinds):
            if task.left_s < 0:
                return
            cell = Cell(number, depth, size.parameters, *kind)
            few = replace(size.short, train_batches=4, validation_batches=1)
            alone = _first_run(job_of(cell, few, 1))
            for members in sorted(set(size.members) - {1}):
                together = _first_run(job_of(cell, few, members))
                name = f"depth {depth}, {kind[0]}{', skips' if kind[1] else ''}, 1 of {members}"
                same = torch.equal(alone.view(torch.int64), together.view(torch.int64))
                rows[name] = 0.0 if same else float((alone - together).abs().max())
            differing = sum(apart != 0 for apart in rows.values())
            yield {"differing": differing, "of": len(rows), "largest difference": dict(rows)}


def _first_run(job: Job) -> torch.Tensor:
    """The parameters of the first member after an epoch at rates that change them."""
    job = replace(job, rates=torch.full_like(job.rates, 1e-4))
    program = make_program(job.start.expanded(len(job.rates)), job.training)
    training(program, job)()
    return program.plain(program.flat[0]).cpu()
