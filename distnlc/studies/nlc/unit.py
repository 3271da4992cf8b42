"""The work of one unit of an NLC study: an architecture is sampled, measured, swept over learning rates, and measured
again with the chosen run's parameters.

In: the spec, a unit, the device. Out: its rows. `subject.py` makes the unit's network, `measurement.py` says what is
measured, `train_if.py` whether it is trained, `sweep.py` how.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import torch

from distnlc.data import dataset as data
from distnlc.data.dataset import PARTS, Dataset
from distnlc.data.sources import known_sizes
from distnlc.data.spec import DataSpec
from distnlc.metrics.extra import measure_extra
from distnlc.metrics.group_functions import Given, measure_groups
from distnlc.networks.loss import loss_scale
from distnlc.plugins import DataRecord, Work
from distnlc.records import (
    DIVERGED,
    INITIAL,
    MEASUREMENTS,
    OK,
    PROPERTIES,
    SKIPPED,
    TRAINED,
    MeasurementRow,
    Records,
)
from distnlc.search import Sweep
from distnlc.spec import SpecError, Unit, derive_seed
from distnlc.studies.nlc import family
from distnlc.studies.nlc.measurement import measure_trained, measure_untrained
from distnlc.studies.nlc.records import ArchitectureRow, EpochRow, RunRow
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.subject import Subject, subject_of
from distnlc.studies.nlc.sweep import sweep_rates
from distnlc.studies.nlc.train_if import parse_train_if
from distnlc.studies.nlc.units import family_seed
from distnlc.training.checkpoint import Checkpoints, machine_of
from distnlc.training.programs import processor, program_name
from distnlc.training.rates import smallest_rate
from distnlc.training.start import start_of
from distnlc.training.trainer import RunOutcome

DATASETS_KEPT = 4
"""in the memory of a process: the paper's three, and one more; units of several parts come mixed"""


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds or generates, prepares and caches the data of these parts. Raises DataError and SpecError."""
    found = {}
    for name in parts:
        part = spec.part(name)
        size = part.training.batch_size
        _check_sizes(name, size, dict(zip(PARTS, known_sizes(part.data), strict=True)))
        found[name] = data.record(part.data, part.seed)
        _check_sizes(name, size, found[name])
        _try_family(part, found[name])
    return found


def _check_sizes(name: str, batch_size: int, counts: Mapping[str, int | None]) -> None:
    """Raises SpecError for parts that do not split into whole batches; None is not known yet."""
    known = {part: count for part in PARTS if (count := counts[part]) is not None}
    for part, count in known.items():
        if count == 0 or count % batch_size:
            whole = " ".join(
                f"--set data.{each}={max(number // batch_size, 1) * batch_size}" for each, number in known.items()
            )
            raise SpecError(
                f"part {name}: data.{part} must be a multiple of training.batch_size = {batch_size} (batch norm in a "
                f"smaller last batch is another function), but it is {count}; such as {whole}"
            )


def _try_family(part: Spec, facts: Mapping[str, Any]) -> None:
    """Draws the part's first architecture, so that a wrong `sampling.size` is told at once. Raises SpecError."""
    if part.sampling.family is not None:
        d_in = facts["d_in"]
        try:
            family.draw(part.sampling, 0, family_seed(part, 0), d_in, facts["classes"], facts.get("shape", [d_in]))
        except ValueError as error:
            raise SpecError(str(error)) from None


