"""SIGHUP as a shell leaves it, although the tests may have been started by nohup."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def hanging_up() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
