"""The work of one unit: the simulations of a block, one after another.

In: the spec, a unit, the device. Out: its rows. A simulation is the same in whatever block it is.
"""

import time
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from distnlc.data import dataset
from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec
from distnlc.plugins import DataRecord, Work
from distnlc.records import OK, Records
from distnlc.spec import Unit
from distnlc.studies.moments.records import BlockRow, LayerRow
from distnlc.studies.moments.simulation import simulate
from distnlc.studies.moments.spec import Spec, check_batch, check_positions, image_shape
from distnlc.studies.moments.units import GUESS_SHAPE, cost, known, layers, seed_of, simulations
from distnlc.training.programs import processor


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds or generates and caches the images of these parts. Raises DataError, also for images that are too few."""
    found = {}
    for name in parts:
        part = spec.part(name)
        facts = found[name] = dataset.record(part.data, part.seed)
        try:
            check_batch(part, facts["train"])
            check_positions(part, tuple(facts.get("shape", [facts["d_in"]])))
        except ValueError as error:
            raise DataError(f"part {name}: {error}") from None
    return found


@lru_cache(maxsize=3)
def _images(data: DataSpec, seed: int) -> Tensor:
    """Kept between the units of one process; float32, in the shape that images have."""
    loaded = dataset.load(data, seed)
    return loaded.train_inputs.float().view(-1, *loaded.shape)


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Simulates the block."""
    began = time.perf_counter()
    part = spec.part(unit.part)
    images = _images(part.data, part.seed)
    layers = [
        LayerRow(unit_id=unit.unit_id, part=unit.part, simulation=number, **row)
        for number in simulations(part, unit.index)
        for row in simulate(part, images, seed_of(part, unit.part, number), work.device)
    ]
    block = BlockRow(
        unit_id=unit.unit_id,
        part=unit.part,
        index=unit.index,
        **known(spec, unit, {}),
        status=OK,
        device=processor(work.device),
        seconds=time.perf_counter() - began,
    )
    return {"blocks": [block], "layers": layers}


MOST = 1e9
"""multiplications of a layer that is tried to see how long one takes"""
FEWEST = 4
"""images that are tried"""


def seconds(spec: Spec, todo: Sequence[Unit], device: str) -> list[float]:
    """The time of each unit, from a few layers of each part, on fewer images where a layer is long."""
    parts = {name: spec.part(name) for name in dict.fromkeys(unit.part for unit in todo)}
    each_s = {name: _simulation_seconds(part, device) for name, part in parts.items()}
    return [len(simulations(parts[unit.part], unit.index)) * each_s[unit.part] for unit in todo]


def _simulation_seconds(part: Spec, device: str) -> float:
    """The time of one simulation: a constant and so much a layer, from one measured step and from three."""
    steps = part.depth // part.measure_every
    share = MOST * layers(part) / cost(part)
    batch = part.batch if device != "cpu" else min(part.batch, max(FEWEST, int(part.batch * share)))
    images = torch.randn(batch, *(image_shape(part.data) or GUESS_SHAPE), generator=torch.Generator().manual_seed(0))

    def taken(steps: int) -> float:
        tried = part.model_copy(update={"batch": batch, "depth": steps * part.measure_every})
        began = time.perf_counter()
        simulate(tried, images, 0, device)
        return time.perf_counter() - began

    taken(1)  # what is made once is made here
    one, three = taken(1), taken(3)
    found = one + max(three - one, 0) / 2 * (steps - 1)
    return found * cost(part) / cost(part.model_copy(update={"batch": batch}))
