"""An object store in memory, whose users take turns: one at a time goes on, until its next request."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
from pyarrow.fs import FileSelector, FileType

from distnlc.store.bucket_writer import ObjectStore


class Killed(BaseException):
    """What the requests of a killed writer raise."""


class Actor(threading.Thread):
    """A writer or reader; goes on when it is told to, until its next request."""

    def __init__(self, task: Callable[[], None]) -> None:
        """At its first request."""
        super().__init__(daemon=True)
        self.task, self.back, self.go = task, threading.Semaphore(0), threading.Semaphore(0)
        self.place: ObjectStore | None = None
        self.is_killed = self.is_done = False
        self.error: BaseException | None = None
        self.start()
        self.back.acquire()

    def run(self) -> None:
        try:
            self.stop()
            self.task()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.is_done = True
        self.back.release()

    def go_on(self, *, killed: bool = False) -> None:
        """Returns when it is at its next request, or done. Raises what it raised."""
        self.is_killed = killed
        self.go.release()
        self.back.acquire()
        if self.error:
            raise self.error

    def stop(self) -> None:
        if not self.is_killed:
            self.back.release()
            self.go.acquire()
        if self.is_killed:
            raise Killed


class Bucket:
    """What is used of pyarrow's S3FileSystem, with a clock; requests fail and are late by the seed's chances."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.late: list[tuple[str, bytes | None]] = []
        """what is still under way to the store, and will be done once more: key -> content, None to delete it"""
        self.now = 0.0
        self.has_faults = False
        self.fault_chance = self.random.choice([0.0, 0.01, 0.05])

    def happens(self, probability: float) -> bool:
        return self.has_faults and self.random.random() < probability

    def request(self, key: str = "", data: bytes | None = None, *, changes: bool = False) -> None:
        actor = threading.current_thread()
        if isinstance(actor, Actor):
            actor.stop()
        fails, arrives = self.happens(self.fault_chance), not self.happens(self.fault_chance)
        if changes and arrives:
            self.change(key, data)
        if changes and (not arrives or self.happens(self.fault_chance)):
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
        """In the place of time.sleep."""
        self.now += 20 * seconds
        self.request()
