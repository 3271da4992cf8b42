"""The page on scaling says what its examples show, at a smaller size."""

import re
from pathlib import Path
from typing import Any

import pytest

import distnlc

PAGE = Path(distnlc.__file__).parent / "metrics" / "scaling.md"
SMALLER = (("STEPS = 150", "STEPS = 15"), ("(0.25, 0.5, 1.0)", "(0.5,)"), ("samples=32", "samples=8"))


@pytest.mark.slow
def test_the_examples_of_the_page_run_and_show_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text("utf-8")
    for size, smaller in SMALLER:
        assert size in text
        text = text.replace(size, smaller)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    assert "max/min of gamma 1, of biases 1;" in said
    assert float(re.findall(r"from shapes: max/min of gamma (\d+)", said)[0]) == 91
    before, after = (float(each) for each in re.findall(r"max/min of gamma (\S+), of the exact", said))
    assert after < 3
    assert before > 100
    worse, better = (float(each) for each in re.findall(r"training loss (\S+)", said))
    assert better < worse < 2.4
    residual = re.findall(r"planned (\S+), exact ratio (\S+)", said)
    assert residual[0][0] == "1"
    assert float(residual[0][1]) < 3
