"""A cache of the test's own, a small MNIST, and plug-ins without the modules that bring them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distnlc.data import catalog
from distnlc.data.spec import DataSpec
from distnlc.plugins import Preparation, Source
from tests.helpers.data_files import write_mnist


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts objects in the place of all plug-ins in use."""

    def put(*objects: Source | Preparation) -> None:
        def found(kind: type) -> dict[str, Any]:
            return {each.name: each for each in objects if isinstance(each, kind)}

        monkeypatch.setattr(catalog, "plugin_named", lambda kind, name: found(kind).get(name))
        monkeypatch.setattr(catalog, "plugin_names", lambda kind: list(found(kind)))

    return put


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DISTNLC_CACHE", str(folder))
    return folder


@pytest.fixture
def mnist(tmp_path) -> DataSpec:
    write_mnist(tmp_path / "data" / "mnist")
    return DataSpec(name="mnist", train=20, validation=10, test=10, root=str(tmp_path / "data"))
