"""Plug-ins without the modules that bring them."""

from collections.abc import Callable
from typing import Any

import pytest

from distnlc.data import catalog
from distnlc.plugins import Preparation, Source


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts objects in the place of all plug-ins in use."""

    def put(*objects: Source | Preparation) -> None:
        def found(kind: type) -> dict[str, Any]:
            return {each.name: each for each in objects if isinstance(each, kind)}

        monkeypatch.setattr(catalog, "plugin_named", lambda kind, name: found(kind).get(name))
        monkeypatch.setattr(catalog, "plugin_names", lambda kind: list(found(kind)))

    return put
