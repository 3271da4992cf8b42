"""Compaction changes what the files are, never what they say."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from distnlc.store import Store, compaction, place_of, read_table, reading, writing
from tests.helpers.store_samples import SPEC, TABLES, Contents, contents, entry, expected

UNITS = [entry(unit, version=float(i), steps=i) for i, unit in enumerate("abcde")]
ALL = expected(*UNITS)


def files(folder: Path) -> dict[str, list[bytes]]:
    """The files in the manifest's order; no others must be there."""
    chunks = reading.read_manifest(place_of(folder)).trimmed().chunks
    paths = {table: [folder / chunk.name(table) for chunk in chunks if table in chunk.files] for table in TABLES}
    for table in TABLES:
        assert set((folder / table).glob("*.parquet")) == set(paths[table])
    return {table: [path.read_bytes() for path in paths[table]] for table in TABLES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


@pytest.fixture(autouse=True)
def two_units_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "COMPACTED_UNITS", 2)


@pytest.mark.parametrize("pass_bytes", [1.0, 250.0, 1e9])
@pytest.mark.slow
def test_the_compacted_files_know_no_order_of_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pass_bytes: float
) -> None:
    monkeypatch.setattr(compaction, "PASS_BYTES", pass_bytes)
    monkeypatch.setattr(compaction, "FILES_AT_ONCE", 2)
    compacted = []
    for number, order in enumerate(itertools.islice(itertools.permutations(UNITS), 0, None, 17)):
        folder = tmp_path / str(number)
        with Store.create_or_open(folder, SPEC, TABLES) as store:
            for start in range(0, len(order), 1 + number % 3):
                store.commit(order[start : start + 1 + number % 3])
            store.compact()
        assert contents(folder) == ALL
        compacted.append(files(folder))
    assert len(compacted[0]["units"]) == 3
    assert all(other == compacted[0] for other in compacted)
    order = read_table(tmp_path / "0", "units")["unit_id"].to_pylist()
    assert order == ["e", "d", "c", "b", "a"]  # by index


def test_superseded_rows_and_orphans_go(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit([entry("a", version=9.0), entry("b", version=8.0)])
        store.commit(UNITS)
        (folder / "steps" / "00000099.parquet").write_bytes(b"orphan of a crash")
        (folder / "steps" / "00000099.parquet.aside").write_bytes(b"the same")
        (folder / "steps" / "00000098.parquet.bad").write_bytes(b"kept for the user")
        store.compact()
    assert contents(folder) == ALL
    rows = sum(chunk.files["units"].rows for chunk in reading.read_manifest(place_of(folder)).chunks)
    assert rows == len(UNITS)
    assert len(files(folder)["units"]) == 3
    assert {path.name for path in (folder / "steps").glob("0000009*")} == {"00000098.parquet.bad"}


def test_compacting_again_touches_nothing(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit(UNITS)
        store.compact()
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
        store.compact()
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_small_chunks_are_merged_when_they_are_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "COMPACTED_UNITS", 3)
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        for number, unit in enumerate(UNITS):
            store.commit([entry("e", version=7.0), unit])  # superseded again and again
            assert contents(folder) == expected(entry("e", version=7.0), *UNITS[: number + 1])
            assert len(files(folder)["units"]) <= 3
        monkeypatch.setattr(writing, "MERGE_BYTES", 1)
        before = len(files(folder)["units"])
        store.commit([entry("a", version=9.0)])  # with the last commit, although they are of two units only
        assert len(files(folder)["units"]) == before
    assert contents(folder) == ALL | expected(entry("a", version=9.0))


def test_large_chunks_of_few_units_are_left_as_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merged at every opening they would take memory and time without end."""
    monkeypatch.setattr(writing, "MERGE_ABOVE", 1)
    monkeypatch.setattr(writing, "MERGE_BYTES", 1)
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        for unit in UNITS:
            store.commit([unit])
    before = files(folder)
    assert len(before["units"]) == len(UNITS)
    Store.create_or_open(folder, SPEC, TABLES).close()
    assert files(folder) == before


def test_small_chunks_of_stopped_writers_are_merged_by_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for unit in UNITS:
        with Store.create_or_open(folder, SPEC, TABLES) as store:
            store.commit([unit])
    assert len(files(folder)["units"]) == 5
    monkeypatch.setattr(writing, "MERGE_ABOVE", 4)
    Store.create_or_open(folder, SPEC, TABLES).close()
    assert len(files(folder)["units"]) == 3
    assert contents(folder) == ALL


def test_merged_lines_leave_the_manifest_once_they_are_most_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "TRIM_ABOVE", 6)
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        for number in range(40):
            store.commit([entry("abcdefgh"[number % 8], version=float(number))])
            assert (folder / "manifest").read_bytes().count(b"\n") < 20
        assert contents(folder) == expected(*(entry("abcdefgh"[n % 8], version=float(n)) for n in range(32, 40)))


def test_a_reader_overtaken_by_compaction_reads_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Contents] = []
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        for unit in UNITS:
            store.commit([unit])
        read_rows = reading.read_rows

        def overtaken(*arguments: Any) -> Any:  # between the reader's look at the manifest and at the files
            monkeypatch.undo()
            store.compact()
            return read_rows(*arguments)

        monkeypatch.setattr(reading, "read_rows", overtaken)
        seen.append(contents(folder))
    assert seen == [ALL]
