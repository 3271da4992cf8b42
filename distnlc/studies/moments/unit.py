"""The work of one unit: the simulations of a block, one after another.

In: the spec, a unit, the device. Out: its rows. A simulation is the same in whatever block it is.
"""

import time
from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from distnlc.data import dataset
from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec
from distnlc.plugins import DataRecord, Work
from distnlc.records import OK, Records
from distnlc.spec import Unit
from distnlc.studies.moments.records import BlockRow, LayerRow
from distnlc.studies.moments.simulation import simulate
from distnlc.studies.moments.spec import Spec, check_batch, check_positions, images_of
from distnlc.studies.moments.units import known, seed_of, simulations
from distnlc.training.programs import processor


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds or generates and caches the images of these parts. Raises DataError, also for images that are too few."""
    found = {}
    for name in parts:
        part = spec.part(name)
        facts = found[name] = dataset.record(images_of(part), part.seed)
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
    images = _images(images_of(part), part.seed)
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
