"""The trainings: one network from one initialization at all rates of its part, side by side (section 7, X3 to X5).

In: a part, a task, the seed that all initializations of a set-up share, the unit, the device. Out: columns of the
unit's row and rows of `layers` (the network before training), `runs` and `epochs`. Logits are multiplied by a fixed
constant, set on the first minibatch so that their standard deviation is `output_std`; with biases 0 every
initialization of a seed then begins as the same function (A7). Trained by the shared trainer, in whole epochs.
Chosen where the text is silent: the deviation is that around the mean of all logits of the minibatch; layers are
measured on its first LAYER_POINTS points, with the cross-entropy of each.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.metrics.scaling_passes import Passes
from distnlc.metrics.scaling_rows import ScalingRow
from distnlc.networks.scaling import PlanRow
from distnlc.plugins import Work
from distnlc.records import DIVERGED, OK
from distnlc.spec import Unit, derive_seed
from distnlc.studies.scaling.bottlenecks import place_of
from distnlc.studies.scaling.ratio import Found, spread
from distnlc.studies.scaling.records import EpochRow, LayerRow, RunRow
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.trained_networks import CLASSES, Initial, alexnet, mlp, resnet
from distnlc.studies.scaling.training_data import image_points, prepare, set_points
from distnlc.studies.scaling.units import Task
from distnlc.training.checkpoint import Checkpoints, machine_of
from distnlc.training.population import stream
from distnlc.training.programs import program_name
from distnlc.training.spec import EpochsSpec
from distnlc.training.start import start_of
from distnlc.training.whole_epochs import EpochsOutcome, EpochsTrainer, Points, train_epochs

__all__ = ["alexnet_unit", "libsvm_unit", "prepare", "resnet_unit"]
LAYER_POINTS = 16
ONE_CLASS = "all points of the sample have one class"


@dataclass(frozen=True)
class Job:
    """A network and how it is trained."""

    initial: Initial
    points: Points
    classes: int
    exponents: Sequence[int | None]
    rates: Sequence[float]
    spec: EpochsSpec
    output_std: float | None = None
    """of the first minibatch's logits; None: `output_factor` multiplies them"""
    output_factor: float = 1.0
    scaled: bool = True
    """whether the plan's shares are in the weights"""


def libsvm_unit(part: Spec, task: Task, seed: int, unit: Unit, work: Work) -> Found:
    """One set from one initialization."""
    group, name = part.libsvm, task.dataset or ""
    points, classes = set_points(part, name, work.device)
    initial = mlp(part, points.shape[0], classes, task.init or "", derive_seed("weights", seed))
    job = Job(initial, points, classes, *powers(group.rates), epochs_spec(group), output_std=group.output_std)
    return trained(part, job, f"{name}, seed {task.number}", seed, unit, work)


def alexnet_unit(part: Spec, task: Task, seed: int, unit: Unit, work: Work) -> Found:
    """AlexNet on CIFAR10 from one initialization."""
    group = part.alexnet
    initial = alexnet(group.divisor, part.numerator, task.init or "", derive_seed("weights", seed))
    points = image_points(part, work.device)
    job = Job(initial, points, CLASSES, *powers(group.rates), epochs_spec(group), output_std=group.output_std)
    return trained(part, job, f"cifar10, seed {task.number}", seed, unit, work)


def resnet_unit(part: Spec, task: Task, seed: int, unit: Unit, work: Work) -> Found:
    """A bottleneck network on CIFAR10, at one rate, with scaled blocks or without."""
    group, scaled = part.resnet, bool(task.block_scaled)
    initial = resnet(part, scaled, derive_seed("weights", seed))
    points = image_points(part, work.device)
    factor = group.output_scalar
    job = Job(initial, points, CLASSES, [None], [group.rate], epochs_spec(group), output_factor=factor, scaled=scaled)
    return trained(part, job, f"cifar10, seed {task.number}", seed, unit, work)


def epochs_spec(group: Any) -> EpochsSpec:
    """The spec of the shared trainer, from a section of the study's."""
    return EpochsSpec(
        optimizer="momentum" if group.momentum else "sgd",
        momentum=group.momentum,
        weight_decay=group.weight_decay,
        batch_size=group.batch_size,
        epochs=group.epochs,
        drops=getattr(group, "drops", ()),
        augmentation="crop-flip" if getattr(group, "augment", False) else "none",
    )


def powers(exponents: tuple[int, int]) -> tuple[list[int], list[float]]:
    """Exponents and rates."""
    every = list(range(exponents[0], exponents[1] + 1))
    return every, [2.0**each for each in every]


