"""The paper's tables 1 and 2: values measured on networks at initialization, beside the stated ones.

In: the file `measured.json`, {"table1": {row: values}, "table2": {depth: value}, "settings": {...}}, which is
made by measuring networks (not here). Out: pandas frames with rows (what, "measured" | "paper" | "ratio").
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import text

MEASURED = Path(__file__).parent / "measured.json"


class MeasuredError(ValueError):
    """The file of measured values is missing or not of the form it must have; the message says what to do."""


def read_measured(path: Path = MEASURED) -> dict[str, Any]:
    """The measured values of both tables. Raises MeasuredError."""
    try:
        measured = json.loads(path.read_text())
    except FileNotFoundError:
        raise MeasuredError(f"{path.name}: no such file, so tables 1 and 2 were not measured yet") from None
    except (OSError, ValueError) as error:
        raise MeasuredError(f"{path}: not readable as JSON: {error}") from None
    for table in ("table1", "table2"):
        if not isinstance(measured, dict) or not isinstance(measured.get(table), dict):
            raise MeasuredError(f"{path}: expected a mapping with the entries 'table1' and 'table2', each a mapping")
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


def main(table: Callable[[Mapping[str, Any]], pd.DataFrame]) -> int:
    """Prints one table from the shipped file. Exit codes: 0 printed, 1 not measured."""
    try:
        measured = read_measured()
        print(written(table(measured)).to_string())
    except MeasuredError as error:
        print(error, file=sys.stderr)
        return 1
    print(*(f"{name}: {value}" for name, value in measured.get("settings", {}).items()), sep="\n")
    return 0
