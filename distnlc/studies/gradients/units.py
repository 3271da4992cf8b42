"""The units of a study of gradients, and what is known of each before work."""

import math
from itertools import pairwise
from typing import Any

from distnlc.data import sources
from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed
from distnlc.studies.gradients.spec import Spec, widths

PASSES = {"none": 120, "length": 150, "layer": 150, "batch": 200}
"""normalization -> multiplications that take the time of one number's passes, forward and back"""
CHECKS = {
    "rescaling": 3e9,
    "sensitivity": 3e9,
    "growth": 1.8e10,
    "bounds": 1e8,
    "sphere": 1e10,
    "collapse": 4e9,
    "dilution-law": 8e9,
    "dilution-depth": 1.2e10,
    "composition": 8e9,
    "scaled-residuals": 9e9,
    "variants": 2.7e10,
}
"""family of checks -> multiplications that take its time, for each of the part's networks"""
GROWTH_OF_BATCHES = 1.4e6
"""those of `growth` for each network and point: its networks with batch norm have all points"""
BACKWARD = 1.5
"""times a pass forward and back, with the weights' gradients"""
WATCHED = 4
"""times an epoch that is only trained, where the training is measured"""
PRETRAINING_EPOCHS = 60
"""of all candidates together"""
LEAST_UPDATE, MOST_UPDATE = 1e-6, 0.1
"""relative updates between which step sizes are searched for"""


def count(part: Spec) -> int:
    """The number of a part's units."""
    return part.networks if part.experiment == "noise" else 1


def units(spec: Spec) -> list[Unit]:
    """One unit per network on noise, training, and family of checks."""
    found = []
    for name in spec.part_names():
        part = spec.part(name)
        for index in range(count(part)):
            label = f"{name}: network {index}" if part.experiment == "noise" else f"{name}: {part.experiment}"
            found.append(Unit(spec.unit_id(name, index), name, index, cost(part), label))
    return found


def seed_of(part: Spec, name: str, index: int) -> int:
    """The seed of a unit: the study's seed, the part's name and the index fix it. All trainings have one, so that an
    architecture begins with the same weights under both protocols (section 5)."""
    return derive_seed("gradients", part.seed, part.experiment if part.experiment == "training" else name, index)


def known(spec: Spec, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """The columns of a unit's row that say what it is about."""
    part = spec.part(unit.part)
    if part.experiment == "checks":
        return {"protocol": "checks"}
    fixed = ("nonlinearity", "normalization", "matrices", "skip", "width", "linear_layers", "block_layers")
    row: dict[str, Any] = {name: getattr(part, name) for name in fixed}
    if part.experiment == "noise":
        return row | {"points": part.points, "protocol": "noise"}
    points = data.get(unit.part, {}).get("train")
    batch = part.training.batch or points
    return row | {"points": points, "protocol": part.protocol, "dataset": part.data.name, "batch_size": batch}


def rows(spec: Spec) -> dict[str, int]:
    """About how many rows each table will have."""
    parts = [spec.part(name) for name in spec.part_names()]
    networks = sum(count(part) for part in parts)
    layers = sum(count(part) * places(part) for part in parts if part.experiment != "checks")
    trainings = [part for part in parts if part.experiment == "training"]
    epochs = sum(part.training.epochs * runs(part) for part in trainings)
    taylor = sum(part.linear_layers - 1 for part in trainings)
    return {"networks": networks, "layers": layers, "epochs": epochs, "taylor": taylor}


def runs(part: Spec) -> int:
    """Trainings of a unit, the watched one included."""
    return 1 if part.protocol == "custom" else len(part.training.steps) + 1


def places(part: Spec) -> int:
    """Rows of one network in the table `layers`: every operation and the input; or the input, what stands between
    blocks, the activations and the last normalization."""
    normalized = part.normalization != "none"
    if part.skip == "none":
        return (2 + normalized) * part.linear_layers
    return part.linear_layers + (part.linear_layers - 1) // part.block_layers + 1 + normalized


def cost(part: Spec) -> float:
    """Multiplications of one unit, and what takes as long."""
    if part.experiment == "checks" and part.check:
        whole = GROWTH_OF_BATCHES * part.points if part.check == "growth" else 0.0
        return part.networks * (CHECKS[part.check] + whole)
    if part.experiment == "noise":
        return part.points * point_cost(part, part.dimension, part.dimension)
    return (
        BACKWARD
        * sources.part_sizes(part.data)[0]
        * epochs_in_all(part)
        * point_cost(part, *sources.dimensions(part.data))
    )


def point_cost(part: Spec, d_in: int, d_out: int) -> float:
    """Multiplications of one datapoint, forward and back, without weights' gradients."""
    sizes = widths(part, d_in, d_out)
    return 2 * sum(before * after for before, after in pairwise(sizes)) + PASSES[part.normalization] * sum(sizes)


def epochs_in_all(part: Spec) -> float:
    """About how many epochs a training makes in all: candidates that diverge or learn nothing end early."""
    training = part.training
    watched = WATCHED * training.epochs
    if part.protocol == "single":
        return len(training.steps) * training.epochs / 2 + watched
    searched = part.linear_layers / training.selection_every + 1
    between = math.log(MOST_UPDATE / LEAST_UPDATE) / math.log(training.selection_factor)
    return PRETRAINING_EPOCHS + searched * between + watched
