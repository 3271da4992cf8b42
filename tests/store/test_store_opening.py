"""Opening a folder: one writer, the same study and format; refusals say what to do; damage is set aside."""

import errno
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from distnlc.spec import StudySpec
from distnlc.store import Store, StoreError, read_spec_fields, read_statuses, read_table, read_tables
from distnlc.store.address import place_of
from distnlc.store.manifest import FORMAT_VERSION
from distnlc.store.reading import read_manifest
from tests.helpers import store_samples
from tests.helpers.store_samples import (
    BEFORE,
    SPEC,
    STATES,
    TABLES,
    SmallSpec,
    StepRow,
    UnitRow,
    contents,
    entry,
    expected,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


def refuse(folder: Path, *parts: str, spec: StudySpec = SPEC, tables: dict[str, type] = TABLES) -> None:
    with pytest.raises(StoreError) as refusal:
        Store.create_or_open(folder, spec, tables)
    for part in parts:
        assert part in str(refusal.value)


def test_a_new_folder_holds_the_resolved_spec_and_no_units(folder: Path) -> None:
    with Store.create_or_open(folder / "deep", SPEC, TABLES) as store:
        assert store.statuses() == {}
    assert SmallSpec.parse(read_spec_fields(folder / "deep")) == SPEC
    assert contents(folder / "deep") == {}


def test_a_second_writer_is_refused_and_told_who_is_first(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        refuse(folder, f"process {os.getpid()} on {socket.gethostname()}", "Wait")
        store.commit(BEFORE)
        assert contents(folder) == STATES[0]
    Store.create_or_open(folder, SPEC, TABLES).close()


def test_a_refused_opening_gives_up_the_lock(folder: Path) -> None:
    store_samples.begin(folder)
    refuse(folder, "another study", spec=SmallSpec(seed=1))
    Store.create_or_open(folder, SPEC, TABLES).close()


def test_another_study_is_refused_with_the_differences(folder: Path) -> None:
    store_samples.begin(folder)
    refuse(
        folder,
        "holds another study",
        "\n  seed: (default) -> 7\n  size: (default) -> 9\n",
        "another --out",
        spec=SmallSpec(size=9, seed=7),
    )
    refuse(folder, "kind: 'small' -> 'other'", spec=StudySpec(kind="other"))
    assert contents(folder) == STATES[0]


def test_fields_that_only_say_how_may_differ(folder: Path) -> None:
    store_samples.begin(folder)
    with Store.create_or_open(folder, SmallSpec(name="renamed"), TABLES) as store:
        assert len(store.statuses()) == 2


def test_a_study_file_edited_afterwards_is_noticed(folder: Path) -> None:
    store_samples.begin(folder)
    study = folder / "study.yaml"
    study.write_text(study.read_text().replace("size: 3", "size: 4"))
    refuse(folder, "study.yaml was changed after the study began", spec=SmallSpec(size=4))
    study.write_text("size: [")
    refuse(folder, "study.yaml: not readable as YAML")
    study.write_text("kind: small\nunknown: 1\n")
    refuse(folder, "unknown field 'unknown'", "another --out")


def test_folders_that_are_no_studies_are_refused_untouched(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    refuse(folder, "not empty and not a study folder (it holds 'thesis.tex')", "another --out")
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    refuse(folder / "thesis.tex", "cannot be used as a study folder: Not a directory")
    refuse(folder / "thesis.tex" / "out", "cannot be used as a study folder: Not a directory")
    for read in (read_statuses, read_spec_fields, lambda folder: read_table(folder, "units")):
        with pytest.raises(StoreError, match=str(folder)):
            read(folder)


def test_a_file_system_without_locks_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", none)
    refuse(folder, "no file locks (No locks available)", "another file system, or an s3:// address")


def rewrite_version(folder: Path, version: int) -> None:
    (folder / "manifest").write_bytes(replace(read_manifest(place_of(folder)), format_version=version).text())


def test_other_file_formats(folder: Path) -> None:
    store_samples.begin(folder)
    rewrite_version(folder, FORMAT_VERSION - 1)
    assert contents(folder) == STATES[0]  # an older one can be read
    refuse(folder, f"file format {FORMAT_VERSION - 1}", "not continued", "another --out")
    rewrite_version(folder, FORMAT_VERSION + 1)
    for use in (read_statuses, lambda folder: Store.create_or_open(folder, SPEC, TABLES)):
        with pytest.raises(StoreError, match=f"file format {FORMAT_VERSION + 1}, but .* up to"):
            use(folder)


@dataclass(frozen=True, kw_only=True)
class WiderRow(UnitRow):
    more: int = 0


def test_a_study_goes_on_with_the_columns_and_tables_that_it_began_with(folder: Path) -> None:
    store_samples.begin(folder)
    younger = {"units": WiderRow, "steps": StepRow, "extras": StepRow}
    with Store.create_or_open(folder, SPEC, younger) as store:
        row = WiderRow(unit_id="c", part="p", index=0, good=True, value=1.0, more=3)
        store.commit([("c", "ok", {"units": [row], "extras": [StepRow(unit_id="c", step=0, loss=1.0)]})])
        store.compact()
    assert set(read_tables(folder)) == set(TABLES)
    assert read_table(folder, "units").schema.names == list(UnitRow.__dataclass_fields__)
    assert read_statuses(folder)["c"] == "ok"


def test_a_study_with_columns_that_this_distnlc_lacks_is_not_continued(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, {**TABLES, "units": WiderRow}):
        pass
    refuse(folder, "the columns of units are not among this distnlc's")


def test_rows_without_a_manifest_are_not_taken_for_an_empty_study(folder: Path) -> None:
    store_samples.begin(folder)
    (folder / "manifest").unlink()
    refuse(folder, "rows but no manifest", "Restore it")
    assert list(folder.glob("units/*.parquet"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(("damage", "found"), [(truncate, "bytes, found"), (flip, "CRC"), (Path.unlink, "is missing")])
def test_a_damaged_file_is_named_to_readers_and_set_aside_by_the_writer(
    folder: Path, damage: Callable[[Path], None], found: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit([entry("a"), entry("b", status="failed")])
        store.commit([entry("b", version=2.0), entry("c")])
        store.commit([entry("d")])
    bad = folder / "steps" / "00000002.parquet"
    damage(bad)
    with pytest.raises(StoreError, match=rf"{bad}: .*{found}.*set aside .*repeated"):
        read_table(folder, "steps")
    assert read_table(folder, "units").num_rows == 4
    with (
        caplog.at_level(logging.WARNING),
        Store.create_or_open(folder, SPEC, TABLES) as store,
    ):
        assert str(bad) in caplog.text
        assert "2 units will run again" in caplog.text
        assert store.statuses() == {"a": "ok", "d": "ok"}  # b's older rows do not come back
        assert contents(folder) == expected(entry("a"), entry("d"))
        store.compact()
        store.commit([entry("b", version=3.0)])
    caplog.clear()
    with Store.create_or_open(folder, SPEC, TABLES):
        assert contents(folder) == expected(entry("a"), entry("d"), entry("b", version=3.0))
    assert not caplog.text
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*.bad")}
    assert kept == {f"{table}/00000002.parquet.bad" for table in TABLES} - (
        {"steps/00000002.parquet.bad"} if damage is Path.unlink else set()
    )


def test_damage_to_superseded_rows_hurts_nobody(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit([entry("a")])
        store.commit([entry("a", version=2.0)])
    (folder / "units" / "00000001.parquet").unlink()
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.compact()
    assert contents(folder) == expected(entry("a", version=2.0))
    assert not caplog.text
