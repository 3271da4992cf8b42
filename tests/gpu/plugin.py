"""The pretended GPU for a whole run of pytest. It must be loaded before torch:

    python -m pytest -p tests.gpu.plugin tests/gpu

Without this plugin tests/gpu is left out, since no other test must find this GPU.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.gpu.guard import NoPretendedGPU

try:
    from tests.gpu.pretended import MACHINE, Machine, pretended
except NoPretendedGPU as error:
    MISSING: str | None = str(error)
else:
    MISSING = None

_contexts: list[AbstractContextManager["Machine"]] = []


def pytest_configure() -> None:
    if MISSING is not None:
        pytest.exit(f"the tests on a pretended GPU are skipped: {MISSING}", returncode=0)
    _contexts.append(pretended())
    _contexts[0].__enter__()


def pytest_unconfigure() -> None:
    while _contexts:
        _contexts.pop().__exit__(None, None, None)


@pytest.fixture(autouse=True)
def gpu() -> Iterator["Machine"]:
    """The device, whole, its counts at 0."""
    MACHINE.begin()
    yield MACHINE
    MACHINE.begin()