def trained(part: Spec, job: Job, where: str, seed: int, unit: Unit, work: Work) -> Found:
    """Measures and trains the network. Raises ValueError that begins with what is wrong for logits that do not vary."""
    began = time.perf_counter()
    order, count = derive_seed("order", seed), len(job.points.labels)
    first = stream([order], count, 0, min(job.spec.batch_size, count))[0]
    inputs, labels = job.points.rows(first).double(), job.points.labels[first.to(work.device)]
    network = job.initial.network.to(work.device)
    with torch.no_grad():
        logits = network(inputs)
    factor = job.output_factor if job.output_std is None else factor_of(logits, job.output_std, where)
    layers = layer_rows(job, inputs, labels, factor)
    start = start_of(network.to(getattr(torch, part.dtype)), loss_scale=1 / factor, seed=order)
    program = program_name(start.network, job.spec, torch.device(work.device).type, start.rows.dtype)
    identity = {"unit_id": unit.unit_id, "part": part.unit_identity(), "program": program}
    if machine := machine_of(program, work.device):
        identity["machine"] = machine
    checkpoints = Checkpoints(work.checkpoints, identity)
    saved = checkpoints.load(work.device)
    initial = saved["initial"] if saved else initial_loss(start, job)
    spent = saved["seconds"] if saved else 0.0

    def offer(trainer: EpochsTrainer) -> None:
        checkpoints.offer(
            lambda: {
                "trainer": trainer.state(),
                "initial": initial,
                "seconds": spent + time.perf_counter() - began,
            }
        )

    trainer = train_epochs(
        start, job.points, job.rates, job.spec, saved=saved["trainer"] if saved else None, after_epoch=offer
    )
    runs = [run_row(number, *each) for number, each in enumerate(zip(job.exponents, trainer.outcomes, strict=True))]
    columns = {
        "points": count,
        "d_in": math.prod(job.points.shape),
        "classes": job.classes,
        "gamma_imbalance": spread(row.gamma for row in layers if row.kind != "bias"),
        "ratio_imbalance": spread(row.ratio for row in layers if row.kind != "bias"),
        "offline_imbalance": spread(row.offline_gamma for row in layers if row.kind != "bias"),
        "output_second_moment": float(logits.square().mean()),
        "initial_loss": initial,
        "reason": ONE_CLASS if bool((job.points.labels == job.points.labels[0]).all()) else None,
    }
    return columns | best_columns(runs), {"layers": layers, "runs": runs, "epochs": epoch_rows(trainer)}


def factor_of(logits: Tensor, wanted: float, where: str) -> float:
    """The factor that makes the logits' standard deviation `wanted`."""
    deviation = float(logits.std(correction=0))
    if not 0 < deviation < math.inf:
        raise ValueError(f"the initial logits of {where}, do not vary: nothing to scale")
    return wanted / deviation


def initial_loss(start: Any, job: Job) -> float:
    """The mean loss of the untrained network over all points."""
    losses, _ = EpochsTrainer(start, job.points, [0.0], job.spec).losses_and_errors()
    return float(losses[0])


def layer_rows(job: Job, inputs: Tensor, labels: Tensor, factor: float) -> list[LayerRow]:
    """Layers, scalars, biases of the untrained network, on the first of these points (points, d_in), one at a time."""
    network = job.initial.network
    passes = Passes(network)
    with passes.watching():
        for index, point in enumerate(inputs[:LAYER_POINTS].split(1)):
            passes.add(
                network, point, [lambda logits, at: functional.cross_entropy(logits * factor, labels[at][None])], index
            )
    planned = {job.initial.prefix + row.name: row for row in job.initial.plan.rows}
    found = list[LayerRow]()
    measured = [row for row in passes.rows() if row.name in planned]
    for number, row in enumerate(measured):
        plan = planned[row.name]
        found.append(_layer(row, plan, number, job.scaled))
        if row.gamma_bias is not None:
            found.append(_bias(row, plan, number))
    return found


def _layer(row: ScalingRow, plan: PlanRow, number: int, scaled: bool) -> LayerRow:
    copied = ("name", "kind", "N", "variance", "x_second", "y_second", "s_in", "s_out", "gamma", "ratio")
    return LayerRow(
        unit_id="",
        layer=number,
        place=place_of(row.name),
        terms=plan.terms,
        share=plan.share,
        offline_gamma=plan.gamma * (1.0 if scaled else plan.share),
        **{name: getattr(row, name) for name in copied},
    )


def _bias(row: ScalingRow, plan: PlanRow, number: int) -> LayerRow:
    """The biases of a layer, which are 0 and have no exact ratio."""
    return LayerRow(
        unit_id="",
        layer=number,
        name=f"{row.name}.bias",
        kind="bias",
        place=place_of(row.name),
        N=plan.n_out,
        share=plan.share,
        gamma=row.gamma_bias,
        offline_gamma=plan.gamma_bias,
    )


def run_row(number: int, exponent: int | None, outcome: EpochsOutcome) -> RunRow:
    """A run; one that diverged has no losses."""
    if outcome.diverged_epoch is not None:
        return RunRow(
            unit_id="",
            run=number,
            exponent=exponent,
            rate=outcome.start_rate,
            status=DIVERGED,
            diverged_epoch=outcome.diverged_epoch,
        )
    return RunRow(
        unit_id="",
        run=number,
        exponent=exponent,
        rate=outcome.start_rate,
        status=OK,
        train_loss=outcome.train_loss,
        epoch_loss=outcome.losses[-1],
        train_error=outcome.train_error,
    )


def best_columns(runs: Sequence[RunRow]) -> dict[str, Any]:
    """The columns about a unit's runs, which come by rising rates: how many there are, and the best, the slowest of
    equal ones."""
    finite = [run for run in runs if run.train_loss is not None]
    columns: dict[str, Any] = {"runs": len(runs), "diverged_runs": len(runs) - len(finite)}
    if not finite:
        return columns
    best = min(finite, key=lambda run: (run.train_loss, run.run))
    return columns | {
        "best_run": best.run,
        "best_rate": best.rate,
        "best_loss": best.train_loss,
        "at_edge": None if best.exponent is None else best.run in (0, len(runs) - 1),
    }


def epoch_rows(trainer: EpochsTrainer) -> list[EpochRow]:
    """The losses of every run's epochs."""
    return [
        EpochRow(unit_id="", run=number, epoch=epoch, train_loss=loss, seconds=trainer.seconds[epoch - 1])
        for number, outcome in enumerate(trainer.outcomes)
        for epoch, loss in enumerate(outcome.losses, start=1)
    ]
