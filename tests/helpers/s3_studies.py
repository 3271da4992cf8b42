"""Studies of store_samples.py in an object store, and what is there of them."""

from collections.abc import Callable
from typing import Any

import pytest

from distnlc.store import Store, StoreError, place_of
from tests.helpers.store_samples import SPEC, TABLES


def names(address: str, folder: str = "manifest") -> list[str]:
    return sorted(place_of(address).names(folder))


def refusal(task: Callable[[], Any]) -> str:
    with pytest.raises(StoreError) as refused:
        task()
    return str(refused.value)


def opened(address: str) -> Store:
    return Store.create_or_open(address, SPEC, TABLES)
