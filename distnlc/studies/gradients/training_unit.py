"""One training: its step sizes side by side or one for each layer, and the run that was chosen with its measurements.

In: the spec, a unit, the device. Out: its rows. The chosen run of a single step size is trained once more, alone, in
the dtype of the population, while a `Watch` measures it; a custom protocol's training is watched at once. What is done
of a unit is kept in checkpoints, stage by stage, and within the long stages epoch by epoch.

Chosen where the text is silent: a run that is not finite has the error 90 %, and is chosen only if there is no other.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from distnlc.data import dataset as data
from distnlc.data.dataset import Dataset
from distnlc.data.spec import DataSpec
from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from distnlc.plugins import Work
from distnlc.records import OK, Records
from distnlc.spec import SpecError, Unit, derive_seed
from distnlc.studies.gradients import protocols
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.protocols import Search
from distnlc.studies.gradients.records import NetworkRow
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.training_rows import Run, Trained, columns_of, rows_of
from distnlc.studies.gradients.units import known, seed_of
from distnlc.studies.gradients.watch import Watch
from distnlc.studies.gradients.watched import WatchedTrainer
from distnlc.training.checkpoint import Checkpoints, machine_of
from distnlc.training.programs import processor, program_name
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start, start_of
from distnlc.training.trainer import RunOutcome, train_population

State = dict[str, Any]
Offer = Callable[[Callable[[], State]], None]
"""takes a function that gives the state of this moment"""
Stage = Callable[[State | None, Offer], Any]
"""from a state to go on from, None: from the beginning"""
PREPARATION = "varying-features"


def data_of(part: Spec) -> DataSpec:
    """The part's dataset: its training part alone, features normalized unless a preparation is named."""
    preparation = part.data.preparation or PREPARATION
    return part.data.model_copy(update={"preparation": preparation, "validation": 0, "test": 0})


