"""The work of one unit, which the experiment of its part decides.

In: the spec, a unit, the device. Out: its rows. What is measured is computed in float64 on a CPU; trainings, which are
in trainings.py and training_data.py, on the device. Every experiment is a function of a part, a task and a seed that
returns the columns of its unit's row and the rows of other tables, but for their unit_id.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from distnlc.plugins import DataRecord, Work, loaded
from distnlc.records import OK, Records
from distnlc.spec import Unit
from distnlc.studies.scaling.records import UnitRow
from distnlc.studies.scaling.spec import TRAINED, Spec
from distnlc.studies.scaling.units import known, seed_of, tasks
from distnlc.training.programs import processor

HERE = "distnlc.studies.scaling."
MEASURED = {
    "operations": HERE + "operations:operation_unit",
    "ratio": HERE + "ratio:ratio_unit",
    "blocks": HERE + "ratio:blocks_unit",
    "residual": HERE + "residual:residual_unit",
}
"""experiment -> (part, task, seed) -> columns and tables"""
TRAININGS = HERE + "trainings:{experiment}_unit"
"""(part, task, seed, unit, work) -> columns and tables; `known` columns among them replace the record's"""
PREPARED = HERE + "trainings:prepare"
"""(part, name) -> what its data were: `files`, and either train, d_in and classes, or `sets` of these by name"""


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds, prepares and caches the data of the trainings among these parts. Raises DataError and SpecError."""
    trainings = [name for name in parts if spec.part(name).experiment in TRAINED]
    return {name: loaded(PREPARED)(spec.part(name), name) for name in trainings}


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Measures the operation or network, or trains it."""
    began = time.perf_counter()
    part = spec.part(unit.part)
    task = tasks(part)[unit.index]
    seed, columns, tables = seed_of(part, unit.part, task), dict[str, Any](), dict[str, list[Any]]()
    if part.experiment in TRAINED:
        columns, tables = loaded(TRAININGS.format(experiment=part.experiment))(part, task, seed, unit, work)
    else:
        columns, tables = loaded(MEASURED[part.experiment])(part, task, seed)
    row = UnitRow(
        unit_id=unit.unit_id,
        part=unit.part,
        index=unit.index,
        status=OK,
        device=processor(work.device if part.experiment in TRAINED else "cpu"),
        seconds=time.perf_counter() - began,
        **known(spec, unit, {}) | columns,
    )
    order = ("layers", "blocks", "runs", "epochs")
    return {
        "units": [row],
        **{name: [replace(each, unit_id=unit.unit_id) for each in tables.get(name, [])] for name in order},
    }
