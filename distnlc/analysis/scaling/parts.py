"""The rows of a study of the scaling calculus by experiment: which part, which units, how it was set.

In: the tables of a study; its spec says what experiment a part is. Out: `Part`. A study may have several parts of one
experiment: tables have a section for each, a figure shows the one with the most finished units and names the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from distnlc.analysis.drawing.axes import COLOURS
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED, OK
from distnlc.studies.scaling.spec import Spec

INITS = {"geometric": COLOURS[0], "fan-in": COLOURS[1], "fan-out": COLOURS[2], "arithmetic": COLOURS[3]}
"""initialization -> its colour; the first is compared with the others"""
OURS, *OTHERS = INITS
WEIGHTS = ("conv", "linear")
"""kinds of layers that have weights"""
PRESETS = ("scaling-quick", "scaling-small", "scaling")
TRAINING_PRESETS = PRESETS[1:]


@dataclass(frozen=True)
class Part:
    """One part of a study and its finished units."""

    name: str
    units: pd.DataFrame
    """the finished ones, by index"""
    failed: int
    setting: Mapping[str, Any]
    """the section of its experiment, defaults filled in"""

    def rows(self, tables: Tables, table: str) -> pd.DataFrame:
        """Its rows of another table, with the columns of their units that say what these are about."""
        about = self.units[["unit_id", "init", "dataset", "setup", "seed", "variant", "weighting", "block_scaled"]]
        return tables[table].merge(about, on="unit_id", sort=False)

    @property
    def left_out(self) -> str:
        """`Left out: 2 failed units.`, or nothing."""
        return f"Left out: {self.failed} failed unit{'s' * (self.failed > 1)}." if self.failed else ""


def parts(tables: Tables, experiment: str) -> list[Part]:
    """The parts of an experiment that have a finished unit, in the study's order."""
    found = []
    for name, rows in tables.units.groupby("part", sort=False):
        own = _own(tables, str(name))
        default = Spec.model_fields["experiment"].default
        done = rows[rows["status"] == OK]
        if own.get("experiment", tables.spec.get("experiment", default)) == experiment and len(done):
            failed = int((rows["status"] == FAILED).sum())
            found.append(Part(str(name), done.sort_values("index"), failed, _setting(tables, own, experiment)))
    return found


def largest(tables: Tables, experiment: str) -> Part | None:
    """The part of an experiment with the most finished units; None if there is none."""
    return max(parts(tables, experiment), key=lambda part: len(part.units), default=None)


def needed(tables: Tables, experiment: str) -> Part:
    """The same. Raises MissingRecordsError if there is none."""
    if (found := largest(tables, experiment)) is None:
        raise MissingRecordsError(f"no finished unit of the experiment {experiment}")
    return found


def others(tables: Tables, shown: Part, experiment: str) -> list[str]:
    """Sentences on what the part leaves out, and on which other parts of the experiment a figure does not show."""
    names = [part.name for part in parts(tables, experiment) if part.name != shown.name]
    unseen = f"Shown is part {shown.name}; not shown: {', '.join(names)}." if names else ""
    return [said for said in (shown.left_out, unseen) if said]


def unlike(part: Part, known: Mapping[str, Any]) -> list[str]:
    """The settings of a part that differ from those that limits were worked out at: `points 2000 instead of 5000`."""
    return [
        f"{name} {_plain(part.setting[name])} instead of {_plain(value)}"
        for name, value in known.items()
        if _plain(part.setting[name]) != _plain(value)
    ]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def inits_of(rows: pd.DataFrame) -> list[str]:
    """The initializations of some units, the geometric one first."""
    return [name for name in INITS if (rows["init"] == name).any()]


def _own(tables: Tables, part: str) -> Mapping[str, Any]:
    """The fields of the spec that a part changes."""
    return (tables.spec.get("parts") or {}).get(part) or {}


def _setting(tables: Tables, own: Mapping[str, Any], group: str) -> dict[str, Any]:
    default = Spec.model_fields[group].default.model_dump()
    return {**default, **(tables.spec.get(group) or {}), **(own.get(group) or {})}
