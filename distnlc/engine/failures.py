"""The row of a unit that was given up: what its kind knows of it without running it, and the reason of the failure."""

import dataclasses
import logging
from typing import Any

from distnlc.plugins import DataRecord, Kind, loaded
from distnlc.records import FAILED, Records, columns_of
from distnlc.spec import StudySpec, Unit

log = logging.getLogger(__name__)

NEUTRAL: dict[str, Any] = {"str": "", "int": 0, "float": float("nan"), "bool": False}
"""values of required columns that the kind does not know"""


def failed_records(
    kind: Kind[Any], spec: StudySpec, data: DataRecord, unit: Unit, reason: str, seconds: float, attempts: int
) -> Records:
    """One row of the first table, with status `failed`. Never raises, even if `Kind.known` does."""
    try:
        known = loaded(kind.known)(spec, unit, data)
    except Exception as error:
        log.error("unit %s: what is known of it cannot be told: %s: %s", unit.unit_id, type(error).__name__, error)
        known = {}
    columns = columns_of(kind.row)
    required = {
        field.name
        for field in dataclasses.fields(kind.row)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    values = {name: None if columns[name].endswith("?") else NEUTRAL[columns[name]] for name in required}
    values["index"] = unit.index
    values |= {name: value for name, value in known.items() if name in columns}
    values |= {"unit_id": unit.unit_id, "part": unit.part, "status": FAILED}
    values |= {"reason": reason, "attempts": attempts, "seconds": seconds}
    rows = {kind.first: [kind.row(**values)]}
    return rows | {table: [] for table in kind.tables if table != kind.first}
