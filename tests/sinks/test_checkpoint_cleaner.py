"""Checkpoints of units stay until the unit's rows are committed, and no longer."""

from pathlib import Path

import pytest

from distnlc.engine.driver import run_units
from distnlc.engine.executor import SerialExecutor
from distnlc.records import Records
from distnlc.sinks.checkpoint_cleaner import CheckpointCleaner
from distnlc.spec import Unit
from tests.helpers.toys import KIND, SPEC, MemoryStore, row, units


def left(study: Path) -> set[str]:
    return {path.name for path in (study / "checkpoints").glob("*")}


def leave(study: Path, unit_id: str) -> None:
    """A checkpoint, as a worker leaves it."""
    folder = study / "checkpoints" / unit_id
    folder.mkdir(parents=True)
    (folder / "00000001.npz").write_bytes(b"state")


def test_a_units_checkpoints_go_once_its_rows_are_committed(tmp_path: Path) -> None:
    class Watching(MemoryStore):
        def commit(self, entries: object) -> None:
            seen.append(left(tmp_path))
            super().commit(entries)  # type: ignore[arg-type]

    def work(unit: Unit, device: str) -> Records:  # noqa: ARG001
        if unit.index != 1:  # a short one leaves none
            leave(tmp_path, unit.unit_id)
        if unit.index == 2:
            raise ValueError("given up")
        return row(unit, 0.0)

    seen: list[set[str]] = []
    store = Watching()
    cleaner = CheckpointCleaner(tmp_path, finished=())
    todo = units([3, 2, 1])
    executor = SerialExecutor(work)
    run_units(todo, executor=executor, store=store, kind=KIND, spec=SPEC, sinks=[cleaner], retries=0)
    assert seen == [{"u0"}, set(), {"u2"}]
    assert set(store.failed()) == {"u2"}
    assert left(tmp_path) == set()


def test_they_stay_if_the_commit_fails(tmp_path: Path) -> None:
    class FullDisk(MemoryStore):
        def commit(self, *_: object) -> None:
            raise OSError("disk full")

    leave(tmp_path, "u0")
    executor = SerialExecutor(lambda unit, _: row(unit, 0.0))
    sinks = [CheckpointCleaner(tmp_path, finished=())]
    with pytest.raises(OSError, match="disk full"):
        run_units(units([1]), executor=executor, store=FullDisk(), kind=KIND, spec=SPEC, sinks=sinks)
    assert left(tmp_path) == {"u0"}


def test_opening_a_study_clears_those_of_finished_units_and_keeps_the_others(tmp_path: Path) -> None:
    for unit_id in ("u0", "u1", "u2"):
        leave(tmp_path, unit_id)
    CheckpointCleaner(tmp_path, finished={"u1": "ok", "u2": "failed", "u3": "ok"})
    assert left(tmp_path) == {"u0"}


def test_a_study_of_short_units_gets_no_folder_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    cleaner = CheckpointCleaner(Path("study"), finished={"u0": "ok"})
    cleaner.committed(units([1])[0], {})
    assert list((tmp_path / "study").iterdir()) == []
    assert cleaner.folder == tmp_path / "study" / "checkpoints", "workers stand elsewhere: the path is absolute"