def prepare(part: Spec) -> dict[str, Any]:
    """Finds, prepares and caches the data of a training, and gives their record. Raises DataError and SpecError."""
    found = data.record(data_of(part), part.seed)
    points, batch = found["train"], part.training.batch
    if batch is not None and points % batch:
        whole = max(points // batch, 1) * batch
        raise SpecError(
            f"data.train must be a multiple of training.batch = {batch}, so that epochs are whole, but it is {points}; "
            f"such as --set data.train={whole}"
        )
    if part.normalization == "batch" and points < 2:
        raise SpecError(f"batch norm needs at least two datapoints, but data.train is {points}")
    try:
        layered_of(part, found["d_in"], found["classes"])
    except ValueError as error:
        raise SpecError(str(error)) from None
    return found


@lru_cache(maxsize=2)
def _load(spec: DataSpec, seed: int, device: str, dtype: torch.dtype) -> Dataset:
    """Kept between the units of one process: they mostly share a dataset."""
    return data.load(spec, seed).to(device, dtype)


@dataclass
class Stages:
    """What is done of a unit: each stage gives plain data with tensors, kept under its name."""

    checkpoints: Checkpoints
    began: float
    done: dict[str, Any] = field(default_factory=dict)
    current: State = field(default_factory=dict)

    @classmethod
    def found(cls, checkpoints: Checkpoints, device: str, began: float) -> "Stages":
        """Those of the unit's newest checkpoint."""
        saved = checkpoints.load(device)
        if saved is None:
            return cls(checkpoints, began)
        return cls(checkpoints, began - saved["seconds"], saved["done"], saved["current"])

    def stage(self, name: str, work: Stage) -> Any:
        """The stage's result, done now if it is not kept."""

        def offer(state: Callable[[], State]) -> None:
            seconds = time.perf_counter() - self.began
            self.checkpoints.offer(
                lambda: {"done": self.done, "current": {"name": name, "state": state()}, "seconds": seconds}
            )

        if name not in self.done:
            saved = self.current["state"] if self.current.get("name") == name else None
            self.done[name] = work(saved, offer)
            offer(dict)
        return self.done[name]


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Searches, trains and measures. Raises ValueError for a network that cannot be built."""
    began = time.perf_counter()
    part, device = spec.part(unit.part), work.device
    dtype = getattr(torch, part.training.dtype)
    dataset = _load(data_of(part), part.seed, device, dtype)
    seed = seed_of(part, unit.part, unit.index)
    layered = layered_of(part, dataset.d_in, dataset.classes)
    network = MLP(layered, parameters_of(part, seed, layered)).to(device, dtype)
    batch = part.training.batch or len(dataset.train_labels)
    course = _Course(part, start_of(network, seed=derive_seed("training", seed)), dataset, batch, seed)
    program = program_name(layered, protocols.schedule(part.training, batch), device, dtype)
    identity = {"unit_id": unit.unit_id, "part": part.unit_identity(), "program": program}
    if machine := machine_of(program, device):
        identity["machine"] = machine
    stages = Stages.found(Checkpoints(work.checkpoints, identity), device, began)
    trained = course.single(stages) if part.protocol == "single" else course.custom(stages)
    tables = rows_of(trained, dataset, batch)
    columns = known(spec, unit, {unit.part: {"train": len(dataset.train_labels)}}) | columns_of(trained, tables)
    row = NetworkRow(
        unit_id=unit.unit_id,
        part=unit.part,
        index=unit.index,
        status=OK,
        device=processor(device),
        seconds=time.perf_counter() - stages.began,
        **columns,
    )
    names = {"unit_id": unit.unit_id, "part": unit.part}
    return {"networks": [row], **{name: [replace(each, **names) for each in rows] for name, rows in tables.items()}}


@dataclass
class _Course:
    """One unit's trainings."""

    part: Spec
    start: Start
    dataset: Dataset
    batch: int
    seed: int

    def single(self, stages: Stages) -> Trained:
        """All step sizes as one population, then the chosen one watched."""
        plan = protocols.schedule(self.part.training, self.batch)
        steps = sorted(self.part.training.steps)

        def sweep(saved: State | None, offer: Offer) -> list[State]:
            outcomes = train_population(
                self.start, self.dataset, steps, plan, saved=saved, after_epoch=lambda trainer: offer(trainer.state)
            )
            return [outcome.state() | {"row": None} for outcome in outcomes]

        candidates = [RunOutcome.from_state(state) for state in stages.stage("sweep", sweep)]
        best = min(candidates, key=lambda run: (run.diverged, 0.0 if run.diverged else run.error, run.start_rate))
        chosen = stages.stage("chosen", self.watched(self.start, best.start_rate, plan, self.watch()))
        return Trained(self.start, candidates, None, Run.from_state(chosen))

    def custom(self, stages: Stages) -> Trained:
        """Pre-training, a step size for each layer, what multiplies them, and the training."""
        training, watch = self.part.training, self.watch()
        search = self.search("pretraining", self.start.rows)
        found = stages.stage("search for pre-training", lambda *_: protocols.pretraining(search))
        before: Run | None = None
        if found is not None:
            rate, epochs = found
            start = search.at_rates(protocols.only(protocols.pretrained_layers(training, search.network), search.depth))
            work = self.watched(start, rate, protocols.constant(self.batch, epochs), watch)
            before = Run.from_state(stages.stage("pre-training", work))
            watch.restore(before.watch)
        row = self.start.rows[0] if before is None else before.row
        watch.pretrained(row)
        search = self.search("selection", row[None])
        updates, layers = search.updates(), protocols.searched_layers(training, search.depth)
        each = [self.selected(stages, search, layer, float(updates[layer])) for layer in layers]
        steps = protocols.smoothed(layers, each, search.depth)
        scale = stages.stage("scaling", lambda *_: protocols.scaling(search, steps))
        start = replace(self.search("training", row[None]).at_rates(steps), seeds=self.start.seeds)
        chosen = stages.stage("chosen", self.watched(start, scale, protocols.schedule(training, self.batch), watch))
        relative = {layer: found[1] for layer, found in zip(layers, each, strict=True) if found is not None}
        return Trained(self.start, [], before, Run.from_state(chosen), relative)

    def search(self, name: str, rows: Tensor) -> Search:
        """A search from these parameters, with an order of the data of its own."""
        start = replace(self.start, rows=rows, seeds=(derive_seed(name, self.seed),))
        return Search(start, self.dataset, self.part.training, self.batch)

    def selected(self, stages: Stages, search: Search, layer: int, relative: float) -> tuple[float, float] | None:
        found: tuple[float, float] | None = stages.stage(
            f"layer {layer}", lambda *_: protocols.selection(search, layer, relative)
        )
        return found

    def watch(self) -> Watch:
        network, start = self.start.network, self.start
        assert isinstance(network, Layered)
        return Watch(network, start.rows[0], start.buffers[0], full_batch=self.batch == len(self.dataset.train_labels))

    def watched(self, start: Start, rate: float, plan: TrainingSpec, watch: Watch) -> Stage:
        """The training of one run, as a stage."""

        def work(saved: State | None, offer: Offer) -> State:
            trainer = WatchedTrainer(start, self.dataset, rate, plan, watch)
            (outcome,) = trainer.complete(saved, lambda trainer: offer(trainer.state))
            return {"outcome": outcome.state(), "watch": watch.state(), "first_update": trainer.first_update}

        return work
