"""Tests with real Ray, servers, a browser or kills are slow; `make check` leaves the slow ones out."""

import pytest

WAITING = {"system", "chaos"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WAITING & set(item.path.parts):
            item.add_marker("slow")
