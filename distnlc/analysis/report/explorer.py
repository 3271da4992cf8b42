"""The report's explorer: the rows of a study's first table as points, with what a click shows of one of them.

In: the tables of a study and the `Points` of its kind. Out: the choices of the page's controls, and the data that
templates/explorer.js draws: columns with one value per point, and for each its marks (such as the runs of an
architecture's sweep) and lines (such as the epochs of its chosen run). So that a page stays small, numbers have DIGITS
digits, only chosen marks have lines, and large studies show their first MOST_POINTS points and the marks and lines of
as many as fit into MOST_BYTES; then the page says so.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from distnlc.analysis.report.model import Details, Points
from distnlc.analysis.tables import Tables, row_types_of
from distnlc.records import Quantity, quantities

DIGITS = 4
MOST_POINTS = 10_000
MOST_BYTES = 4_000_000

SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up"}
NO_NUMBERS = {"text", "yes/no"}
"""units of what cannot be an axis"""
PART = "(part)"
"""the column of a point's part, as its place in the list of parts; no column of a study is called so"""


@dataclass(frozen=True)
class Explorer:
    """The choices of the page's controls, and the data that the script draws."""

    axes: dict[str, dict[str, str]]
    """group -> column -> label, of the numbers that some point has"""
    pairs: list[tuple[str, str, str]]
    """figure, x, y: those of the kind's pairs that are axes"""
    filters: list[tuple[str, str, list[str]]]
    """column, label, the values that occur"""
    remarks: list[str]
    """what the page had to leave out"""
    data: dict[str, Any]
    """plain, without nan, parts named by their place in its list of titles; its strings are as they stand in the
    records, markup included"""


def explorer(tables: Tables, points: Points) -> Explorer | None:
    """The explorer of a study, or None if it has no points."""
    parts = points.parts(tables)
    every = [part.rows.assign(**{PART: number}) for number, part in enumerate(parts)]
    rows = pd.concat(every, ignore_index=True) if every else pd.DataFrame()
    if rows.empty:
        return None
    # Every part keeps its share where not all fit; the draws are independent, so the first are a fair sample.
    rows = rows.sort_values(["index", PART], ignore_index=True)
    shown = rows.head(MOST_POINTS)
    facts = _facts(shown, points, points.measured(tables))
    axes = {
        name: one
        for name, one in facts.items()
        if name not in points.named_by and one.unit not in NO_NUMBERS and shown[name].notna().any()
    }
    labels = {name: facts[name].label if name in facts else name for name in (*facts, *points.filters)}
    judged_by = [part.judged_by for part in parts]
    details = _within(MOST_BYTES, _details(shown, tables, judged_by, points.details)) if points.details else []
    return Explorer(
        axes={group: {name: one.label for name, one in axes.items() if one.group == group} for group in points.shown},
        pairs=[pair for pair in points.pairs if set(pair[1:]) <= axes.keys()],
        filters=[(name, labels[name], sorted(shown[name].astype(str).unique())) for name in points.filters],
        remarks=_left_out(points, len(rows), len(shown), len(details)),
        data={
            "noun": points.noun,
            "parts": [part.title for part in parts],
            "groups": [{"label": g.label, "colour": g.colour, "symbol": SYMBOLS[g.marker]} for g in points.groups],
            "axes": {name: _axis(one) for name, one in axes.items()},
            "facts": {name: one.label for name, one in facts.items()},
            "described": {name: labels[name] for name in points.described_by},
            "filters": list(points.filters),
            "columns": {name: _plain(shown[name]) for name in dict.fromkeys(["index", *facts, *points.filters])},
            "part": shown[PART].tolist(),
            "group": _plain(pd.Series(points.group_of(shown))),
            "words": _words(tables, judged_by, points.details) if points.details else None,
            "details": details,
        },
    )


