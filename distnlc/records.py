"""What rows are: plain dataclasses, one field per stored column, each column declared once with what it means.

A study kind declares the rows of its tables with `column(QUANTITY)`; the mirror, the explorer, the figures, `measure`
and the page of columns read labels, units and scales from there. The first table of every kind holds one row per unit
and has the columns of UNIT_COLUMNS. Errors are fractions in [0, 1]. A quantity that was not measured, or that a
failed unit never reached, is None.

Two long tables mean the same in every kind that lists them among its tables: `measurements` and `properties`. They are
read by name, and a study that has nothing to say there leaves them empty.
"""

import dataclasses
import math
import re
import types
import typing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

OK, DIVERGED, PRUNED, SKIPPED, FAILED = "ok", "diverged", "pruned", "skipped", "failed"
"""a run: ok, diverged (its loss was never finite) or pruned (it left its population at a rung);
a unit: ok, skipped (measured, but not trained because the spec says so) or failed"""

PLAIN_NAME = re.compile(r"\w[\w./+ -]{0,99}")
"""a name of somebody's own that can stand in any page and on any terminal"""

Records = Mapping[str, Sequence[Any]]
"""The result of one unit: table name -> rows. The first table of a study kind holds exactly one of them."""


@dataclass(frozen=True)
class Quantity:
    """What a column holds. Two different quantities never share a label."""

    label: str
    """what people call it"""
    unit: str = "number"
    """text, yes/no, count, number (dimensionless), fraction, s, or what else it is measured in"""
    about: str = ""
    """one line for the page of columns"""
    _: KW_ONLY
    group: str
    """identity | drawn | status | initial | cost | sweep | trained | result | former (measured no more)"""
    log: bool = False
    """it is shown in log scale, and correlated by its logarithm"""
    cost: tuple[str, ...] = ()
    """columns of the wall time that its measurement takes; none: it follows from the network's description"""


def column(quantity: Quantity, *, required: bool = False, default: Any = None, lead: int = 0) -> Any:
    """A field of a row. A value must be given if it is `required`; else `default` stands for what was not measured.

    `lead`: the mirror's table of units shows the columns that have one, in this order, sorted by the first.
    """
    metadata = {"quantity": quantity, "lead": lead}
    if required:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def quantities(row_type: type) -> dict[str, Quantity]:
    """Column name -> quantity, in the order of the table; columns that were declared without one are left out."""
    fields = dataclasses.fields(row_type)
    return {field.name: field.metadata["quantity"] for field in fields if "quantity" in field.metadata}


def leading(row_type: type) -> list[str]:
    """The columns that a table of all units shows first."""
    leads = {field.name: field.metadata.get("lead", 0) for field in dataclasses.fields(row_type)}
    return sorted((name for name, lead in leads.items() if lead), key=leads.__getitem__)


def columns_of(row_type: type) -> dict[str, str]:
    """Column name -> `str`, `int`, `float` or `bool`, with `?` behind it where None is allowed."""
    columns = {}
    for name, hint in typing.get_type_hints(row_type).items():
        kinds = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
        (kind,) = kinds - {types.NoneType}
        columns[name] = kind.__name__ + ("?" if types.NoneType in kinds else "")
    return columns


UNIT_ID = Quantity("unit id", "text", "the piece of work: a hash of all that fixes the row's results", group="identity")
PART = Quantity("part", "text", "the part of the study, as its spec calls it", group="identity")
INDEX = Quantity("index", "count", "the unit's number within its part, from 0", group="identity")
STATUS = Quantity(
    "status",
    "text",
    "`ok`; `skipped`: measured, but not trained because of `train_if`; `failed`: given up",
    group="status",
)
REASON = Quantity("reason", "text", "why the unit was skipped or failed", group="status")
ATTEMPTS = Quantity("attempts", "count", "how often the unit was begun", group="status")
SECONDS = Quantity("time of the unit", "s", "wall time of the whole unit", group="status")
DEVICE = Quantity("device", "text", "the processor that did the unit", group="status")

UNIT_COLUMNS = {
    "unit_id": "str",
    "part": "str",
    "index": "int",
    "status": "str",
    "reason": "str?",
    "attempts": "int",
    "seconds": "float",
    "device": "str?",
}
"""the columns that every first table has, with their types"""


def check_unit_row(row_type: type) -> None:
    """Raises TypeError unless a row type can be that of a first table."""
    columns = columns_of(row_type)
    for name, kind in UNIT_COLUMNS.items():
        if columns.get(name) != kind:
            found = columns.get(name, "no such column")
            raise TypeError(f"{row_type.__name__}: a first table has a column {name} of type {kind}, found {found}")


def unit_row(records: Records) -> Any:
    """The unit's row of the first table."""
    return next(iter(records.values()))[0]


@dataclass(frozen=True, kw_only=True)
class MeasurementRow:
    """One value of a metric of a group (`metrics.groups`) or of the user's own (`distnlc.Metric`)."""

    unit_id: str = column(UNIT_ID, required=True)
    stage: str = column(
        Quantity("stage", "text", "`initial`: before training; `trained`: of the trained network", group="identity"),
        required=True,
    )
    name: str = column(
        Quantity("metric", "text", "the metric's name; of the user's own, that in the spec", group="identity"),
        required=True,
    )
    label: str = column(Quantity("label", "text", "what people call the metric", group="identity"), required=True)
    log: bool = column(
        Quantity("log scale", "yes/no", "whether the metric is correlated by its logarithm", group="identity"),
        required=True,
    )
    value: float | None = column(
        Quantity("value", "number", "the metric's value; missing where it has none", group="result")
    )
    reason: str | None = column(Quantity("reason", "text", "why the value is missing", group="result"))
    seconds: float = column(
        Quantity(
            "time of the metric", "s", "wall time to measure the metric, with those it is measured with", group="cost"
        ),
        required=True,
    )


@dataclass(frozen=True, kw_only=True)
class PropertyRow:
    """One property of an architecture of the user's own (`distnlc.Family`), as it was drawn: a number or a text."""

    unit_id: str = column(UNIT_ID, required=True)
    name: str = column(Quantity("property", "text", "the property's name", group="identity"), required=True)
    value: float | None = column(
        Quantity("value", "number", "a property that is a number; yes is 1, no is 0", group="drawn")
    )
    text: str | None = column(Quantity("text", "text", "a property that is a text", group="drawn"))


INITIAL, TRAINED = "initial", "trained"
"""stages of a measurement"""
MEASUREMENTS, PROPERTIES = "measurements", "properties"
READ_BY_NAME: Mapping[str, type] = {MEASUREMENTS: MeasurementRow, PROPERTIES: PropertyRow}
"""the tables that are never unpacked, with their rows"""


def missing_values(rows: Iterable[Any]) -> list[str]:
    """One line for each metric that has no value for some networks, from rows of `measurements`."""
    count, missing, reasons = Counter[str](), Counter[str](), dict[str, str]()
    for row in rows:
        count[row.name] += 1
        if row.value is None or math.isnan(row.value):
            missing[row.name] += 1
            reasons.setdefault(row.name, row.reason or "no reason is recorded")
    return [
        f"{missing[name]:,} of {count[name]:,} values of the metric {name} are missing, the first because it "
        f"{reasons[name]}"
        for name in sorted(missing)
    ]
