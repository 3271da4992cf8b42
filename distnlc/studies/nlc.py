"""The study of the nonlinearity coefficient: which architectures generalize, told before training?

A unit is one architecture of one part: sampled, measured, swept over learning rates, the chosen run measured again.
A study has one part, or several that differ in some fields (`parts`), as the whole paper does. Units, seeds and
ids depend on the spec alone; `nlc_sweep.py` trains the runs, `nlc_measurement.py` holds what is measured,
`nlc_filter.py` which architectures are trained, `nlc_view.py` what is shown while it runs, `nlc_cost.py` what it
costs.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from distnlc import data
from distnlc.data import Dataset
from distnlc.networks.mlp import MLP
from distnlc.networks.sampling import Architecture, sample_architecture
from distnlc.records import DIVERGED, FAILED, OK, SKIPPED, ArchitectureRow, EpochRow, Records, RunRow
from distnlc.search import Sweep
from distnlc.spec import (
    DataSpec,
    MetricsSpec,
    SamplingSpec,
    SearchSpec,
    SpecError,
    StudySpec,
    TrainingSpec,
    Unit,
    canonical_json,
    derive_seed,
    field_validator,
    identity,
    merge,
    model_validator,
    short_id,
)
from distnlc.studies.nlc_cost import cost, seconds_per_cost, table_sizes
from distnlc.studies.nlc_filter import WALKED, parse_train_if
from distnlc.studies.nlc_measurement import measure_initial, measure_trained
from distnlc.studies.nlc_sweep import Run, sweep_rates
from distnlc.studies.nlc_view import Headline, view
from distnlc.training.checkpoint import Checkpoints
from distnlc.training.loss import loss_scale
from distnlc.training.program import Start, processor, program_name
from distnlc.training.rates import smallest_rate

__all__ = ["TABLES", "Headline", "Spec", "calibrate", "failed", "prepare", "run", "units", "view", "volume"]

TABLES = {"architectures": ArchitectureRow, "runs": RunRow, "epochs": EpochRow}


class Spec(StudySpec):
    """What an NLC study computes. `parts`: name -> fields that differ from the study's own."""

    kind: Literal["nlc"] = "nlc"
    data: DataSpec = DataSpec()
    sampling: SamplingSpec = SamplingSpec()
    training: TrainingSpec = TrainingSpec()
    search: SearchSpec = SearchSpec()
    metrics: MetricsSpec = MetricsSpec()
    train_if: str | None = None
    """which architectures are trained, such as `init_nlc between 1 and 5`; the others are measured and recorded as
    `skipped`. Left out: all are trained"""
    dtype: Literal["float64", "float32"] = "float64"
    parts: dict[str, dict[str, Any]] = {}  # noqa: RUF012 (pydantic copies defaults)

    @field_validator("train_if")
    @classmethod
    def _filter_is_readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_train_if(text)
        return text

    @model_validator(mode="after")
    def _filter_is_measured(self) -> Self:
        if self.train_if and not self.metrics.walk_batches and parse_train_if(self.train_if).column in WALKED:
            raise ValueError(f"train_if needs metrics.walk_batches >= 1 for {self.train_if!r}, but it is 0")
        return self

    @model_validator(mode="after")
    def _parts_are_specs(self) -> Self:
        for name, fields in self.parts.items():
            unknown = fields.keys() - {"data", "sampling", "training", "search", "metrics", "train_if", "dtype"}
            if unknown:
                raise ValueError(f"part {name!r} sets {sorted(unknown)}, which a part cannot")
        try:
            studies = {name: canonical_json(_without_count(self.part(name))) for name in self.parts}
        except SpecError as error:
            raise ValueError(str(error)) from None
        if len(set(studies.values())) < len(studies):
            same = [name for name in studies if list(studies.values()).count(studies[name]) > 1]
            raise ValueError(f"the parts {same} would train the same architectures in the same way; keep one of them")
        return self

    def fixing_fields(self) -> dict[str, Any]:
        """Parts count as what they come to, not as they are written."""
        if not self.parts:
            return super().fixing_fields()
        return {"parts": {name: identity(self.part(name)) for name in self.parts}}

    def part(self, name: str) -> "Spec":
        """The spec of one part, without parts."""
        if not self.parts:
            return self
        base = self.model_dump(exclude={"parts"})
        return Spec.parse(merge(base, self.parts[name]), where=f"part {name}")

    def part_names(self) -> list[str]:
        return list(self.parts) or [self.name]


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
        fixed = _without_count(part)
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


def _without_count(part: Spec) -> dict[str, Any]:
    """What fixes a part's units: more architectures or initializations rename none."""
    default = SamplingSpec()
    counts = {"count": default.count, "initializations": default.initializations}
    return identity(part.model_copy(update={"sampling": part.sampling.model_copy(update=counts)}))


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
        {"unit_id": unit.unit_id, "part": _without_count(part), "program": program_name(device, dtype)},
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
