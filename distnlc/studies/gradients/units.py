"""The units of a study of gradients, and what is known of each before work."""

from itertools import pairwise
from typing import Any

from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed
from distnlc.studies.gradients.spec import Spec, widths

PASSES = {"none": 20, "length": 40, "layer": 40, "batch": 40}
"""normalization -> multiplications that take the time of one number's passes, forward and back"""


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
    return row | {"points": points, "protocol": part.protocol, "dataset": part.data.name}


def rows(spec: Spec) -> dict[str, int]:
    """About how many rows each table will have."""
    parts = [spec.part(name) for name in spec.part_names()]
    networks = sum(count(part) for part in parts)
    layers = sum(count(part) * places(part) for part in parts if part.experiment != "checks")
    return {"networks": networks, "layers": layers}


def places(part: Spec) -> int:
    """Rows of one network in the table `layers`: every operation and the input, or what stands between blocks."""
    if part.skip != "none":
        return 2 * part.linear_layers // part.block_layers + 2
    return (3 if part.normalization != "none" else 2) * part.linear_layers


def cost(part: Spec) -> float:
    """Multiplications of one unit, and what takes as long."""
    sizes = widths(part, part.dimension, part.dimension)
    products = 2 * sum(before * after for before, after in pairwise(sizes))
    return float(part.points * (products + PASSES[part.normalization] * sum(sizes)))
