"""The units of a study of moments: which simulations each one holds, and what is known of it before work."""

from typing import Any

from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed
from distnlc.studies.moments.spec import BRANCH, Spec, image_shape, positions

NUMBER = 30
"""multiplications that take the time of one number's ReLU, batch norm and measurement"""
GUESS_SHAPE = (3, 32, 32)
"""stands in for the images of a dataset that only its files tell"""
DRAW = 60
"""multiplications that take the time of drawing one weight"""


def units(spec: Spec) -> list[Unit]:
    """One unit per block; the last one of a part may be smaller."""
    found = []
    for name in spec.part_names():
        part = spec.part(name)
        for index in range(-(-part.simulations // part.block)):
            numbers = simulations(part, index)
            label = f"{name}: simulations {numbers[0]} to {numbers[-1]}"
            found.append(Unit(spec.unit_id(name, index), name, index, len(numbers) * cost(part), label))
    return found


def simulations(part: Spec, index: int) -> range:
    """The numbers of a block's simulations."""
    first = index * part.block
    return range(first, min(first + part.block, part.simulations))


def seed_of(part: Spec, name: str, number: int) -> int:
    """The seed of a simulation: the study's seed, the part's name and the number fix it."""
    return derive_seed("moments", part.seed, name, number)


def known(spec: Spec, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """The columns of a unit's row that say which networks it simulates."""
    part = spec.part(unit.part)
    numbers = simulations(part, unit.index)
    fixed = ("net", "kernel", "width", "depth", "batch", "boundary", "epsilon")
    return {
        **{name: getattr(part, name) for name in fixed},
        "input": part.data.name,
        "simulations": len(numbers),
        "first_simulation": numbers[0],
    }


def rows(spec: Spec) -> dict[str, int]:
    """How many rows each table will have."""
    parts = [spec.part(name) for name in spec.part_names()]
    return {
        "blocks": sum(-(-part.simulations // part.block) for part in parts),
        "layers": sum(part.simulations * part.depth // part.measure_every for part in parts),
    }


def layers(part: Spec) -> int:
    """Convolutions of one simulation, the first left out."""
    return part.depth * (BRANCH if part.net == "bn_res" else 1)


def multiplications(part: Spec) -> float:
    """Multiplications of one convolution, of signal and noise together."""
    return float(_points(part) * part.kernel**2 * part.width**2)


def cost(part: Spec) -> float:
    """Multiplications of one simulation, and what takes as long."""
    drawn = DRAW * part.kernel**2 * part.width**2
    return layers(part) * (multiplications(part) + NUMBER * _points(part) * part.width + drawn)


def _points(part: Spec) -> int:
    return 2 * part.batch * positions(part, image_shape(part.data) or GUESS_SHAPE) ** 2
