"""A study's place in an object store: a manifest of several objects, and one writer without a lock.

What the objects of manifest/ are, and which of them readers take, is told in bucket_listing.py. A commit puts the
last segment again, one line longer, as its next version; nothing that counts is ever overwritten.

A writer that opens a study first claims a generation higher than any, and then looks for other claims; one that
commits or merges first publishes, and then looks for higher generations. An object that the store has taken is in its
listings from then on, so that of two writers at least one sees the other: nothing is called committed, and nothing is
deleted, unless every later writer has read it. A writer that was taken for dead and comes back writes into a generation
that nobody reads.
"""

import errno
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from distnlc.store.bucket import PARALLEL, Objects
from distnlc.store.bucket_listing import Claim, Listing, Segment
from distnlc.store.manifest import StoreError
from distnlc.store.place import BAD, MANIFEST, this_writer

SEGMENT_BYTES = 128_000
"""size of a segment at which the next one is begun; every commit puts the last segment again"""
VERSIONS_KEPT = 16
"""number of superseded versions at which they are deleted"""
RENEW_S, STALE_S = 30.0, 300.0
"""how often a writer renews its claim; the claim's age, by the store's clock, at which it is taken for dead"""
LOOK_AGAIN_S = 0.5
"""pause before another look at a claim that is higher than the own one and about to be withdrawn"""
READ_ATTEMPTS = 100
"""attempts to read a manifest whose segments vanish meanwhile, since it is being rewritten"""
OWNER = re.compile(r"process (\d{1,9}) on ([\w.-]{1,255})")
_ours: set[str] = set()
"""the claims of this process's writers"""