def _facts(shown: pd.DataFrame, points: Points, measured: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """The facts shown of a point: the columns that name it, then those of the groups that are shown."""
    known = {**measured, **quantities(points.row)}
    wanted = [name for name, one in known.items() if one.group in points.shown and name not in points.hidden]
    return {name: known[name] for name in (*points.named_by, *wanted) if name in shown}


def _axis(one: Quantity) -> dict[str, Any]:
    return {"label": one.label, "log": one.log}


def _words(tables: Tables, judged_by: Sequence[str], details: Details) -> dict[str, Any]:
    """How marks and lines are called and scaled; what they are judged by, part by part."""
    row_types = row_types_of(tables.kind)
    marks, lines = quantities(row_types[details.marks]), quantities(row_types[details.lines])
    return {
        "noun": details.noun,
        "chosen": details.chosen,
        "across": _axis(marks[details.across]),
        "over": _axis(lines[details.over]),
        "judged": [_axis(marks[column]) for column in judged_by],
        "above": _axis(lines[details.above]),
        "below": _axis(lines[details.below]),
    }


def _details(
    shown: pd.DataFrame, tables: Tables, judged_by: Sequence[str], details: Details
) -> Iterable[dict[str, Any]]:
    """Each point's marks, and the lines of the chosen one, in order; empty where it has none."""
    key, over, below = details.key, details.over, details.below
    chosen = shown[["unit_id", details.chosen]].dropna().rename(columns={details.chosen: key})
    rows = tables[details.lines].merge(chosen, on=["unit_id", key]).sort_values(["unit_id", over], ignore_index=True)
    judged = list(dict.fromkeys(judged_by))
    lines_of = _by_unit(rows, [over, details.above, below, *judged])
    marks_of = _by_unit(tables[details.marks], [key, details.across, "status", *judged])
    for unit_id, part in zip(shown["unit_id"], shown[PART], strict=True):
        marks, lines = marks_of(unit_id), lines_of(unit_id)
        steps = list(zip(lines[over], lines[below], strict=True))
        changes = [now for now, before in zip(steps, [(0, None), *steps], strict=False) if now[1] != before[1]]
        yield {
            "key": marks[key],
            "across": marks[details.across],
            "judged": marks[judged_by[part]],
            "status": marks["status"],
            "above": lines[details.above],
            "middle": lines[judged_by[part]],
            "below": {"over": [place for place, _ in changes], "value": [value for _, value in changes]},
            "count": len(steps),
        }


def _by_unit(rows: pd.DataFrame, columns: list[str]) -> Callable[[str], dict[str, list[Any]]]:
    """unit_id -> its values of each column; rows are sorted by unit. Plain lists: a frame per unit takes long."""
    plain = {name: _plain(rows[name]) for name in columns}
    places = {unit: (at[0], at[-1] + 1) for unit, at in rows.groupby("unit_id").indices.items()}
    return lambda unit: {name: values[slice(*places.get(unit, (0, 0)))] for name, values in plain.items()}


def _within(most: int, details: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first details, as many as are `most` bytes of JSON together."""
    kept, size = [], 0
    for detail in details:
        size += len(json.dumps(detail, separators=(",", ":")))
        if size > most:
            break
        kept.append(detail)
    return kept


def _plain(values: "pd.Series[Any]") -> list[Any]:
    """A column as JSON has it: numbers rounded to DIGITS digits, None for what is not finite or not there."""
    return [_plain_value(value) for value in values.astype(object).tolist()]


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return None if pd.isna(value) else value


def _left_out(points: Points, rows: int, shown: int, detailed: int) -> list[str]:
    said = []
    if shown < rows:
        said.append(f"To keep the page small, the explorer holds the first {shown:,} of {rows:,} {points.noun}s.")
    if points.details and detailed < shown:
        said.append(
            f"To keep the page small, it holds the {points.details.noun}s and curves of the first {detailed:,} "
            f"{points.noun}s."
        )
    return said
