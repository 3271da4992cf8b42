"""Tests with real Ray, servers, a browser or kills are slow; `make check` leaves the slow ones out. Those of tests/gpu
need a plugin of their own (`make gpu-tests`)."""

import gc
import os
from pathlib import Path

import pytest

os.environ.pop("MLFLOW_TRACKING_URI", None)  # the developer's own server is no place for the tests' studies
os.environ.setdefault("RAY_raylet_start_wait_time_s", "200")
"""before Ray gives up a node that it starts: by itself after 30 s, which a busy machine may take"""
WAITING = {"system", "chaos"}
ON_PRETENDED_GPU = Path(__file__).with_name("gpu")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    left_out = collection_path == ON_PRETENDED_GPU and not config.pluginmanager.hasplugin("tests.gpu.plugin")
    return True if left_out else None


def pytest_collection_finish() -> None:
    gc.freeze()  # modules and tests stay to the end: to look through them for garbage costs a quarter second each time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WAITING & set(item.path.parts):
            item.add_marker("slow")
        if ON_PRETENDED_GPU in item.path.parents:
            item.add_marker("gpu")
