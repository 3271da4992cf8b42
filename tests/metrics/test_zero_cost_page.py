"""The page on zero-cost proxies says what its examples show, and names every proxy there is."""

import re
from pathlib import Path
from typing import Any

import pytest

import distnlc
from distnlc.metrics.catalog import ZERO_COST

PAGE = Path(distnlc.__file__).parent / "metrics" / "zero_cost.md"


def test_the_examples_of_the_page_run_and_show_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    text, names = PAGE.read_text("utf-8"), dict[str, Any]()
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    narrow, wide, smooth = re.findall(r"^(?:narrow|wide|smooth)\n((?:  .*\n)+)", said, flags=re.MULTILINE)
    for lines in (narrow, wide, smooth):
        shown = re.findall(r"^  (\w+): ", lines, flags=re.MULTILINE)
        assert shown == [name for name in ZERO_COST if name != "ntk_condition_number"]
    assert narrow.count("none") == wide.count("none") == 0
    assert re.findall(r"(\w+): none: tanh has no linear regions", smooth) == ["naswot", "layerwise_naswot"]
    assert smooth.count("none") == 2
    for proxy in ("synflow", "naswot", "zen_score", "parameters"):
        values = [float(re.findall(rf"  {proxy}: (\S+)", lines)[0]) for lines in (narrow, wide)]
        assert values[0] < values[1], f"{proxy} grows with the network"
    assert "SynFlow in training and evaluation: True" in said
    training, evaluation = (
        float(each) for each in re.findall(r"in training GraSP is (\S+), in evaluation (\S+)", said)[0]
    )
    assert training != pytest.approx(evaluation, rel=0.1)
    for name in ZERO_COST:
        assert f"`{name}`" in text or name in ("depth", "width", "parameters")
