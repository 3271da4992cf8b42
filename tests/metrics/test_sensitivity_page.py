"""The page on sensitivity says what its examples show."""

import re
from pathlib import Path
from typing import Any

import pytest

import distnlc

PAGE = Path(distnlc.__file__).parent / "metrics" / "sensitivity.md"


def test_the_examples_of_the_page_run_and_show_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    before, after, least, most, bounds, near, between = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"before training: .* transitions \(exact, 120 neurons\)", before)
    errors = [float(re.findall(r"test error ([\d.]+)", line)[0]) for line in (before, after)]
    assert errors[0] > 0.8
    assert errors[1] < 0.3
    wrong = [float(re.findall(r"([\d.]+) are wrong", line)[0]) for line in (least, most)]
    assert wrong[0] < errors[1] < wrong[1]
    assert float(bounds.split()[0]) >= 0.99
    norms = [float(re.findall(r"\|\|J\|\| ([\d.]+)", line)[0]) for line in (near, between)]
    assert norms[0] < norms[1] / 10
