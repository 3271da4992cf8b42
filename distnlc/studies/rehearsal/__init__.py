"""The rehearsal: units that compute next to nothing, to try a cluster, a folder or the engine before a true study.

A unit waits some time and gives a number that depends on the spec alone, and where it was worked on. Units can be
made to go wrong (`faults`), to see what a study makes of that; what goes wrong, and how long a unit takes, belong to
the execution and can change between two calls of the same study.
"""

import math
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

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
from distnlc.spec import HOW, PositiveInt, SpecModel, StudySpec, Unit, derive_seed, short_id

Indices = tuple[int, ...]


class Faults(SpecModel):
    """Which units go wrong, by index, and how."""

    raises: Indices = ()
    """an exception"""
    nan: Indices = ()
    """a number that is not finite"""
    memory: Indices = ()
    """an allocation that is refused"""
    exits: Indices = ()
    """the worker's process ends"""
    hangs: Indices = ()
    """an endless loop"""


class Spec(StudySpec):
    """Units that only wait, to try a cluster, a folder or a tracking server."""

    kind: Literal["rehearsal"] = "rehearsal"
    count: PositiveInt = 200
    """number of units"""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False, json_schema_extra=HOW)] = 0.1
    """that each unit waits"""
    faults: Annotated[Faults, Field(json_schema_extra=HOW)] = Faults()
    journal: Annotated[str, Field(json_schema_extra=HOW)] = ""
    """a folder in which every attempt leaves an empty file; shows that all machines see the same folder"""

    def unit_identity(self) -> dict[str, Any]:
        """Always the same count: more units rename none."""
        return self.model_copy(update={"count": 1}).identity_fields()


@dataclass(frozen=True, kw_only=True)
class RehearsalRow:
    """One unit of a rehearsal: a number that depends on the spec alone, and where it was worked on."""

    unit_id: str = column(UNIT_ID, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    value: float | None = column(
        Quantity("value", "number", "a number in [0, 1) that follows from the spec and the index", group="result"),
        lead=1,
    )
    host: str | None = column(Quantity("host", "text", "the machine that did the unit", group="status"))
    process: int | None = column(Quantity("process", "count", "its worker's process id", group="status"))
    part: str = column(PART, default="")
    device: str | None = column(DEVICE)


def units(spec: Spec) -> list[Unit]:
    """Units of equal cost, the seconds that they wait."""
    fixed = spec.unit_identity()
    return [
        Unit(short_id({"part": fixed, "index": index}), spec.name, index, max(spec.seconds, 1e-3), f"rehearsal {index}")
        for index in range(spec.count)
    ]


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Waits, and goes wrong where the spec says so. Raises ValueError, MemoryError, OSError."""
    began = time.perf_counter()
    if spec.journal:
        name = f"{unit.index}-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        Path(spec.journal, name).touch(exist_ok=False)
    time.sleep(spec.seconds)
    row = RehearsalRow(
        unit_id=unit.unit_id,
        part=unit.part,
        index=unit.index,
        status=OK,
        device=work.device,
        value=_value(spec, unit.index),
        host=socket.gethostname(),
        process=os.getpid(),
        seconds=time.perf_counter() - began,
    )
    return {"units": [row]}


def _value(spec: Spec, index: int) -> float:
    """A number in [0, 1) that depends on the study's seed and the index; or what the faults make of it."""
    faults = spec.faults
    if index in faults.raises:
        raise ValueError(f"unit {index} was told to raise")
    if index in faults.memory:
        bytearray(2**62)
    if index in faults.exits:
        os._exit(1)
    while index in faults.hangs:
        pass
    value = math.nan if index in faults.nan else derive_seed("rehearsal", spec.seed, index) / 2**63
    if not math.isfinite(value):
        raise ValueError(f"the value of unit {index} is not finite: {value}")
    return value


def seconds(spec: Spec, units: Sequence[Unit], device: str) -> list[float]:
    """Units cost the seconds that they wait."""
    return [unit.cost for unit in units]


class Headline:
    """The mean of the numbers so far: the same at the end of every run of one rehearsal."""

    COLUMNS: Sequence[str] = ("value",)

    def __init__(self) -> None:
        self._count, self._sum = 0, 0.0

    def add(self, row: Any) -> None:
        if row.value is not None:
            self._count += 1
            self._sum += row.value

    def numbers(self) -> dict[str, float]:
        return {"mean_value": self._sum / self._count} if self._count else {}


KIND = Kind(
    name="rehearsal",
    spec=Spec,
    tables={"units": RehearsalRow},
    units=units,
    run=run,
    seconds=seconds,
    headline=Headline,
    report="distnlc.analysis.rehearsal.report:REPORT",
    presets="distnlc.studies.rehearsal",
)
