"""Writers and a reader of one study in an object store, request by request in an order drawn at random.

Requests are answered, fail, take effect although they failed, arrive again much later; writers are paused for long,
killed, and now and then take each other for dead. What was committed stays, once; readers see it at every moment.
"""

import random
import sys
import threading
from functools import partial
from itertools import count
from typing import Any

import pytest

from distnlc.store import Store, StoreError, read_tables
from distnlc.store import bucket as objects
from distnlc.store import bucket_writer as object_store
from distnlc.store.bucket_writer import ObjectStore
from tests.helpers import store_samples
from tests.helpers.s3_in_memory import Actor, Bucket
from tests.helpers.store_samples import FIRST, SECOND, SPEC, STATES, TABLES, contents, entry

STUDY = "s3://bucket/study"
LONG_S = 400.0
"""longer than a claim lives without being renewed"""
is_dead = ObjectStore._is_dead


def bucket_of(seed: int, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Few rows, segments and versions make all that many would; the claims are renewed by `play`."""
    bucket = Bucket(seed)
    mistaken = bucket.random.choice([0.0, 0.02, 0.5])

    def may_be_dead(*arguments: Any) -> bool:  # as to a process of a container with the same name
        return bucket.happens(mistaken) or is_dead(*arguments)

    store_samples.merge_soon(monkeypatch.setattr)
    monkeypatch.setattr(object_store, "SEGMENT_BYTES", 800)
    monkeypatch.setattr(object_store, "VERSIONS_KEPT", 2)
    monkeypatch.setattr(objects, "PARALLEL", 1)
    monkeypatch.setattr(ObjectStore, "parallel", 1)
    monkeypatch.setattr(ObjectStore, "_renew", lambda _: None)
    monkeypatch.setattr(ObjectStore, "_is_dead", may_be_dead)
    monkeypatch.setattr(objects, "connection", lambda *_, **__: bucket)
    monkeypatch.setattr(object_store.time, "sleep", bucket.sleep)
    return bucket


class Users:
    """What they do, with what was committed: unit id -> version."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.committed: dict[str, float] = {}
        self.versions = 0

    def write(self) -> None:
        """Some sessions of one user."""
        for _ in range(3):
            try:
                with Store.create_or_open(STUDY, SPEC, TABLES) as store:
                    if isinstance(actor := threading.current_thread(), Actor):
                        actor.place = store.place  # type: ignore[assignment]
                    for _ in range(self.chance.randrange(5)):
                        unit, self.versions = self.chance.choice("abcdefgh"), self.versions + 1
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


def play(users: Users, bucket: Bucket, writers: int) -> None:
    actors = [Actor(task) for task in (*[users.write] * writers, users.read)]
    stays, current = users.chance.choice([0.0, 0.8, 0.95]), actors[0]
    for _ in range(100_000):
        bucket.now += LONG_S if bucket.happens(0.005) else 0.1
        for actor in actors:
            if actor.place and (claim := actor.place._claim) and bucket.happens(0.1):
                bucket.change(f"bucket/study/{claim}", bucket.objects.get(f"bucket/study/{claim}", (b"", 0.0))[0])
        if bucket.late and bucket.happens(0.1):
            bucket.change(*bucket.late.pop(users.chance.randrange(len(bucket.late))))
        if current not in actors or users.chance.random() > stays:
            current = users.chance.choice(actors)
        current.go_on(killed=current.task != users.read and bucket.happens(0.002))
        actors = [actor for actor in actors if not actor.is_done]
        if not actors:
            return
    raise AssertionError("no end")


def survive(seed: int, begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = bucket_of(seed, monkeypatch)
    users = Users(bucket.random)
    if begun:
        users.write()
    bucket.has_faults = True
    play(users, bucket, writers=2 + seed % 2)
    bucket.has_faults = False
    for late in bucket.late:
        bucket.change(*late)
    bucket.now += LONG_S
    if users.committed:
        users.check(users.committed)
    with Store.create_or_open(STUDY, SPEC, TABLES) as store:
        store.compact()
    users.check(users.committed)
    assert not [key for key in bucket.objects if key.endswith(".bad")], "a file was missing"


@pytest.mark.parametrize(("begun", "seeds"), [(False, range(60)), (True, range(50, 80))])
@pytest.mark.slow
def test_whatever_the_order_of_requests_and_their_fate_no_committed_row_is_lost_or_doubled(
    begun: bool, seeds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in seeds:
        try:
            survive(seed, begun, monkeypatch)
        except BaseException:
            print(f"seed {seed}", file=sys.stderr)
            raise


@pytest.mark.slow
def test_kill_at_every_request_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for boundary in count():
        bucket = bucket_of(0, monkeypatch)
        store_samples.begin(STUDY)
        returned: list[None] = []
        writer = Actor(partial(store_samples.work, STUDY, partial(returned.append, None)))
        for _ in range(boundary):
            writer.go_on()
            if writer.is_done:
                break
        else:
            writer.go_on(killed=True)
        assert contents(STUDY) in STATES[len(returned) : len(returned) + 2]
        bucket.now += LONG_S
        with Store.create_or_open(STUDY, SPEC, TABLES) as store:
            store.commit([*FIRST, *SECOND])
            store.compact()
        assert contents(STUDY) == STATES[2]
        assert len(bucket.objects) == 6  # study.yaml, the manifest, two chunks
        if not writer.is_killed:
            break
    assert boundary > 60


def test_a_study_can_be_continued_any_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = bucket_of(0, monkeypatch)
    users = Users(bucket.random)
    for _ in range(20):
        users.write()
    users.check(users.committed)