@lru_cache(maxsize=DATASETS_KEPT)
def _load(spec: DataSpec, seed: int, device: str, dtype: torch.dtype) -> Dataset:
    """Kept between the units of one process: they mostly share a dataset."""
    return data.load(spec, seed).to(device, dtype)


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Samples, measures, sweeps and measures again. Raises ValueError for a network that cannot be trained."""
    began = time.perf_counter()
    part, device = spec.part(unit.part), work.device
    dtype = getattr(torch, part.dtype)
    dataset = _load(part.data, part.seed, device, dtype)
    subject = subject_of(part, unit, dataset)
    scale = loss_scale(subject.measured(), dataset.train_inputs, batch_size=part.training.batch_size)
    start = start_of(subject.network, loss_scale=scale, seed=derive_seed("training", subject.seed))
    program = program_name(start.network, part.training, device, dtype)
    identity = {"unit_id": unit.unit_id, "part": part.unit_identity(), "program": program}
    if machine := machine_of(program, device):
        identity["machine"] = machine
    checkpoints = Checkpoints(work.checkpoints, identity)
    saved = checkpoints.load(device)
    if saved is None:
        metrics, extra = _initial(subject, dataset, part, unit, scale)
        known = {**subject.columns, **metrics, **{row.name: row.value for row in extra if row.value is not None}}
        if part.train_if and (reason := parse_train_if(part.train_if).why_not(known)):
            ends: dict[str, Any] = {"status": SKIPPED, "reason": reason, "device": processor(device)}
            row = ArchitectureRow(**subject.columns, **metrics, **ends, seconds=time.perf_counter() - began)
            own = {MEASUREMENTS: extra, PROPERTIES: subject.properties}
            return {"architectures": [row], "runs": [], "epochs": [], **own}
        lowest = smallest_rate(start, dataset, part.training, part.search.smallest_update)
    else:
        metrics, lowest = saved["metrics"], saved["smallest_rate"]
        extra = [MeasurementRow(**fields) for fields in saved["extra"]]
        began -= saved["seconds"]

    def after_epoch(state: Callable[[], dict[str, Any]]) -> None:
        so_far = {"metrics": metrics, "smallest_rate": lowest, "seconds": time.perf_counter() - began}
        so_far |= {"extra": [asdict(each) for each in extra]}
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
    subject.take(found.results[found.best])  # `sweep_rates` keeps the best run's state
    function = subject.function(part.training.batch_size)
    metrics |= measure_trained(function, subject.seed, dataset, part.metrics, part.training)
    extra += _extra(subject, dataset, part, unit, TRAINED)
    row = ArchitectureRow(
        **subject.columns,
        **metrics,
        **_of_sweep(found),
        smallest_rate=lowest,
        status=OK,
        device=processor(device),
        seconds=time.perf_counter() - began,
    )
    own = {MEASUREMENTS: extra, PROPERTIES: subject.properties}
    return {"architectures": [row], **_sweep_rows(row, found), **own}


def _initial(
    subject: Subject, dataset: Dataset, part: Spec, unit: Unit, loss_scale: float
) -> tuple[dict[str, Any], list[MeasurementRow]]:
    """The columns measured before training, and rows of the groups' and the user's own metrics."""
    size = part.training.batch_size
    metrics = measure_untrained(subject.function(size), subject.seed, dataset, part.metrics, loss_scale, part.training)
    given = Given(
        subject.measured(), dataset.train_inputs, dataset.train_labels, loss_scale, batch_size=size, seed=subject.seed
    )
    rows = measure_groups(part.metrics.groups, given, unit_id=unit.unit_id)
    return metrics | subject.own_metrics(), rows + _extra(subject, dataset, part, unit, INITIAL)


def _extra(subject: Subject, dataset: Dataset, part: Spec, unit: Unit, stage: str) -> list[MeasurementRow]:
    return measure_extra(
        subject.measured(),
        dataset.train_inputs,
        dataset.train_labels,
        part.metrics,
        unit_id=unit.unit_id,
        stage=stage,
        seed=subject.seed,
    )


def _of_sweep(found: Sweep[RunOutcome]) -> dict[str, Any]:
    """The columns that a sweep gives."""
    outcomes, best = list(found.results.values()), found.results[found.best]
    return {
        "runs": len(outcomes),
        "diverged_runs": sum(outcome.status == DIVERGED for outcome in outcomes),
        "epochs": sum(outcome.epochs for outcome in outcomes),
        "best_run": found.best,
        "best_rate": best.start_rate,
        "best_at_edge": found.best_at_edge,
        "val_error": best.val_error,
        "test_error": best.test_error,
        "train_error": best.train_error,
    }


def _sweep_rows(row: ArchitectureRow, found: Sweep[RunOutcome]) -> dict[str, list[Any]]:
    ids: dict[str, Any] = {"unit_id": row.unit_id, "architecture_id": row.architecture_id}
    runs, epochs = list[RunRow](), list[EpochRow]()
    for index, outcome in found.results.items():
        runs.append(
            RunRow(
                **ids,
                run=index,
                start_rate=outcome.start_rate,
                status=outcome.status,
                epochs=outcome.epochs,
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
