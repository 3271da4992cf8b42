"""SIGHUP as a shell leaves it, although the tests may have been started by nohup; stand-ins for Ray and the clock."""

import signal
from collections.abc import Iterator

import pytest

from distnlc.engine import ray_fleet
from tests.helpers.fake_ray import Clock, Cluster, Ray


@pytest.fixture
def hanging_up() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Gives a cluster of so many cores."""
    made: list[Ray] = []

    def make(cores: int) -> Ray:
        made.append(Ray(cores))
        return made[-1]

    yield make
    for ray in made:
        ray.head.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ray_fleet, "time", clock)
    return clock
