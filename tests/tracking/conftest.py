"""MLflow's tables, which take seconds to make: made once, by the mirror."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from distnlc.tracking import default_uri
from tests.helpers.mirrored import Study


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a SQLite file, in a folder whose name needs quoting."""
    folder = tmp_path_factory.mktemp("shared") / "a study's folder"
    folder.mkdir()
    tracker = Study(folder, default_uri(folder), seed=0).tracker()
    assert tracker.close(60)
    return tracker.uri


@pytest.fixture(scope="session")
def new_database(database: str) -> Callable[[Path], str]:
    """Makes a file with the same content; returns its address."""

    def copy(path: Path) -> str:
        with (
            closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as made,
            closing(sqlite3.connect(path)) as new,
        ):
            made.backup(new)
        return f"sqlite:///{path}"

    return copy


@pytest.fixture
def study(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Study:
    return Study(tmp_path, database, seed=sum(map(ord, request.node.name)))
