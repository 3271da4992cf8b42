"""Who writes a study now, asked by others: the lock tells, not what a writer has left behind."""

import fcntl
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from distnlc.store import Store, StoreError, folder, place_of
from distnlc.store.bucket_writer import STALE_S, Claim, Listing, ObjectStore
from tests.helpers.store_samples import SPEC, TABLES


def test_the_writer_is_known_while_it_has_the_lock(tmp_path: Path) -> None:
    place = place_of(tmp_path / "study")
    assert place.writer() is None
    with Store.create_or_open(tmp_path / "study", SPEC, TABLES):
        assert place.writer() == f"process {os.getpid()} on {os.uname().nodename}"
    assert "process" in (tmp_path / "study" / "lock").read_text(encoding="utf-8"), "left, as by one who was killed"
    assert place.writer() is None


def test_a_writer_is_not_refused_because_somebody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking takes the lock for a moment."""
    Store.create_or_open(tmp_path, SPEC, TABLES).close()
    asking = (tmp_path / "lock").open("rb")
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr(folder.time, "sleep", lambda _: asking.close())
    Store.create_or_open(tmp_path, SPEC, TABLES).close()
    assert asking.closed


def test_a_second_writer_is_refused_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder.time, "sleep", lambda _: None)
    with Store.create_or_open(tmp_path, SPEC, TABLES), pytest.raises(StoreError, match="another writer is at work"):
        Store.create_or_open(tmp_path, SPEC, TABLES)


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_lock_is_nobody_s(kind: str, tmp_path: Path) -> None:
    """A study may come from anybody."""
    lock = tmp_path / "lock"
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "link":
        lock.symlink_to("/dev/zero")
    else:
        lock.mkdir()
    assert place_of(tmp_path).writer() is None


@pytest.mark.parametrize(("age_s", "lives"), [(10.0, True), (STALE_S + 1, False)])
def test_in_a_bucket_a_claim_that_is_renewed_tells_who_it_is(
    age_s: float, lives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim(3, "manifest/00000003.ab.writer", datetime.now(UTC) - timedelta(seconds=age_s))
    monkeypatch.setattr(ObjectStore, "_listing", lambda _: Listing([], [claim]))
    monkeypatch.setattr(ObjectStore, "_owner", lambda *_: "process 1 on elsewhere")
    monkeypatch.setattr(ObjectStore, "__init__", lambda *_: None)
    assert ObjectStore("").writer() == ("process 1 on elsewhere" if lives else None)
