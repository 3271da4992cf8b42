"""Of two writers of one study in an object store at most one writes, whoever died, slept or was late."""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from distnlc.store import Store, StoreError, place_of
from distnlc.store import bucket_writer as object_store
from distnlc.store.bucket_listing import SEGMENT
from distnlc.store.bucket_writer import ObjectStore
from tests.helpers import store_samples
from tests.helpers.s3_server import S3Server, nothing
from tests.helpers.s3_studies import names, opened, refusal
from tests.helpers.servers import wait_for
from tests.helpers.store_samples import BEFORE, FIRST, SECOND, STATES, contents, entry


def test_a_second_writer_is_refused_and_told_who_is_first(address: str) -> None:
    with opened(address) as store:
        who = f"process {os.getpid()} on {socket.gethostname()}, last sign of life 0 s ago. Wait"
        assert re.search(who.replace("0 s", r"\d+ s"), refusal(lambda: opened(address)))
        store.commit(BEFORE)
        assert contents(address) == STATES[0]
    assert not [name for name in names(address) if name.endswith("writer")]
    opened(address).close()


def test_of_racing_writers_at_most_one_writes(address: str) -> None:
    store_samples.begin(address)
    for _ in range(5):
        results: list[Store | str] = []
        start = threading.Barrier(3)

        def race() -> None:
            start.wait()  # noqa: B023
            try:
                results.append(opened(address))  # noqa: B023
            except StoreError as error:
                results.append(str(error))  # noqa: B023

        threads = [threading.Thread(target=race) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stores = [store for store in results if isinstance(store, Store)]
        assert len(stores) <= 1
        assert not [error for error in results if isinstance(error, str) and "another writer" not in error]
        for store in stores:
            store.commit(FIRST)
            store.close()
        assert contents(address) == STATES[1 if stores else 0] or contents(address) == STATES[1]
    store_samples.work(address)
    assert contents(address) == STATES[2]


def claim_by(address: str, who: str, generation: int) -> str:
    name = f"manifest/{generation:08d}.0123456789abcdef.writer"
    place_of(address).write(name, who.encode())
    return name


def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_claims_of_processes_that_are_gone_are_cleared_away(address: str) -> None:
    store_samples.begin(address)
    for process in (gone(), os.getpid()):  # a container's next process may have the same number
        claim_by(address, f"process {process} on {socket.gethostname()}", 5)
        opened(address).close()
        assert len(names(address)) == 1
    for who in ("process 1 on elsewhere", "\x1b[31mhello", ""):
        claim = claim_by(address, who, 50)
        shown = who if "on" in who else "an unknown process"
        assert f"{shown}, last sign of life" in refusal(lambda: opened(address))
        place_of(address).remove([claim])


def renewed_at(address: str) -> datetime:
    """The age of the only claim, by the clock of the store, in whole seconds."""
    (claim,) = [info.mtime for info in ObjectStore(address).infos("manifest") if info.path.endswith(".writer")]
    return claim


def test_a_claim_that_is_not_renewed_ends(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert object_store.RENEW_S < object_store.STALE_S / 5
    monkeypatch.setattr(object_store, "RENEW_S", 0.2)
    other = address.replace("?", "2?")
    store_samples.begin(other)
    with opened(address) as store:  # which renews its own
        claim_by(other, "process 1 on elsewhere", 5)
        assert "process 1 on elsewhere" in refusal(lambda: opened(other))
        began = renewed_at(address)
        wait_for(lambda: renewed_at(address) >= began + timedelta(seconds=2), "renewal")
        with monkeypatch.context() as patch:
            patch.setattr(object_store, "STALE_S", 0.5)
            opened(other).close()
        assert len(names(other)) == 1
        assert "another writer is at work" in refusal(lambda: opened(address))
        store.commit(BEFORE)
    assert contents(address) == STATES[0]


def taken_over(monkeypatch: pytest.MonkeyPatch, address: str) -> Store:
    """A writer that takes others for dead."""
    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "_is_dead", lambda *_: True)
        return opened(address)


@pytest.mark.parametrize("finished", [False, True])
def test_a_forgotten_writer_can_neither_commit_nor_spoil_anything(
    address: str, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    store_samples.begin(address)
    monkeypatch.setattr(object_store, "STALE_S", 1.0)  # how long it looks whether the other one withdraws
    zombie = opened(address)
    zombie.commit(FIRST)
    successor = taken_over(monkeypatch, address)
    successor.commit([entry("d", steps=0)])
    if finished:
        successor.close()
    for task in (lambda: zombie.commit([entry("a", version=9.0)]), zombie.compact, lambda: zombie.place.remove(["x"])):
        assert "another writer has taken over this study" in refusal(task)
    if not finished:
        successor.commit(SECOND)
        successor.compact()
    zombie.close()
    successor.close()
    store_samples.work(address)
    assert contents(address) == STATES[2]


def test_a_refused_writer_does_not_disturb_the_one_at_work(address: str, server: S3Server) -> None:
    """Whatever it does between two requests of the other."""
    other = ObjectStore(address)
    with opened(address) as store:
        claims: list[str] = []

        def claim_meanwhile(request: str) -> None:
            if "PUT" in request and "/manifest/" in request:
                server.before = nothing
                claims.append(claim_by(address, "process 1 on elsewhere", 99))
                threading.Timer(0.7, other.delete, [claims]).start()

        server.before = claim_meanwhile
        store.commit(BEFORE)
        assert claims
        assert contents(address) == STATES[0]


def test_a_writer_that_died_while_it_took_over_leaves_the_other_at_work(address: str) -> None:
    with opened(address) as store:
        claim_by(address, f"process {gone()} on {socket.gethostname()}", 99)
        store.commit(BEFORE)
        assert names(address)[0].startswith("manifest/00000100.0000")
        store.commit(FIRST)
        store.compact()
        store.commit(SECOND)
        assert contents(address) == STATES[2]
    store_samples.work(address)
    assert contents(address) == STATES[2]


def test_a_publication_that_failed_and_comes_late_changes_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_samples.begin(address)
    late: list[tuple[str, bytes]] = []
    write = ObjectStore.write

    def fail(place: ObjectStore, name: str, data: bytes) -> None:
        if SEGMENT.fullmatch(name):
            late.append((name, data))
            raise StoreError("no answer")
        write(place, name, data)

    with opened(address) as store:
        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, "write", fail)
            assert "no answer" in refusal(lambda: taken_over(monkeypatch, address))
        store.commit(FIRST)
    ((name, data),) = late
    place_of(address).write(name, data)
    assert contents(address) == STATES[1]


def test_a_line_that_failed_and_comes_late_names_no_deleted_file(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(address) as store:
        store.commit(BEFORE)
        store.compact()
        late: list[tuple[str, bytes]] = []

        def fail(name: str, data: bytes, write: Callable[[str, bytes], None] = store.place.write) -> None:
            if SEGMENT.fullmatch(name):
                late.append((name, data))
                raise StoreError("no answer")
            write(name, data)

        with monkeypatch.context() as patch:
            patch.setattr(store.place, "write", fail)
            assert "no answer" in refusal(lambda: store.commit(FIRST))
        store.compact()
    ((name, data),) = late
    place_of(address).write(name, data)
    assert contents(address) == STATES[0]


def test_a_writer_that_slept_while_it_began_the_study_is_overtaken(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No generation is taken twice, also while there is no manifest."""
    monkeypatch.setattr(object_store, "STALE_S", 0.25)

    def locked() -> ObjectStore:
        place = ObjectStore(address)
        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, "_is_dead", lambda *_: True)
            place.lock()
        return place

    sleeper, second = locked(), locked()
    second.unlock()
    third = locked()
    assert "another writer has taken over" in refusal(lambda: sleeper.write_manifest(b"late\n"))
    third.remove(["units/none"])  # on what it read: nobody writes that any more
    assert "another writer has taken over" in refusal(lambda: sleeper.append_manifest(5, b"later\n"))
    assert third.read_manifest() == b"late\n"
    third.unlock()
    sleeper.unlock()


def test_a_writer_that_has_lost_its_place_deletes_nothing(address: str) -> None:
    with opened(address) as store:
        store.commit(BEFORE)
        files = names(address, "units")
    assert "no longer writes this study" in refusal(lambda: store.place.remove(files))
    assert contents(address) == STATES[0]
