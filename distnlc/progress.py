"""How far a study is: what one call of the engine has done, and the tally of the whole study.

The engine reports `Progress` to its sinks; the `Tally` counts all units, those of earlier sessions included, for the
console, the mirror and `distnlc status` alike.
"""

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from distnlc.plugins import Kind
from distnlc.records import FAILED, Records, unit_row
from distnlc.spec import Unit


@dataclass(frozen=True)
class Progress:
    """Where this call of the engine stands; units that were done before it are not counted."""

    total: int
    done: int
    failed: int
    running: int
    elapsed_s: float
    units_per_hour: float
    seconds_left: float | None
    """None until the first unit is done"""
    latest: str
    """label of the unit settled last, '' before the first"""
    workers: int = 0
    """that are there now; 0 while the study waits for machines, or for its first worker"""


NOTHING_YET = Progress(
    total=0, done=0, failed=0, running=0, elapsed_s=0.0, units_per_hour=float("nan"), seconds_left=None, latest=""
)


class Tally:
    """Counts units by status and keeps the kind's headline numbers. It implements the engine's `Sink`."""

    def __init__(self, kind: Kind[Any], total: int, rows: Iterable[Any], redo: Container[str] = ()) -> None:
        """`rows`: of the first table, in the columns that `tallied` names; `redo`: ids of units done once more."""
        self.total = total
        self.settled = 0
        self.statuses = Counter[str]()
        """status -> units that have it"""
        self.headline = kind.headline()
        self._before: dict[str, str] = {}
        """id -> status of the units that are done once more"""
        for row in rows:
            self.settled += 1
            self.statuses[row.status] += 1
            if row.unit_id in redo:
                self._before[row.unit_id] = row.status
            else:
                self.headline.add(row)

    @property
    def failed(self) -> int:
        """Units that were given up."""
        return self.statuses[FAILED]

    def committed(self, unit: Unit, records: Records) -> None:
        row = unit_row(records)
        before = self._before.pop(unit.unit_id, None)
        self.settled += before is None
        self.statuses[row.status] += 1
        if before is not None:
            self.statuses[before] -= 1
        self.headline.add(row)

    def progress(self, progress: Progress) -> None:
        """Nothing to do."""


def tallied(kind: Kind[Any]) -> list[str]:
    """The columns of the first table that a tally and the list of failed units look at."""
    return [*dict.fromkeys(["unit_id", "status", "reason", *kind.headline.COLUMNS])]
