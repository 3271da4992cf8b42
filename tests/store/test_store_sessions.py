"""The list of sessions: who worked on a study and with what, whatever became of the file."""

from pathlib import Path

import pytest

from distnlc.store import add_session, place_of, read_sessions
from tests.helpers.store_samples import begin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    begin(tmp_path / "study")
    return tmp_path / "study"


def test_a_session_is_added_at_its_beginning_and_completed_at_its_end(folder: Path) -> None:
    assert read_sessions(folder) == []
    first, second = {"started": "2030-01-01T00:00"}, {"started": "2030-01-02T00:00", "cores": 2}
    for session in (first, second, second | {"seconds": 1.5}):
        add_session(place_of(folder), session)
    assert read_sessions(folder) == [first, second | {"seconds": 1.5}]


def test_lines_that_are_no_session_are_passed_over(folder: Path) -> None:
    good = b'{"started": "2030-01-01T00:00"}\n'
    (folder / "sessions").write_bytes(good + b'[1]\n{"started": 3}\n\xff\n' + b"[" * 100_000 + b'\n{"started": "20')
    assert read_sessions(folder) == [{"started": "2030-01-01T00:00"}]
