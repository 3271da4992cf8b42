"""What the tests of the command line share: the tiny study, the command, and rows to compare."""

import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from distnlc.cli import main
from distnlc.store import read_tables

TINY = """
kind: nlc
sampling: {count: 3, parameters: 300, depth_max: 7}
search: {method: refine, rates: 8, coarse: 3, wave: 1, waves: 1, edge: 1}
training: {first_patience: 2, patience: 1, divisions: 2, batch_size: 50}
data: {train: 200, validation: 100, test: 100}
metrics: {nlc_batches: 2, walk_batches: 0}
"""


@dataclass(frozen=True)
class Answer:
    """How the command ended and what it said."""

    code: int
    out: str
    err: str


def distnlc(*words: object) -> Answer:
    """Types `distnlc WORDS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["distnlc", *map(str, words)])
        with pytest.raises(SystemExit) as ending:
            main()
    code = ending.value.code
    assert isinstance(code, int | None)
    return Answer(code or 0, out.getvalue(), err.getvalue())


def no_mlflow(name: str) -> None:
    """In place of the search for an installed package: MLflow takes seconds to start."""
    assert name == "mlflow"


def rows(folder: Path) -> dict[str, pd.DataFrame]:
    """All rows of a study but for the seconds that they took, in the order of the store."""
    return {name: without_seconds(table.to_pandas()) for name, table in read_tables(folder).items()}


def without_seconds(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=[name for name in rows if name.endswith("seconds")])


def assert_same_rows(found: Mapping[str, pd.DataFrame], expected: Mapping[str, pd.DataFrame]) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        pd.testing.assert_frame_equal(found[name], expected[name], check_exact=True, obj=name)


def content(folder: Path) -> dict[Path, bytes]:
    """Every file of a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
