"""The sink that feeds MLflow begins with the first that it has to show, and says at once why there is no mirror."""

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distnlc.progress import NOTHING_YET
from distnlc.sinks import mirror
from distnlc.sinks.mirror import Mirror
from distnlc.spec import StudySpec


class Recorded:
    """Stands for the tracker, which takes seconds to begin."""

    made: list[tuple[Any, ...]]

    def __init__(self, *_: Any, uri: str) -> None:
        self.made.append((uri,))

    def progress(self, **_: Any) -> None:
        pass

    def close(self, wait_s: float) -> None:
        self.made.append(("closed", wait_s))


def mirror_of(folder: Path, monkeypatch: pytest.MonkeyPatch, settled: int = 0) -> Mirror:
    monkeypatch.setattr(Recorded, "made", [], raising=False)
    monkeypatch.setattr(mirror, "Tracker", Recorded)
    monkeypatch.setattr(mirror, "find_spec", find_spec)
    tally: Any = SimpleNamespace(settled=settled, failed=0, total=9, headline=SimpleNamespace(numbers=dict))
    kind: Any = None
    return Mirror(StudySpec(kind="rehearsal"), kind, str(folder), folder, None, tally)


def test_a_study_that_cannot_start_has_no_mirror_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = mirror_of(tmp_path, monkeypatch)
    made.announce()
    made.close()
    assert Recorded.made == []


@pytest.mark.parametrize(("settled", "wait_s"), [(0, 0.0), (1, mirror.HURRY_S)])
def test_an_empty_mirror_is_not_waited_for(
    settled: int, wait_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mirror_of(tmp_path, monkeypatch, settled)
    made.progress(NOTHING_YET)
    made.progress(NOTHING_YET)
    made.close()
    assert Recorded.made == [(f"sqlite:///{tmp_path}/mlflow.db",), ("closed", wait_s)]


def test_why_there_is_no_mirror_is_said_at_once_and_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlflow.db").write_text("letters" * 100, encoding="utf-8")
    none = mirror_of(tmp_path, monkeypatch)
    none.announce()
    none.progress(NOTHING_YET)
    none.report()
    none.close()
    assert Recorded.made == []
    assert capsys.readouterr().out == (
        f"tracking is off: {tmp_path}/mlflow.db: file is not a database. Move it away, and the mirror is made anew\n"
    )
