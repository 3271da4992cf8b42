"""Writers and a reader of one study in an object store, request by request in an order drawn at random.

Requests are answered, fail, take effect although they failed, arrive again much later; writers are paused for long,
killed, and now and then take each other for dead. What was committed stays, once; readers see it at every moment.
"""

import random
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import store_samples
from pyarrow.fs import FileSelector, FileType
from store_samples import SPEC, TABLES, entry

from distnlc.store import Store, StoreError, object_store, objects, read_tables
from distnlc.store.object_store import ObjectStore

STUDY = "s3://bucket/study"
LONG_S = 400.0
"""longer than a claim lives without being renewed"""
is_dead = ObjectStore._is_dead


class Killed(BaseException):
    """What the requests of a killed writer raise."""


class Actor(threading.Thread):
    """A writer or reader; goes on when it is told to, until its next request."""

    def __init__(self, task: Callable[[], None], back: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self.task, self.back, self.go = task, back, threading.Semaphore(0)
        self.place: ObjectStore | None = None
        self.is_killed = False
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.pause()
            self.task()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.back.release()

    def pause(self) -> None:
        if not self.is_killed:
            self.back.release()
            self.go.acquire()
        if self.is_killed:
            raise Killed


class Bucket:
    """As much of pyarrow's S3FileSystem as there is to it, with a clock, and the actors that use it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.late: list[tuple[str, bytes | None]] = []
        """what is still under way to the store, and will be done once more: key -> content, None to delete it"""
        self.now = 0.0
        self.has_faults = True
        self.committed: dict[str, float] = {}
        """unit id -> version"""
        self.versions = 0

    def happens(self, probability: float) -> bool:
        return self.has_faults and self.random.random() < probability

    def request(self, key: str = "", data: bytes | None = None, *, changes: bool = False) -> None:
        actor = threading.current_thread()
        if isinstance(actor, Actor):
            actor.pause()
        fails, arrives = self.happens(0.03), not self.happens(0.03)
        if changes and arrives:
            self.change(key, data)
        if changes and (not arrives or self.happens(0.03)):
            self.late.append((key, data))
        if fails or not arrives:
            raise OSError("no answer")

    def change(self, key: str, data: bytes | None) -> None:
        if data is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = data, self.now

    def open_input_file(self, key: str) -> pa.BufferReader:
        self.request()
        if key not in self.objects:
            raise FileNotFoundError(key)
        return pa.BufferReader(self.objects[key][0])

    def open_output_stream(self, key: str, compression: None) -> Any:
        written: list[bytes] = []
        return SimpleNamespace(
            write=written.append, close=lambda: self.request(key, b"".join(written), changes=compression is None)
        )

    def delete_file(self, key: str) -> None:
        self.request(key, changes=True)

    def get_file_info(self, what: str | FileSelector) -> Any:
        self.request()
        if isinstance(what, str):
            return SimpleNamespace(type=FileType.File if what in {"bucket", *self.objects} else FileType.NotFound)
        found = {}
        for key, (data, time) in self.objects.items():
            if key.startswith(what.base_dir + "/"):
                rest = PurePosixPath(key).relative_to(what.base_dir).parts
                mtime = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=time)
                path = f"{what.base_dir}/{rest[0]}"
                found[path] = SimpleNamespace(path=path, size=len(data) if len(rest) == 1 else None, mtime=mtime)
        return list(found.values())

    def sleep(self, seconds: float) -> None:
        self.now += 20 * seconds
        self.request()

    def write(self) -> None:
        """Some sessions of one user."""
        for _ in range(3):
            try:
                with Store.create_or_open(STUDY, SPEC, TABLES) as store:
                    if isinstance(actor := threading.current_thread(), Actor):
                        actor.place = store.place  # type: ignore[assignment]
                    for _ in range(self.random.randrange(5)):
                        unit, self.versions = self.random.choice("abcdefgh"), self.versions + 1
                        version = float(self.versions)
                        try:
                            store.commit([entry(unit, version)])
                        except StoreError:
                            continue  # as nobody does; it must do no harm
                        self.committed[unit] = version
                    store.compact()
            except StoreError:
                pass

    def read(self) -> None:
        for _ in range(10):
            committed = dict(self.committed)
            try:
                self.check(committed)
            except StoreError as error:
                if "no answer" not in str(error) and (committed or "there is no study" not in str(error)):
                    raise

    def check(self, committed: dict[str, float]) -> None:
        """Every unit is there once and whole, those that were committed no older than then."""
        units, steps = (rows.to_pylist() for rows in read_tables(STUDY).values())
        seen = {row["unit_id"]: row["value"] for row in units}
        assert len(seen) == len(units), f"doubled: {units}"
        losses = [(unit, version + step) for unit, version in seen.items() for step in range(3)]
        assert sorted((row["unit_id"], row["loss"]) for row in steps) == sorted(losses)
        old = {unit: version for unit, version in committed.items() if seen.get(unit, 0.0) < version}
        assert not old, f"committed {old}, seen {seen}"

    def play(self, writers: int) -> None:
        back = threading.Semaphore(0)
        actors = [Actor(task, back) for task in (*[self.write] * writers, self.read)]
        for actor in actors:
            actor.start()
            back.acquire()
        stays, current = self.random.choice([0.0, 0.8, 0.95]), actors[0]
        for _ in range(100_000):
            actors = [actor for actor in actors if actor.is_alive()]
            if not actors:
                return
            self.now += 0.1
            if self.happens(0.005):
                self.now += LONG_S
            for actor in actors:
                if actor.place and (claim := actor.place._claim) and self.happens(0.1):
                    self.change(f"bucket/study/{claim}", self.objects.get(f"bucket/study/{claim}", (b"", 0.0))[0])
            if self.late and self.happens(0.1):
                self.change(*self.late.pop(self.random.randrange(len(self.late))))
            if current not in actors or self.random.random() > stays:
                current = self.random.choice(actors)
            current.is_killed = current.is_killed or (current.task == self.write and self.happens(0.002))
            current.go.release()
            back.acquire()
            if current.error:
                raise current.error
            if current.is_killed:
                current.join()
        raise AssertionError("no end")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows, segments and versions make all that many would; what goes on in the background is an actor's turn."""
    store_samples.merge_soon(monkeypatch.setattr)
    monkeypatch.setattr(object_store, "SEGMENT_BYTES", 800)
    monkeypatch.setattr(object_store, "VERSIONS_KEPT", 2)
    monkeypatch.setattr(objects, "PARALLEL", 1)
    monkeypatch.setattr(ObjectStore, "parallel", 1)
    monkeypatch.setattr(ObjectStore, "_renew", lambda _: None)


def bucket_of(seed: int, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket(seed)

    def may_be_dead(*arguments: Any) -> bool:  # as to a process of a container with the same name
        return bucket.happens(0.01) or is_dead(*arguments)

    monkeypatch.setattr(objects, "_connection", lambda *_, **__: bucket)
    monkeypatch.setattr(object_store.time, "sleep", bucket.sleep)
    monkeypatch.setattr(ObjectStore, "_is_dead", may_be_dead)
    return bucket


def play(seed: int, begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = bucket_of(seed, monkeypatch)
    if begun:
        bucket.has_faults = False
        bucket.write()
        bucket.has_faults = True
    bucket.play(writers=2 + seed % 2)
    bucket.has_faults = False
    for late in bucket.late:
        bucket.change(*late)
    bucket.now += LONG_S
    if bucket.committed:
        bucket.check(bucket.committed)
    with Store.create_or_open(STUDY, SPEC, TABLES) as store:
        store.compact()
    bucket.check(bucket.committed)
    assert not [key for key in bucket.objects if key.endswith(".bad")], "a file was missing"


@pytest.mark.parametrize(("begun", "seeds"), [(False, 60), (True, 30)])
def test_whatever_the_order_of_requests_and_their_fate_no_committed_row_is_lost_or_doubled(
    begun: bool, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(seeds):
        try:
            play(seed, begun, monkeypatch)
        except BaseException:
            print(f"seed {seed}", file=sys.stderr)
            raise


def test_a_study_can_be_continued_any_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = bucket_of(0, monkeypatch)
    bucket.has_faults = False
    for _ in range(20):
        bucket.write()
    bucket.check(bucket.committed)
    assert len(bucket.objects) < 10
