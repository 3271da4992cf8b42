"""A finished table (`Table`): frames of strings, and the remarks below them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from distnlc.analysis.drawing import format as text


@dataclass(frozen=True)
class Table:
    """One finished table, ready to show: every frame holds strings, its rows are named by its index."""

    caption: str
    sections: list[tuple[str, pd.DataFrame]]
    """heading (empty if there is only one) and frame"""
    remarks: list[str] = field(default_factory=list)
    """plain sentences, such as where it differs from the paper, and a plausible cause"""
    part_remarks: dict[str, list[str]] = field(default_factory=dict)
    """part's title -> sentences about that part alone, which stand with its answers too"""
    overview: list[str] = field(default_factory=list)
    """sentences about all parts together, which stand at the head of the report too"""

    @property
    def all_remarks(self) -> list[str]:
        """Those on all parts together, those on each part after its title, then the others."""
        of_parts = [f"{title}: {remark}" for title, remarks in self.part_remarks.items() for remark in remarks]
        return [*self.overview, *of_parts, *self.remarks]


def beside(
    measured: Mapping[str, Sequence[float | None] | None], stated: Mapping[str, Sequence[float]], columns: Sequence[str]
) -> pd.DataFrame:
    """Three rows for each row of `stated`: measured, paper, ratio (measured / paper); nan where not measured."""
    nan = float("nan")
    rows: dict[tuple[str, str], list[float]] = {}
    for name, paper in stated.items():
        values = [nan if value is None else value for value in measured.get(name) or [None] * len(columns)]
        rows[name, "measured"] = values
        rows[name, "paper"] = list(paper)
        rows[name, "ratio"] = [value / stated_value for value, stated_value in zip(values, paper, strict=True)]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["quantity", ""])
    return frame


def written(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with its numbers written for people, in the four digits that the paper gives at most."""
    return frame.map(lambda value: text.number(value, 4))


def lines(table: Table) -> list[str]:
    """The table for a terminal."""
    said = []
    for heading, frame in table.sections:
        said += [heading] * bool(heading) + [frame.to_string()]
    return [*said, table.caption, *table.all_remarks]
