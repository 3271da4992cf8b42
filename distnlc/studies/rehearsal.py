"""The rehearsal: units that compute next to nothing, to try a cluster, a folder or the engine before a true study.

A unit waits some time and gives a number that depends on the spec alone, and where it was worked on. Units can be
made to go wrong (`faults`), to see what a study makes of that; what goes wrong, and how long a unit takes, belong to
the execution and can change between two calls of the same study.
"""

import math
import os
import socket
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from distnlc.records import FAILED, OK, Records, RehearsalRow, View
from distnlc.spec import HOW, Field, PositiveInt, SpecModel, StudySpec, Unit, derive_seed, short_id

__all__ = ["TABLES", "Headline", "Spec", "calibrate", "failed", "prepare", "run", "units", "view", "volume"]

TABLES = {"units": RehearsalRow}

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
    """What a rehearsal does."""

    kind: Literal["rehearsal"] = "rehearsal"
    count: PositiveInt = 200
    """number of units"""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False, json_schema_extra=HOW)] = 0.1
    """that each unit waits"""
    faults: Annotated[Faults, Field(json_schema_extra=HOW)] = Faults()
    journal: Annotated[str, Field(json_schema_extra=HOW)] = ""
    """a folder in which every attempt leaves an empty file; shows that all machines see the same folder"""


def prepare(spec: Spec) -> None:
    """Nothing is needed."""


def units(spec: Spec) -> list[Unit]:
    """Units of equal cost, the seconds that they wait."""
    fixed = spec.model_copy(update={"count": 1}).fixing_fields()  # always the same count: more units rename none
    return [
        Unit(short_id({"part": fixed, "index": index}), spec.name, index, max(spec.seconds, 1e-3), f"rehearsal {index}")
        for index in range(spec.count)
    ]


def run(spec: Spec, unit: Unit, device: str, checkpoint_folder: Path | None = None) -> Records:
    """Waits, and goes wrong where the spec says so. Raises ValueError, MemoryError, OSError."""
    began = time.perf_counter()
    if spec.journal:
        name = f"{unit.index}-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        Path(spec.journal, name).touch(exist_ok=False)
    time.sleep(spec.seconds)
    row = RehearsalRow(
        unit_id=unit.unit_id,
        index=unit.index,
        status=OK,
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


def failed(spec: Spec, unit: Unit, reason: str, seconds: float, attempts: int) -> Records:
    row = RehearsalRow(
        unit_id=unit.unit_id, index=unit.index, status=FAILED, reason=reason, attempts=attempts, seconds=seconds
    )
    return {"units": [row]}


def calibrate(spec: Spec, device: str) -> float:
    """Units cost the seconds that they wait."""
    return 1.0


def volume(spec: Spec) -> tuple[dict[str, int], float]:
    """One row a unit, about 40 bytes each."""
    return {"units": spec.count}, 40.0 * spec.count


def view(records: Records) -> View:
    row = records["units"][0]
    metrics = {"seconds": row.seconds} | ({} if row.value is None else {"value": row.value})
    tags = {name: str(getattr(row, name)) for name in ("unit_id", "status", "reason", "host")}
    return View(name=f"rehearsal {row.index}", params={"index": row.index}, metrics=metrics, curves={}, tags=tags)


class Headline:
    """The mean of the numbers so far: the same at the end of every run of one rehearsal."""

    COLUMNS = ("value",)

    def __init__(self) -> None:
        self._count, self._sum = 0, 0.0

    def add(self, row: Any) -> None:
        if row.value is not None:
            self._count += 1
            self._sum += row.value

    def numbers(self) -> dict[str, float]:
        return {"mean_value": self._sum / self._count} if self._count else {}
