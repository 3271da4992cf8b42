"""The work of one unit: one network is made, measured, trained, and measured again.

In: the spec, a unit, the device. Out: its rows. Everything is computed in float32 on the device but for what the
metrics do in float64; products never in TF32. A network that diverged has no metrics.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from distnlc.data import dataset as datasets
from distnlc.data.dataset import Dataset
from distnlc.data.spec import DataSpec
from distnlc.plugins import DataRecord, Work
from distnlc.records import INITIAL, OK, TRAINED, Records
from distnlc.spec import SpecError, Unit, derive_seed
from distnlc.studies.sensitivity.anchors import check_classes, curve_rows, region_rows
from distnlc.studies.sensitivity.measures import measured, point_rows
from distnlc.studies.sensitivity.networks import initial_network, layered_of
from distnlc.studies.sensitivity.records import NetworkRow
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.trained import LOSSES, Trained, train
from distnlc.studies.sensitivity.units import known, network_of, seed_of
from distnlc.training.augmentation import shown, view_indices
from distnlc.training.checkpoint import Checkpoints, machine_of
from distnlc.training.programs import processor, program_name
from distnlc.training.spec import StepSpec

FEWEST_PIXELS = 3
"""along an image, whose translations are a polygon"""


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds, prepares and caches the data of these parts. Raises DataError and SpecError."""
    return {name: _prepared(spec.part(name), name) for name in parts}


def _prepared(part: Spec, name: str) -> dict[str, Any]:
    found = datasets.record(part.data_spec, part.seed)
    points, shape = found["train"], tuple(found.get("shape", [found["d_in"]]))
    if large := [size for size in part.training.batches if size > points]:
        raise SpecError(f"part {name}: training.batches: {large[0]} points are more than the {points} of the data")
    if found["classes"] < 2:
        raise SpecError(f"part {name}: class probabilities need two classes, and {part.data.name} has one")
    if not found["test"]:
        raise SpecError(f"part {name}: networks are measured on test points, but data.test = 0")
    if part.measure.trajectories and (len(shape) < 2 or shape[-1] < FEWEST_PIXELS):
        raise SpecError(
            f"part {name}: transitions are counted along the translations of images, but {part.data.name} has points "
            f"of {shown(shape)}; set measure.trajectories=0"
        )
    for augmentation in {cell.augmentation for cell in part.cells(name)} - {"none"}:
        try:
            view_indices(augmentation, shape)
        except ValueError as error:
            raise SpecError(f"part {name}: {part.data.name}: {error}") from None
    if part.measure.ellipses or part.measure.planes:
        check_classes(_load(part.data_spec, part.seed, "cpu").train_labels, f"part {name}: {part.data.name}")
    return found


@lru_cache(maxsize=2)
def _load(spec: DataSpec, seed: int, device: str) -> Dataset:
    """In float32; kept between the units of one process, which mostly share a dataset."""
    return datasets.load(spec, seed).to(device, torch.float32)


def data_of(part: Spec, labels: str, seed: int, device: str) -> Dataset:
    """The part's data as the network of a unit sees them, training labels random where the cell says so."""
    data = _load(part.data_spec, part.seed, device)
    if labels == "true":
        return data
    random = np.random.default_rng(derive_seed("random labels", seed))
    drawn = torch.from_numpy(random.integers(data.classes, size=len(data.train_labels)))
    return replace(data, train_labels=drawn.to(data.train_labels))


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Trains and measures one network."""
    began, part = time.perf_counter(), spec.part(unit.part)
    cell, _, number = network_of(part, unit.part, unit.index)
    seed, device, key = seed_of(part, cell, number), work.device, unit.unit_id
    data, measure = data_of(part, cell.labels, seed, device), part.measure
    network = initial_network(cell, data.d_in, data.classes, seed).to(device, torch.float32)
    tables: dict[str, list[Any]] = {"layers": [], "curves": [], "points": []}
    tables["regions"] = list(region_rows(network, data, measure, seed, key, INITIAL))
    columns: dict[str, Any] = {}
    if measure.initial:
        before = measured(network, data, measure, key, INITIAL)
        columns = {f"initial_{name}": before.columns.get(name) for name in ("jacobian_norm", "transitions")}
        tables["layers"] += before.layers
    program = program_name(layered_of(cell, data.d_in, data.classes), StepSpec(), device, torch.float32)
    machine = machine_of(program, device)
    identity = {"unit_id": key, "program": program, **({"machine": machine} if machine else {})}
    trained = train(part, cell, network, data, seed, Checkpoints(work.checkpoints, identity), device)
    columns |= _training_columns(part, trained, cell.batch, len(data.train_labels))
    tables["checks"] = [replace(look, unit_id=key) for look in trained.looks]
    if not trained.diverged:
        after = measured(trained.network, data, measure, key, TRAINED)
        assert after.jacobian is not None
        columns |= after.columns
        tables["layers"] += after.layers
        tables["curves"] = list(curve_rows(trained.network, data, measure, seed, key))
        tables["points"] = point_rows(after.jacobian, data, measure.points, LOSSES[part.training.loss], key)
        tables["regions"] += region_rows(trained.network, data, measure, seed, key, TRAINED)
    facts = {"d_in": data.d_in, "classes": data.classes, "train": len(data.train_labels)}
    row = NetworkRow(
        unit_id=key,
        part=unit.part,
        index=unit.index,
        status=OK,
        device=processor(device),
        seconds=time.perf_counter() - began,
        **known(spec, unit, {unit.part: facts}) | columns,
    )
    order = ("checks", "layers", "curves", "points", "regions")
    return {"networks": [row], **{name: tables[name] for name in order}}


def _training_columns(part: Spec, trained: Trained, batch: int | None, points: int) -> dict[str, Any]:
    found = {
        "stop": trained.stop,
        "steps": trained.steps,
        "epochs": trained.steps * (batch or points) / points,
        "fitted": trained.fitted(part),
        "train_seconds": trained.seconds,
    }
    if trained.diverged:
        return found
    return found | {
        "train_accuracy": 1 - trained.train_error,
        "test_accuracy": 1 - trained.test_error,
        "gap": trained.test_error - trained.train_error,
        "train_loss": trained.train_loss,
        "test_loss": trained.test_loss,
    }
