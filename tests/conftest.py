"""Tests with real Ray, servers, a browser or kills are slow; `make check` leaves the slow ones out."""

import os

import pytest

os.environ.pop("MLFLOW_TRACKING_URI", None)  # the developer's own server is no place for the tests' studies

WAITING = {"system", "chaos"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WAITING & set(item.path.parts):
            item.add_marker("slow")
