"""MLflow's tables, which take seconds to make: made once, by the mirror."""

from pathlib import Path

import pytest

from distnlc.tracking import default_uri
from tests.helpers.mirrored import Study
from tests.helpers.servers import LONG_S


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a SQLite file, in a folder whose name needs quoting."""
    folder = tmp_path_factory.mktemp("shared") / "a study's folder"
    folder.mkdir()
    tracker = Study(folder, default_uri(folder), seed=0).tracker()
    assert tracker.close(LONG_S)
    return tracker.uri


@pytest.fixture
def study(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Study:
    return Study(tmp_path, database, seed=sum(map(ord, request.node.name)))
