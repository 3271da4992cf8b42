"""The finished studies that ship with the library are small and hold nothing of the machine that made them."""

import re

import pytest

from distnlc.analysis import EXAMPLES


@pytest.mark.parametrize("kind", ["nlc", "nlc_initial", "moments", "gradients", "sensitivity", "scaling"])
def test_an_example_is_small_and_holds_nothing_of_the_machine(kind: str) -> None:
    files = [path for path in (EXAMPLES / kind).rglob("*") if path.is_file() and path.parent.name != "report"]
    assert sum(path.stat().st_size for path in files) < 5_000_000
    assert {path.name for path in files if path.suffix != ".parquet"} == {
        "study.yaml",
        "manifest",
        "sessions",
        "data.json",
    }
    assert not any(re.search(rb"/(tmp|home|root|work)/", path.read_bytes()) for path in files)
