"""The shipped files of measured values."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distnlc.analysis.drawing.missing import MissingRecordsError

MEASURED = Path(__file__).parent / "measured.json"


class MeasuredError(MissingRecordsError):
    """The file of measured values is missing or not of the form it must have; the message says what to do."""


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


def settings(measured: Mapping[str, Any]) -> str:
    """How the file's values were measured, for a caption."""
    said = "; ".join(f"{name}: {value}" for name, value in measured.get("settings", {}).items())
    return f" Measured with {said}." if said else ""
