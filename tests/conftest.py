"""Tests with real Ray, servers, a browser or kills are slow; `make check` leaves the slow ones out."""

import os

import pytest

os.environ.pop("MLFLOW_TRACKING_URI", None)  # the developer's own server is no place for the tests' studies
os.environ.setdefault("RAY_raylet_start_wait_time_s", "200")
"""before Ray gives up a node that it starts: by itself after 30 s, which a busy machine may take"""
WAITING = {"system", "chaos"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WAITING & set(item.path.parts):
            item.add_marker("slow")
