"""The objects in manifest/ of a study in an object store, by their names.

    manifest/00000006.0000.0003.00000041        some lines: generation 6, rewriting 0, segment 3, version 41
    manifest/00000006.8f0a52c19d3e7b64.writer   the claim of generation 6's writer: who it is; renewed regularly

In: names and times. Out: segments and claims (`Listing`). Readers take the highest generation and rewriting, and of
each of its segments the highest version.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from distnlc.store.place import MANIFEST

SEGMENT = re.compile(rf"{MANIFEST}/(\d+)\.(\d+)\.(\d+)\.(\d+)")
CLAIM = re.compile(rf"{MANIFEST}/(\d+)\.[0-9a-f]+\.writer")


class Segment(NamedTuple):
    generation: int
    rewriting: int
    number: int
    version: int

    def name(self) -> str:
        return MANIFEST + "/{:08d}.{:04d}.{:04d}.{:08d}".format(*self)


class Claim(NamedTuple):
    generation: int
    name: str
    time: datetime
    """of the last renewal"""


class Listing(NamedTuple):
    """The objects in manifest/."""

    segments: list[Segment]
    claims: list[Claim]

    def published(self) -> int:
        """The highest generation of the manifest; 0 if there is none."""
        return max((segment.generation for segment in self.segments), default=0)

    def current(self) -> list[str]:
        """The names of the segments that are the manifest, in order."""
        newest = max((segment[:2] for segment in self.segments), default=None)
        latest = {segment.number: segment for segment in sorted(self.segments) if segment[:2] == newest}
        return [segment.name() for segment in latest.values()]

    @classmethod
    def of(cls, objects: Iterable[tuple[str, datetime]]) -> "Listing":
        """The listing of objects, by their names and the times at which they were written; others are left out."""
        segments, claims = list[Segment](), list[Claim]()
        for name, written in objects:
            if found := SEGMENT.fullmatch(name):
                segments.append(Segment(*map(int, found.groups())))
            elif found := CLAIM.fullmatch(name):
                claims.append(Claim(int(found[1]), name, written))
        return cls(segments, claims)
