"""The work of one unit: what the part's experiment is.

In: the spec, a unit, the device. Out: its rows. Networks on noise and checks are computed on a CPU. A part of checks
calls `checks.run(part, seed)`, whose rows get the unit's id and part here; a training has
`training_unit.run(spec, unit, work)` and `training_unit.prepare(part)`.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from distnlc.plugins import DataRecord, Work, loaded
from distnlc.records import OK, Records
from distnlc.spec import Unit
from distnlc.studies.gradients.records import NetworkRow
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.units import known, seed_of
from distnlc.training.programs import processor

HERE = "distnlc.studies.gradients."


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds, prepares and caches the data of the trainings among these parts. Raises DataError."""
    trainings = [name for name in parts if spec.part(name).experiment == "training"]
    return {name: loaded(HERE + "training_unit:prepare")(spec.part(name)) for name in trainings}


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Measures the network, trains it, or does the checks."""
    began = time.perf_counter()
    part = spec.part(unit.part)
    if part.experiment == "training":
        trained: Records = loaded(HERE + "training_unit:run")(spec, unit, work)
        return trained
    seed, names = seed_of(part, unit.part, unit.index), {"unit_id": unit.unit_id, "part": unit.part}
    columns: dict[str, Any] = {}
    if part.experiment == "noise":
        columns, layers = loaded(HERE + "noise:measure")(part, seed)
        tables = {"layers": layers}
    else:
        tables = {"checks": loaded(HERE + "checks:run")(part, seed)}
    found = known(spec, unit, {}) | columns
    row = NetworkRow(
        unit_id=unit.unit_id,
        part=unit.part,
        index=unit.index,
        status=OK,
        device=processor("cpu"),
        seconds=time.perf_counter() - began,
        **found,
    )
    return {"networks": [row], **{name: [replace(each, **names) for each in rows] for name, rows in tables.items()}}
