"""A real S3 server on loopback for all tests that want one."""

from collections.abc import Iterator
from itertools import count

import pytest

from distnlc.store import bucket as objects
from tests.helpers.s3_server import S3Server, nothing, s3_server

prefixes = (f"study{number}" for number in count())


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def address(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a place of its own."""
    monkeypatch.setattr(objects, "ATTEMPTS", 5)
    objects.connection.cache_clear()
    yield server.address(next(prefixes))
    server.faults = []
    server.before = server.after = nothing
