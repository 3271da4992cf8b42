"""A study in an object store keeps the same promises as one in a folder, with one writer and without renaming.

Writers killed at every request, and readers between any two: see tests/store/test_bucket_schedules.py.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from distnlc.store import Store, StoreError, export, place_of, read_records, read_table
from distnlc.store import bucket as objects
from distnlc.store import bucket_writer as object_store
from tests.helpers import store_samples
from tests.helpers.s3_server import BUCKET, S3Server
from tests.helpers.s3_studies import names, opened, refusal
from tests.helpers.store_samples import BEFORE, FIRST, SECOND, STATES, TABLES, SmallSpec, contents, entry, expected


def test_a_study_is_written_read_continued_and_exported(address: str, tmp_path: Path) -> None:
    store_samples.begin(address)
    assert contents(address) == STATES[0]
    store_samples.work(Path(address))  # which has made one slash of two
    assert contents(address) == STATES[2]
    assert read_table(address, "units", ["index"]).num_rows == 4
    assert dict(read_records(address, TABLES, {"b"})) == {"b": FIRST[1][2]}
    assert len(export(address, tmp_path, "csv")) == 2
    assert export(address, address.replace("?", "/out?"), "parquet")[0].endswith("/out/units.parquet")
    assert len(names(address)) == 1
    assert len(names(address, "units")) == 1
    assert "holds another study" in refusal(lambda: Store.create_or_open(address, SmallSpec(seed=1), TABLES))
    assert contents(address) == STATES[2]


def test_many_commits_make_few_objects(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "SEGMENT_BYTES", 800)
    monkeypatch.setattr(object_store, "VERSIONS_KEPT", 4)
    store_samples.merge_soon(monkeypatch.setattr)
    monkeypatch.setattr("distnlc.store.writing.TRIM_ABOVE", 12)
    units = [entry(unit) for unit in "abcdefghijklmnopqrst"]
    with opened(address) as store:
        for number, unit in enumerate(units, start=1):
            store.commit([unit])
            assert contents(address) == expected(*units[:number])
            assert len(names(address)) < 20
    assert len(names(address, "units")) < 12


def test_places_hold_any_file(address: str) -> None:
    place = place_of(address)
    place.write("report/a.html", b"1")
    place.write("report/a.html", b"2" * 20_000_000)  # in several parts
    assert place.read("report/a.html") == b"2" * 20_000_000
    assert place.names("report") == {"report/a.html": 20_000_000}
    assert place.where("x") == f"s3://{BUCKET}/{address.split('/')[3].partition('?')[0]}/x"
    place.remove(["report/a.html", "report/none"])
    with pytest.raises(FileNotFoundError):
        place.read("report/a.html")
    for name in ("../x", "/x", ""):
        with pytest.raises(StoreError, match="expected a relative name"):
            place.write(name, b"")


def test_the_endpoint_may_stand_in_the_environment(
    address: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_samples.begin(address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    assert contents(address.partition("?")[0]) == STATES[0]


def test_wrong_addresses_buckets_and_rights_are_one_clear_message(
    address: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = address.replace(BUCKET, "nowhere")
    for task in (lambda: opened(nowhere), lambda: contents(nowhere), lambda: store_samples.begin(nowhere)):
        assert "there is no bucket 'nowhere'. Make it, or correct the address" in refusal(task)
    assert "there is no study" in refusal(lambda: contents(address))
    for wrong in ("s3://", f"s3://key:secret@{BUCKET}/x", f"s3://{BUCKET}/x?region_=1", f"s3://{BUCKET}/x#y"):
        message = refusal(lambda: place_of(wrong))  # noqa: B023
        assert "expected s3://bucket/prefix" in message
        assert "secret@" not in message
    denied = ["403 Forbidden"] * 50
    monkeypatch.setattr(server, "faults", denied)
    for task in (lambda: opened(address), lambda: contents(address)):
        assert "access denied. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in refusal(task)


def test_faults_of_some_requests_are_not_noticed(address: str, server: S3Server) -> None:
    store_samples.begin(address)
    error, slow, reset = "500 Internal Server Error", "503 Slow Down", "reset"
    server.faults = [error, "pass", slow, "pass", reset, error, "pass", reset, "pass", slow]
    store_samples.work(address)
    assert server.faults == []
    assert contents(address) == STATES[2]


def test_a_server_that_dies_loses_nothing_and_the_same_command_goes_on(
    address: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "ATTEMPTS", 2)
    objects.connection.cache_clear()
    store_samples.begin(address)
    with opened(address) as store:
        server.stop()
        message = "Nothing is lost: run the same command again"
        assert message in refusal(lambda: store.commit(FIRST))
        assert message in refusal(store.compact)
        assert message in refusal(lambda: contents(address))
        server.start(server.port)
        assert contents(address) == STATES[0]
        store.commit(FIRST)
        assert contents(address) == STATES[1]
    store_samples.work(address)
    assert contents(address) == STATES[2]


def test_a_server_that_is_away_for_a_moment_is_waited_for(
    address: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "ATTEMPTS", 8)  # a busy machine may take some seconds for the moment
    objects.connection.cache_clear()
    with opened(address) as store:
        server.stop()
        threading.Timer(0.4, server.start, [server.port]).start()
        store.commit(BEFORE)
    assert contents(address) == STATES[0]


def test_a_lost_answer_is_no_lost_commit(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store takes the manifest's line, but the writer hears of a failure: it may say so, and repeat the commit."""
    store_samples.begin(address)
    with opened(address) as store:

        def lose(name: str, data: bytes, write: Callable[[str, bytes], None] = store.place.write) -> None:
            write(name, data)
            if "manifest/" in name:
                raise StoreError("no answer")

        with monkeypatch.context() as patch:
            patch.setattr(store.place, "write", lose)
            assert "no answer" in refusal(lambda: store.commit(FIRST))
        assert contents(address) in STATES[:2]
        store.commit(SECOND[:1])
        assert contents(address) in (expected(*BEFORE, SECOND[0]), expected(*BEFORE, *FIRST, SECOND[0]))
        store.commit([*FIRST, *SECOND])
        store.compact()
    assert contents(address) == STATES[2]


@pytest.mark.parametrize("taken", [False, True])
def test_a_manifest_that_could_not_be_rewritten_still_grows(
    address: str, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    store_samples.begin(address)
    with opened(address) as store:
        store.commit(FIRST)

        def fail(name: str, data: bytes, write: Callable[[str, bytes], None] = store.place.write) -> None:
            if taken or "manifest/" not in name:
                write(name, data)
            if "manifest/" in name:
                raise StoreError("no answer")

        with monkeypatch.context() as patch:
            patch.setattr(store.place, "write", fail)
            assert "no answer" in refusal(store.compact)
        assert contents(address) == STATES[1]
        store.commit(SECOND)
        assert contents(address) == STATES[2]
    store_samples.work(address)
    assert contents(address) == STATES[2]


def test_missing_or_cut_objects_are_found_by_listing(
    address: str, server: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    store_samples.begin(address)
    name = names(address, "units")[0]
    place_of(address).write(name, b"cut")
    assert "expected" in refusal(lambda: contents(address))
    server.requests.clear()
    with opened(address) as store:
        assert len(store.statuses()) == 1
        read = {request for request in server.requests if request.startswith("GET") and ".parquet" in request}
        assert len(read) == 2  # of the one damaged chunk
        store.commit(BEFORE)
        store.compact()
    assert "1 units will run again" in caplog.text
    assert contents(address) == STATES[0]
    assert place_of(address).read(name + ".bad") == b"cut"
