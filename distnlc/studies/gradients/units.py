"""The units of a study of gradients, and what is known of each before work."""

from itertools import pairwise
from typing import Any

from distnlc.data.sources import dimensions, part_sizes
from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed
from distnlc.studies.gradients.spec import Spec, widths

PASSES = {"none": 20, "length": 40, "layer": 40, "batch": 40}
"""normalization -> multiplications that take the time of one number's passes, forward and back"""
WATCHED = 3
"""more trainings that take as long as to watch one"""


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
    """The seed of a unit: the study's seed, the part's name and the index fix it."""
    return derive_seed("gradients", part.seed, name, index)


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
    training = part.experiment == "training"
    sizes = widths(part, *(dimensions(part.data) if training else (part.dimension, part.dimension)))
    products = 2 * sum(before * after for before, after in pairwise(sizes))
    passes = products + PASSES[part.normalization] * sum(sizes)
    points = part_sizes(part.data)[0] * part.training.epochs * (runs(part) + WATCHED) if training else part.points
    return float(points * passes)
