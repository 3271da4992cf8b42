"""MLflow's tables, which take seconds to make: made once, by the mirror."""

from pathlib import Path

import pytest

from distnlc.tracking import default_uri
from tests.helpers.mirrored import Study
from tests.helpers.servers import LONG_S

ODD = "a study's 100%25 #1? übung;$(x)"
"""a folder's name with what means something to a shell or in an address"""


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a SQLite file, in a folder whose name needs quoting."""
    folder = tmp_path_factory.mktemp("shared") / ODD
    folder.mkdir()
    tracker = Study(folder, default_uri(folder), seed=0).tracker()
    assert tracker.close(LONG_S)
    return tracker.uri


@pytest.fixture
def study(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Study:
    return Study(tmp_path, database, seed=sum(map(ord, request.node.name)))
