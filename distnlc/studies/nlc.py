"""The study of the nonlinearity coefficient: which architectures generalize, told before training?

A unit is one architecture of one part: sampled, measured, swept over learning rates, the chosen run measured again.
A study has one part, or several that differ in some fields (`parts`), as the whole paper does. Units, seeds and
ids depend on the spec alone (`nlc_spec.py`); `nlc_sweep.py` trains the runs, `nlc_measurement.py` holds what is
measured, `nlc_filter.py` which architectures are trained, `nlc_view.py` what is shown while it runs, `nlc_cost.py`
what it costs.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from distnlc import data
from distnlc.data import Dataset
from distnlc.networks.mlp import MLP
from distnlc.networks.sampling import Architecture, sample_architecture
from distnlc.records import DIVERGED, FAILED, OK, SKIPPED, ArchitectureRow, EpochRow, Records, RunRow
from distnlc.search import Sweep
from distnlc.spec import DataSpec, SpecError, TrainingSpec, Unit, derive_seed, short_id
from distnlc.studies.nlc_cost import cost, seconds_per_cost, table_sizes
from distnlc.studies.nlc_filter import parse_train_if
from distnlc.studies.nlc_measurement import measure_initial, measure_trained
from distnlc.studies.nlc_spec import Spec, without_counts
from distnlc.studies.nlc_sweep import Run, sweep_rates
from distnlc.studies.nlc_view import Headline, view
from distnlc.training.checkpoint import Checkpoints
from distnlc.training.loss import loss_scale
from distnlc.training.program import Start, processor, program_name
from distnlc.training.rates import smallest_rate

__all__ = ["TABLES", "Headline", "Spec", "calibrate", "failed", "prepare", "run", "units", "view", "volume"]

TABLES = {"architectures": ArchitectureRow, "runs": RunRow, "epochs": EpochRow}


def prepare(spec: Spec) -> None:
    """Finds or generates, prepares and caches the data of all parts. Raises DataError and SpecError."""
    for name in spec.part_names():
        part, size = spec.part(name), spec.part(name).training.batch_size
        for field, count in zip(("train", "validation", "test"), data.part_sizes(part.data), strict=True):
            if count % size:
                raise SpecError(
                    f"part {name}: data.{field} must be a multiple of training.batch_size = {size} (batch norm in a "
                    f"smaller last batch is another function), but it is {count}"
                )
        data.prepare(part.data, part.seed)


def units(spec: Spec) -> list[Unit]:
    """One unit per initialization of each architecture and part, `Unit.index` counting them. Costs and labels use the
    dimensions that the paper states."""
    found = []
    for name in spec.part_names():
        part = spec.part(name)
        fixed = without_counts(part)
        for number in range(part.sampling.count * part.sampling.initializations):
            index, initialization = divmod(number, part.sampling.initializations)
            again = {"initialization": initialization} if initialization else {}
            architecture = _sample(part, number, *data.dimensions(part.data))
            found.append(
                Unit(
                    unit_id=short_id({"part": fixed, "index": index} | again),
                    part=name,
                    index=number,
                    cost=cost(part.data, part.training, part.search, architecture),
                    label=f"{name} {index}{f'.{initialization}' if again else ''}: {architecture.label()}",
                )
            )
    return found


def _sample(part: Spec, number: int, d_in: int, d_out: int) -> Architecture:
    """The architecture of the part's unit of that number.

    Datasets draw independent architectures, as in the paper; parts on one dataset (SGD, Adam) draw the same ones.
    """
    sampling = part.sampling
    index, initialization = divmod(number, sampling.initializations)
    return sample_architecture(
        index,
        seed=derive_seed("study", part.seed, part.data.name),
        d_in=d_in,
        d_out=d_out,
        parameters=sampling.parameters,
        depth_min=sampling.depth_min,
        depth_max=sampling.depth_max,
        initialization=initialization,
    )


@lru_cache(maxsize=2)
def _load(spec: DataSpec, seed: int, device: str, dtype: torch.dtype) -> Dataset:
    """Kept between the units of one process: they mostly share a dataset."""
    return data.load(spec, seed).to(device, dtype)


def _start(network: MLP, architecture: Architecture, dataset: Dataset, training: TrainingSpec) -> Start:
    """The initialized network as the trainer takes it. Raises ValueError for one that cannot be trained."""
    return Start(
        architecture,
        row=parameters_to_vector(network.parameters()).detach(),
        projection=network.projection,
        loss_scale=loss_scale(network, dataset.train_inputs, batch_size=training.batch_size),
        seed=derive_seed("training", architecture.seed),
    )


def run(spec: Spec, unit: Unit, device: str, checkpoint_folder: Path | None = None) -> Records:
    """Samples, measures, sweeps and measures again. Raises ValueError for a network that cannot be trained."""
    began = time.perf_counter()
    part = spec.part(unit.part)
    dtype = getattr(torch, part.dtype)
    checkpoints = Checkpoints(
        checkpoint_folder,
        {"unit_id": unit.unit_id, "part": without_counts(part), "program": program_name(device, dtype)},
    )
    dataset = _load(part.data, part.seed, device, dtype)
    architecture = _sample(part, unit.index, dataset.d_in, dataset.classes)
    network = architecture.build().to(device, dtype)
    start = _start(network, architecture, dataset, part.training)
    saved = checkpoints.load(device)
    if saved is None:
        metrics = measure_initial(network, architecture, dataset, part.metrics, start.loss_scale, part.training)
        if part.train_if and (reason := parse_train_if(part.train_if).why_not(asdict(architecture) | metrics)):
            drawn = _drawn(part, unit, architecture) | {"device": processor(device)}
            seconds = time.perf_counter() - began
            row = ArchitectureRow(**drawn, **metrics, status=SKIPPED, reason=reason, seconds=seconds)
            return {"architectures": [row], "runs": [], "epochs": []}
        lowest = smallest_rate(start, dataset, part.training, part.search)
    else:
        metrics, lowest = saved["metrics"], saved["smallest_rate"]
        began -= saved["seconds"]

    def after_epoch(state: Callable[[], dict[str, Any]]) -> None:
        so_far = {"metrics": metrics, "smallest_rate": lowest, "seconds": time.perf_counter() - began}
        checkpoints.offer(lambda: so_far | {"sweep": state()})

    found = sweep_rates(
        start,
        dataset,
        lowest,
        part.training,
        part.search,
        saved=saved["sweep"] if saved else None,
        after_epoch=after_epoch,
    )
    best = found.results[found.best].outcome
    assert best.row is not None  # `sweep_rates` keeps the best run's state
    vector_to_parameters(best.row, network.parameters())
    metrics |= measure_trained(network, architecture, dataset, part.metrics, part.training)
    outcomes = [result.outcome for result in found.results.values()]
    row = ArchitectureRow(
        **_drawn(part, unit, architecture),
        **metrics,
        smallest_rate=lowest,
        runs=len(outcomes),
        diverged_runs=sum(outcome.status == DIVERGED for outcome in outcomes),
        epochs=sum(len(outcome.history) for outcome in outcomes),
        best_run=found.best,
        best_rate=best.start_rate,
        best_at_edge=found.best_at_edge,
        val_error=best.val_error,
        test_error=best.test_error,
        train_error=best.train_error,
        status=OK,
        device=processor(device),
        seconds=time.perf_counter() - began,
    )
    return {"architectures": [row], **_sweep_rows(row, found)}


def _sweep_rows(row: ArchitectureRow, found: Sweep[Run]) -> dict[str, list[Any]]:
    ids: dict[str, Any] = {"unit_id": row.unit_id, "architecture_id": row.architecture_id}
    runs, epochs = list[RunRow](), list[EpochRow]()
    for index, result in found.results.items():
        outcome = result.outcome
        runs.append(
            RunRow(
                **ids,
                run=index,
                start_rate=outcome.start_rate,
                status=outcome.status,
                epochs=len(outcome.history),
                best_epoch=outcome.best_epoch,
                divisions=outcome.divisions,
                diverged_epochs=outcome.diverged_epochs,
                val_error=outcome.val_error,
                test_error=outcome.test_error,
                train_error=outcome.train_error,
            )
        )
        epochs.extend(
            EpochRow(**ids, run=index, epoch=number, **asdict(epoch))
            for number, epoch in enumerate(outcome.history, start=1)
        )
    return {"runs": runs, "epochs": epochs}


def failed(spec: Spec, unit: Unit, reason: str, seconds: float, attempts: int) -> Records:
    """The row of an architecture that was given up: what was drawn, and why there is nothing else."""
    part = spec.part(unit.part)
    dataset = _load(part.data, part.seed, "cpu", getattr(torch, part.dtype))
    architecture = _sample(part, unit.index, dataset.d_in, dataset.classes)
    drawn = _drawn(part, unit, architecture)
    row = ArchitectureRow(**drawn, status=FAILED, reason=reason, attempts=attempts, seconds=seconds)
    return {"architectures": [row], "runs": [], "epochs": []}


def _drawn(part: Spec, unit: Unit, architecture: Architecture) -> dict[str, Any]:
    return asdict(architecture) | {
        "unit_id": unit.unit_id,
        "architecture_id": architecture.architecture_id,
        "part": unit.part,
        "initialization": unit.index % part.sampling.initializations,
        "dataset": part.data.name,
        "train_points": data.part_sizes(part.data)[0],
        "optimizer": part.training.optimizer,
        "criterion": part.training.criterion,
        "parameters": architecture.parameters,
    }


def calibrate(spec: Spec, device: str) -> float:
    """Times the architecture of median depth of every part; see `nlc_cost.seconds_per_cost`."""
    parts = [spec.part(name) for name in spec.part_names()]
    chosen = []
    for part in parts:
        numbers = range(0, part.sampling.count * part.sampling.initializations, part.sampling.initializations)
        every = [_sample(part, number, *data.dimensions(part.data)) for number in numbers]
        chosen.append(sorted(every, key=lambda architecture: architecture.depth)[len(every) // 2])
    return seconds_per_cost(
        [(part.training, architecture) for part, architecture in zip(parts, chosen, strict=True)],
        device,
        getattr(torch, spec.dtype),
    )


def volume(spec: Spec) -> tuple[dict[str, int], float]:
    """About how many rows each table will have, and their bytes on disk."""
    parts = [spec.part(name) for name in spec.part_names()]
    return table_sizes(
        [(part.sampling.count * part.sampling.initializations, part.training, part.search) for part in parts]
    )