class ObjectStore(Objects):
    """A Place (place.py) in a bucket."""

    parallel = PARALLEL
    tears = False
    scaffold = frozenset({MANIFEST})

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._is_writer = False
        self._claim: str | None = None
        """None before `lock`, and for a writer that was overtaken"""
        self._generation = 0
        self._rewriting = -1
        self._version = 0
        self._is_begun = False
        """whether segment 0 of this rewriting, on which the others depend, is known to be there"""
        self._may_turn_up = False
        """whether a request that failed may yet publish this generation, of which nothing is known to be there"""
        self._last = (0, b"", "")
        """the last segment: its number, content and name"""
        self._superseded: list[str] = []
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def remove(self, names: Iterable[str]) -> None:
        names = list(names)  # decided before the look for other writers
        if self._is_writer:
            self._require_manifest()
            self._check_not_overtaken()
        self.delete(names)

    def set_aside(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self.write(name + BAD, self.read(name))
            self.remove([name])

    def writer(self) -> str | None:
        listing, now = self._listing(), datetime.now(UTC)
        living = [claim for claim in listing.claims if not self._is_dead(claim, listing, now)]
        return self._owner(max(living)) if living else None

    def first_number(self, last: int) -> int:
        """A random number, so that no two writers write the same file; added to the last it would outgrow 64 bits."""
        return secrets.randbits(60)

    def lock(self) -> None:
        self.check_bucket()
        self._take_generation()
        self._is_writer = True
        self._renewing.start()

    def unlock(self) -> None:
        self._ended.set()
        if self._claim:
            self._renewing.join(timeout=RENEW_S)
            self._withdraw(self._claim)

    def read_manifest(self) -> bytes:
        return self._read_published()[1]

    def write_manifest(self, text: bytes) -> None:
        self._require_lock()
        self._may_turn_up |= self._rewriting < 0
        self._rewriting += 1
        self._version += 1
        whole = Segment(self._generation, self._rewriting, 0, self._version)
        self._last, self._superseded, self._is_begun = (0, b"", ""), [], False
        self.write(whole.name(), text)
        self._is_begun, self._may_turn_up = True, False
        self._check_not_overtaken()
        self.delete(old.name() for old in self._listing().segments if old[:2] < whole[:2])

    def append_manifest(self, length: int, line: bytes) -> None:
        self._require_manifest()
        number, content, superseded = self._last
        if not content or len(content) >= SEGMENT_BYTES:
            number, content, superseded = number + 1, b"", ""
        self._version += 1  # even if this fails: the store may have taken it
        segment = Segment(self._generation, self._rewriting, number, self._version)
        self.write(segment.name(), content + line)
        self._check_not_overtaken()
        if segment.generation == self._generation:
            self._last = number, content + line, segment.name()
            self._superseded += [superseded] if superseded else []
        if len(self._superseded) >= VERSIONS_KEPT:
            self.delete(self._superseded)
            self._superseded = []

    def _take_generation(self) -> None:
        """Makes this the writer: claims a generation, looks for others, copies what is published into its own."""
        old_claims, old_generation = [self._claim] if self._claim else [], self._generation
        listing = self._listing()
        self._generation = 1 + max([listing.published(), *(claim.generation for claim in listing.claims)])
        self._rewriting = -1
        self._claim = claim = f"{MANIFEST}/{self._generation:08d}.{secrets.token_hex(8)}.writer"
        _ours.add(claim)
        superseded: list[str] = []
        try:
            self.write(claim, this_writer().encode())
            others = self._refuse_if_others_write(old_claims)
            with suppress(FileNotFoundError):
                published, text = self._read_published()
                if old_claims and published != old_generation:
                    raise self._overtaken()
                self.write_manifest(text)
                superseded = [*others, *old_claims]
        except BaseException:
            self._withdraw(claim, *old_claims)
            raise
        self.delete(superseded)

    def _withdraw(self, *claims: str) -> None:
        """Stops being the writer. A generation that may yet be published keeps its claim, so that nobody takes its
        number; the claim ends with its age, or with this process."""
        self._claim = None
        _ours.difference_update(claims)
        if not self._may_turn_up:
            with suppress(StoreError):  # its age ends the claim all the same
                self.delete(claims)

    def _refuse_if_others_write(self, old_claims: list[str]) -> list[str]:
        """The claims of dead writers. Raises StoreError if another writer lives, or may."""
        listing = self._listing()
        others = [claim for claim in listing.claims if claim.name not in [self._claim, *old_claims]]
        now = next((claim.time for claim in listing.claims if claim.name == self._claim), None)
        for claim in others:
            if now is None or claim.generation >= self._generation or not self._is_dead(claim, listing, now):
                age = "" if now is None else f", last sign of life {(now - claim.time).total_seconds():.0f} s ago"
                raise StoreError(
                    f"{self}: another writer is at work on this study: {self._owner(claim)}{age}. Wait for it, or stop "
                    f"it; if its machine is gone, run this again {STALE_S / 60:.0f} minutes after that"
                )
        if listing.published() >= self._generation:
            raise StoreError(f"{self}: another writer began at the same moment. Run this again to see who it is")
        return [claim.name for claim in others]

    def _check_not_overtaken(self) -> None:
        """Raises StoreError if a later writer may not have read what this one has published."""
        for _ in range(int(2 * STALE_S / LOOK_AGAIN_S)):
            listing = self._listing()
            if listing.published() > self._generation:
                break
            later = [claim for claim in listing.claims if claim.generation > self._generation]
            if not later:
                return
            now = max(claim.time for claim in listing.claims)
            if all(self._is_dead(claim, listing, now) for claim in later):
                self._take_generation()  # they stopped half-way; should they go on, nobody reads it
                return
            time.sleep(LOOK_AGAIN_S)  # it will see this writer at work, and withdraw
        raise self._overtaken()

    def _require_lock(self) -> None:
        if self._claim is None:
            raise StoreError(f"{self}: this process no longer writes this study. Run the same command again")

    def _require_manifest(self) -> None:
        """Ensures a manifest of this writer's own before anything is appended to it or deleted because of it."""
        self._require_lock()
        if not self._is_begun:
            self.write_manifest(self.read_manifest())

    def _overtaken(self) -> StoreError:
        return StoreError(
            f"{self}: another writer has taken over this study, since this one gave no sign of life for "
            f"{STALE_S / 60:.0f} minutes. What was committed before is safe; what was being committed may be done again"
        )

    def _is_dead(self, claim: Claim, listing: Listing, now: datetime) -> bool:
        if claim.generation < listing.published() or (now - claim.time).total_seconds() > STALE_S:
            return True
        found = OWNER.fullmatch(self._owner(claim))
        here = found is not None and found[2] == socket.gethostname()
        return here and found is not None and claim.name not in _ours and not _is_running(int(found[1]))

    def _owner(self, claim: Claim) -> str:
        """Process and host of the writer."""
        with suppress(FileNotFoundError, UnicodeDecodeError):
            if OWNER.fullmatch(text := self.read(claim.name).decode()):
                return text
        return "an unknown process"

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_S):
            with suppress(StoreError):  # the next try may succeed; if none does, others may take over
                if self._claim:
                    self.write(self._claim, this_writer().encode())

    def _listing(self) -> Listing:
        return Listing.of((each.path.removeprefix(self.root + "/"), each.mtime) for each in self.infos(MANIFEST))

    def _read_published(self) -> tuple[int, bytes]:
        """The highest generation, and its whole manifest. Raises FileNotFoundError if there is none."""
        for _ in range(READ_ATTEMPTS):
            listing = self._listing()
            if not listing.segments:
                self.check_bucket()
                raise FileNotFoundError(errno.ENOENT, "there is no study", str(self))
            with suppress(FileNotFoundError):
                return listing.published(), b"".join(self.read_all(listing.current()))
        raise StoreError(f"{self}: its manifest changes faster than it can be read. Try again")


def _is_running(process: int) -> bool:
    """Whether a process of this machine runs that may be another writer."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
