"""One small file per table. Each offers `tabulate(tables) -> Table` and runs alone:

    python -m analysis.tables.table1 [DIR]

Tables 1 and 2 need no study: their values were measured on networks at initialization, in the file `measured.json`,
{"table1": {row: values}, "table2": {depth: value}, "settings": {...}}, which is made by measuring networks (not
here); they become frames with rows (what, "measured" | "paper" | "ratio").
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from distnlc.analysis import EXAMPLE
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import MissingRecordsError
from distnlc.analysis.load import Tables, load
from distnlc.store import StoreError

MEASURED = Path(__file__).parent / "measured.json"


class MeasuredError(MissingRecordsError):
    """The file of measured values is missing or not of the form it must have; the message says what to do."""


@dataclass(frozen=True)
class Table:
    """One finished table, ready to show: every frame holds strings, its rows are named by its index."""

    name: str
    """table1"""
    title: str
    caption: str
    sections: list[tuple[str, pd.DataFrame]]
    """heading (empty if there is only one) and frame"""
    remarks: list[str] = field(default_factory=list)
    """plain sentences, such as where it differs from the paper, and a plausible cause"""


def read_measured(path: Path = MEASURED, entries: Sequence[str] = ("table1", "table2")) -> dict[str, Any]:
    """A file of measured values, each of `entries` a mapping. Raises MeasuredError."""
    try:
        measured = json.loads(path.read_text())
    except FileNotFoundError:
        raise MeasuredError(f"{path.name}: no such file, so its values were not measured yet") from None
    except (OSError, ValueError) as error:
        raise MeasuredError(f"{path}: not readable as JSON: {error}") from None
    names = " and ".join(map(repr, entries))
    for entry in entries:
        if not isinstance(measured, dict) or not isinstance(measured.get(entry), dict):
            raise MeasuredError(f"{path}: expected a mapping with the entries {names}, each a mapping")
    return dict(measured)


def beside(
    measured: Mapping[str, Sequence[float] | None],
    stated: Mapping[str, Sequence[float]],
    columns: Sequence[str],
) -> pd.DataFrame:
    """Three rows for each row of `stated`: measured, paper, ratio (measured / paper); nan where not measured.

    Raises MeasuredError if a measured row has another length than `columns`.
    """
    nan = float("nan")
    rows: dict[tuple[str, str], list[float]] = {}
    for name, paper in stated.items():
        given = measured.get(name)
        if given is not None and len(given) != len(columns):
            raise MeasuredError(f"row {name}: expected {len(columns)} values ({', '.join(columns)}), got {len(given)}")
        values = [nan if value is None else float(value) for value in given or [nan] * len(columns)]
        rows[name, "measured"] = values
        rows[name, "paper"] = list(paper)
        rows[name, "ratio"] = [value / stated_value for value, stated_value in zip(values, paper, strict=True)]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["quantity", ""])
    return frame


def written(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with its numbers written for people, in the four digits that the paper gives at most."""
    return frame.map(lambda value: text.number(value, 4))


def settings(measured: Mapping[str, Any]) -> str:
    """How the file's values were measured, for a caption."""
    said = "; ".join(f"{name}: {value}" for name, value in measured.get("settings", {}).items())
    return f" Measured with {said}." if said else ""


def lines(table: Table) -> list[str]:
    """The table for a terminal."""
    said = [table.title]
    for heading, frame in table.sections:
        said += [heading] * bool(heading) + [frame.to_string()]
    return [*said, table.caption, *table.remarks]


def main(tabulate: Callable[[Tables], Table], arguments: list[str] | None = None) -> int:
    """Prints one table. Exit codes: 0 printed, 1 no records or measured values for it, 2 not a study folder."""
    about = (sys.modules[tabulate.__module__].__doc__ or "").strip().partition("\n")[0]
    parser = argparse.ArgumentParser(description=about)
    folder = "a study folder or s3:// address (default: the example study)"
    parser.add_argument("folder", metavar="DIR", nargs="?", default=EXAMPLE, help=folder)
    try:
        print(*lines(tabulate(load(parser.parse_args(arguments).folder))), sep="\n")
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    except MissingRecordsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
