"""Where C cannot be compiled others stand in, and one line says so."""

import pytest

from distnlc.metrics import native_functions
from distnlc.training.once import warn_once


def test_without_a_compiler_one_line_warns(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    warn_once.cache_clear()
    found = [native_functions.functions.__wrapped__(name) for name in ("gaussians", "propagation", "eigenvalue")]
    assert found == [None, None, None]
    (line,) = caplog.messages
    assert line.startswith(
        "random networks and effective ranks are computed without C code, several times slower: no C"
    )


def test_each_file_has_functions_of_its_own() -> None:
    for name, function in (("propagation", "normalize"), ("eigenvalue", "largest_eigenvalue")):
        library = native_functions.functions(name)
        assert library is not None, "no compiler was found"
        assert getattr(library, function)
