"""The smallest kind of study: squares of numbers. Copy this file for a study of your own, and change everything in it.

    distnlc kinds --check mine.yaml --plugin my_study     # tries whether the kind keeps what every kind must
    distnlc run mine.yaml --plugin my_study               # the module is looked for in the current folder first

mine.yaml, with one part or several that differ in some fields:

    kind: mine
    count: 5
    parts: {plain: {}, shifted: {shift: 0.5}}

`Kind` has more fields than this one needs (../plugins.py): data to `prepare`, what is `known` of a unit that failed, a
headline and curves to show while it runs, a report. `Quantity` and `column` are explained in ../records.py.

To ship a kind with distnlc instead, make it a package `distnlc/studies/mine/` whose `__init__.py` has the `KIND`; name
what needs torch by references such as run="distnlc.studies.mine.unit:run", presets="distnlc.studies.mine" (a folder
presets/ of YAML files) and report="distnlc.analysis.mine.report:REPORT" (answers, figures, tables).
"""

import time
from dataclasses import dataclass
from typing import Any, Literal

from distnlc.plugins import Kind, Work
from distnlc.records import (
    ATTEMPTS,
    DEVICE,
    INDEX,
    OK,
    PART,
    REASON,
    SECONDS,
    STATUS,
    UNIT_ID,
    Quantity,
    Records,
    column,
)
from distnlc.spec import PositiveInt, StudySpec, Unit, identity


class Spec(StudySpec):
    """Squares of numbers. The fields fix the result; a part of the study may set each of them otherwise."""

    kind: Literal["mine"]  # without a default, so that it is part of every id
    count: PositiveInt = 3
    shift: float = 0.0

    def unit_identity(self) -> dict[str, Any]:
        """Leaves out of unit ids what only says how many units there are: more of them rename none."""
        return identity(self.model_copy(update={"count": 1}))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One unit. The first table of every kind has these eight columns, then its own."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    square: float | None = column(Quantity("square", "number", "(index + shift) squared", group="result"), lead=1)


def units(spec: Spec) -> list[Unit]:
    """The pieces of work: an id, the part, the index within it, a cost (the longest start first) and a label."""
    return [
        Unit(spec.unit_id(part, index), part, index, cost=1.0, label=f"{part} {index}")
        for part in spec.part_names()
        for index in range(spec.part(part).count)
    ]


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Does one unit. The rows must depend on (spec, unit) alone; seeds come from `distnlc.spec.derive_seed`."""
    began = time.perf_counter()
    square = (unit.index + spec.part(unit.part).shift) ** 2
    row = Row(
        unit_id=unit.unit_id,
        part=unit.part,
        index=unit.index,
        status=OK,
        seconds=time.perf_counter() - began,
        device=work.device,
        square=square,
    )
    return {"squares": [row]}


KIND = Kind(name="mine", spec=Spec, tables={"squares": Row}, units=units, run=run)
