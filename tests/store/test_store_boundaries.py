"""Whatever happens at whichever moment of a write: nothing is lost, nothing is doubled, and the study can go on."""

import errno
import logging
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from distnlc.store import Store, StoreError, read_statuses
from tests.helpers import store_samples
from tests.helpers.store_samples import BEFORE, BEGUN, FIRST, SPEC, STATES, TABLES, contents, entry, expected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


def killed(tmp_path: Path, *options: str) -> list[tuple[Path, int]]:
    """Folders whose writer was killed at one boundary each, and how many commits had returned."""
    command = [sys.executable, store_samples.__file__, *options, str(tmp_path)]
    subprocess.run(command, check=True, timeout=100)
    folders = sorted((path for path in tmp_path.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    return [(folder, folder.with_name(folder.name + ".returned").read_bytes().count(b".")) for folder in folders]


@pytest.mark.slow
def test_kill_at_every_write_boundary_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # what is checked here needs no slow disk
    folders = killed(tmp_path)
    assert len(folders) > 100
    for folder, returned in folders:
        assert contents(folder) in STATES[returned : returned + 2]
        store_samples.work(folder)
        assert contents(folder) == STATES[2]
        assert not [*folder.rglob("*.aside"), *folder.rglob("*.bad")]
        assert len([*folder.rglob("*.parquet")]) == 2


@pytest.mark.slow
def test_a_study_whose_creation_was_killed_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    folders = killed(tmp_path, "create")
    assert len(folders) > 40
    for folder, returned in folders:
        with Store.create_or_open(folder, SPEC, TABLES):
            assert contents(folder) in BEGUN[returned : returned + 2]
        store_samples.begin(folder)
        assert contents(folder) == STATES[0]


def failing(boundary: int, error: int, lasting: bool) -> Callable[[str], None]:
    """A hook for `at_boundary`: fails at one boundary, or from it on wherever something would be added."""
    passed = 0

    def hook(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed - 1 == boundary or (lasting and passed > boundary and name not in {"unlink", "ftruncate"}):
            raise OSError(error, os.strerror(error))

    return hook


def refused(task: Callable[[], None]) -> str | None:
    """The StoreError's message, None if all went well."""
    try:
        task()
    except StoreError as refusal:
        return str(refusal)
    return None


@pytest.mark.parametrize(("error", "lasting"), [(errno.EIO, False), (errno.ENOSPC, True)])
@pytest.mark.slow
def test_a_failing_disk_changes_nothing_and_the_commit_can_be_repeated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: int, lasting: bool
) -> None:
    for boundary in range(100):
        here = folder / str(boundary)
        with Store.create_or_open(here, SPEC, TABLES) as store:
            store.commit(BEFORE)
            with monkeypatch.context() as patch:
                store_samples.at_boundary(failing(boundary, error, lasting), patch.setattr)
                refusal = refused(lambda: store.commit(FIRST))
            if refusal is None:
                break
            assert f"cannot commit 2 units: {os.strerror(error)}" in refusal
            assert contents(here) == STATES[0]
            if lasting:
                assert not list(here.rglob("*.aside"))
            store.commit(FIRST)
            assert contents(here) == STATES[1]
    assert boundary > 15


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [False, True])
def test_a_disk_that_is_full_at_any_moment_of_merging_and_compacting(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    store_samples.merge_soon(monkeypatch.setattr)
    for boundary in range(int(lasting), 1000, 2):
        here, returned = folder / str(boundary), []
        store_samples.begin(here)
        with monkeypatch.context() as patch:
            store_samples.at_boundary(failing(boundary, errno.ENOSPC, lasting), patch.setattr)
            refusal = refused(lambda: store_samples.work(here, lambda: returned.append(1)))  # noqa: B023
        assert refusal is None or "No space left on device" in refusal
        assert contents(here) in STATES[len(returned) : len(returned) + 2]
        store_samples.work(here)
        assert contents(here) == STATES[2]
        assert len(list((here / "units").iterdir())) == 2
        if refusal is None and boundary > 100:
            return
    raise AssertionError("it never came to its end")


def test_a_file_size_limit_stops_cleanly_wherever_it_is_met(folder: Path) -> None:
    """A real refusal by the system, in the middle of a Parquet file or of the manifest's line."""
    many = [entry(unit) for unit in "efghijklmnopqrstuvwxyz"]
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        for unit in many:
            store.commit([unit])
        length = (folder / "manifest").stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in (100, length + 20):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                with pytest.raises(StoreError, match="cannot commit 2 units: File too large"):
                    store.commit(BEFORE)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert (folder / "manifest").stat().st_size == length
            assert contents(folder) == expected(*many)
        store.commit(BEFORE)
    assert contents(folder) == expected(*many, *BEFORE)


def test_who_may_not_write_a_folder_is_told_so_and_may_read_it() -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "study"
        store_samples.begin(folder)
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        for path in (folder, *folder.rglob("*"), Path(parent)):
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, store_samples.__file__, "denied", str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        for path in (Path(parent), folder, *folder.rglob("*")):
            path.chmod(0o755)
        assert done.stdout.splitlines() == [
            f"{path}: cannot be used as a study folder: Permission denied. What was committed before is safe"
            for path in (folder, folder / "new")
        ] + ["True"]
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_a_torn_manifest_line_is_cut_and_the_lines_before_it_stand(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store_samples.begin(folder)
    manifest = folder / "manifest"
    whole = manifest.read_bytes()
    tail = whole.splitlines(keepends=True)[-1]
    for torn in [*(tail[:-cut] for cut in range(1, len(tail) + 1)), b"\0" * 4096, tail[:20] + b"\0" * 100]:
        manifest.write_bytes(whole.removesuffix(tail) + torn)
        assert contents(folder) == expected(BEFORE[0])
        Store.create_or_open(folder, SPEC, TABLES).close()
        assert manifest.read_bytes() == whole.removesuffix(tail)
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit(BEFORE[1:])
    assert contents(folder) == STATES[0]
    assert manifest.read_bytes() == whole
    assert not caplog.text
    assert not list(folder.glob("*.bad"))


@pytest.mark.parametrize("garbage", [b"garbage\n", b"garbage\nmore\n", b"00000000 {}\n\0\0\0", b"\xff\xfe\n"])
def test_damage_at_the_end_of_the_manifest_is_set_aside(
    folder: Path, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    store_samples.begin(folder)
    manifest = folder / "manifest"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole + garbage)
    assert contents(folder) == STATES[0]
    with caplog.at_level(logging.WARNING), Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit(FIRST)
    assert "set aside as manifest.bad" in caplog.text
    assert (folder / "manifest.bad").read_bytes() == garbage
    assert contents(folder) == STATES[1]


def test_a_damaged_line_amid_good_ones_is_refused_and_nothing_is_touched(folder: Path) -> None:
    store_samples.begin(folder)
    manifest = folder / "manifest"
    damaged = manifest.read_bytes().replace(b'"a":"ok"', b'"x":"ok"')
    manifest.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"manifest: line 2 is damaged.*delete that line"):
        read_statuses(folder)
    with pytest.raises(StoreError, match="line 2 is damaged"):
        Store.create_or_open(folder, SPEC, TABLES)
    assert manifest.read_bytes() == damaged
    manifest.write_bytes(b"".join(line for i, line in enumerate(damaged.splitlines(keepends=True)) if i != 1))
    assert contents(folder) == expected(BEFORE[1])
