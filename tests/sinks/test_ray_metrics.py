"""The metrics that the Ray cluster shows of a study."""

import sys
from dataclasses import replace

import pytest
import ray
import ray.util.metrics

from distnlc.progress import NOTHING_YET
from distnlc.sinks.ray_metrics import RayMetrics
from distnlc.spec import spec_id
from tests.helpers.toys import SPEC

STATE = replace(NOTHING_YET, done=4, failed=1, running=2, units_per_hour=1800.0, workers=2)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[float, dict[str, str]]]:
    """What Ray was given: metric -> latest value and tags."""
    values: dict[str, tuple[float, dict[str, str]]] = {}

    class Gauge:
        def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
            assert description
            self.name, self.tag_keys = name, tag_keys

        def set(self, value: float, tags: dict[str, str]) -> None:
            assert set(tags) == set(self.tag_keys)
            values[self.name] = (value, tags)

    monkeypatch.setattr(ray.util.metrics, "Gauge", Gauge)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    return values


def test_progress_is_shown_with_the_study_as_tags(shown: dict[str, tuple[float, dict[str, str]]]) -> None:
    metrics = RayMetrics(SPEC)
    metrics.progress(STATE)
    assert {name: value for name, (value, _) in shown.items()} == {
        "distnlc_units_done": 4,
        "distnlc_units_failed": 1,
        "distnlc_units_running": 2,
        "distnlc_workers": 2,
        "distnlc_units_per_hour": 1800.0,
    }, "the time left is not known yet"
    metrics.progress(replace(STATE, done=5, seconds_left=8.0))
    assert (shown["distnlc_units_done"][0], shown["distnlc_seconds_left"][0]) == (5, 8.0)
    assert all(tags == {"study": SPEC.name, "study_id": spec_id(SPEC)} for _, tags in shown.values())


def test_without_a_ray_that_runs_nothing_is_shown_and_ray_is_not_imported(
    shown: dict[str, tuple[float, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    RayMetrics(SPEC).progress(STATE)
    monkeypatch.delitem(sys.modules, "ray")
    RayMetrics(SPEC).progress(STATE)
    assert "ray" not in sys.modules
    assert shown == {}
