"""The mirror's view of one finished unit, in plain data, derived from the unit's row and the columns' quantities.

In: a unit's records and its curves. Out: a `View`: drawn values, text and yes/no are parameters; numbers are metrics.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from distnlc.plugins import Curves
from distnlc.records import Records, leading, quantities, unit_row

DIGITS = 5
"""significant digits of a metric: more do not fit into a column of the table"""
TAGGED = ("identity", "status")
"""groups of columns that become tags"""


@dataclass(frozen=True, kw_only=True)
class View:
    """One unit's run in the mirror."""

    name: str
    params: Mapping[str, str | int | float | bool]
    metrics: Mapping[str, float]
    """finite numbers only, at most about 40"""
    curves: Mapping[str, Sequence[tuple[int, float]]]
    """name -> (step, finite value) points; names with the same part before a slash are shown together"""
    tags: Mapping[str, str]
    table: Sequence[str] = ()
    """params and metrics that a table of all units shows first; sorted by the first of them, a metric"""
    note: str = ""
    """what the curves are, in Markdown"""


def view_of(records: Records, curves: Curves) -> View:
    """The view of one unit. The costs of single measurements are left out: MLflow takes few metrics a run."""
    row = unit_row(records)
    values, params, metrics, tags = asdict(row), dict[str, Any](), dict[str, float](), dict[str, str]()
    for name, quantity in quantities(type(row)).items():
        value = values[name]
        if quantity.group in TAGGED and name not in {"index", "seconds"}:
            if value is not None:
                tags[name] = str(value)
        elif quantity.group == "drawn" or name == "index":
            params[name] = value
        elif quantity.group != "cost" and _finite(value):
            metrics[name] = float(f"{value:.{DIGITS}g}")
    points = {
        name: [(step, float(value)) for step, value in curve if value is not None and _finite(value)]
        for name, curve in curves.points.items()
    }
    return View(
        name=f"{row.part} {row.index}".strip(),
        params=params,
        metrics=metrics,
        curves=points,
        tags=tags,
        table=leading(type(row)),
        note=curves.note,
    )


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
