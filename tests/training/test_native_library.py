"""The compiled code is that of the sources that there are."""

import ctypes
from pathlib import Path

import pytest

from distnlc.files import CACHE_VARIABLE
from distnlc.training.native_library import compiled


def test_a_file_that_is_included_from_another_folder_fixes_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    source, header = tmp_path / "own" / "answer.c", tmp_path / "common" / "answer.h"
    for path in source, header:
        path.parent.mkdir()
    source.write_text('#include "../common/answer.h"\nint answer(void) { return ANSWER; }\n')
    for number in 42, 43:
        header.write_text(f"#define ANSWER {number}\n")
        function = compiled(source, []).answer
        function.restype = ctypes.c_int
        assert function() == number
