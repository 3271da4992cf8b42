"""The page "Is my metric any good?" runs as it stands, and gives the numbers that the example study has."""

import re
from pathlib import Path
from typing import Any

import pytest

import distnlc

PAGE = Path(distnlc.__file__).parent / "studies" / "MY_METRIC.md"


@pytest.mark.slow
def test_the_page_s_metric_is_ranked_on_networks_built_again(capsys: pytest.CaptureFixture[str]) -> None:
    text, names = PAGE.read_text("utf-8"), dict[str, Any]()
    metric, ranking = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(metric, PAGE.name, "exec"), names)
    exec(compile(ranking.replace("NETWORKS = 100", "NETWORKS = 12"), PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    assert len(names["values"]) == 12
    assert len(names["ranking"].used) >= 8
    assert all(0 <= value <= 1 for value in names["values"])
    assert re.search(r"^spread of the outputs' directions +-?[\d.]+ \[", said, re.MULTILINE)
    assert re.search(r"^initial NLC +-?[\d.]+ \[", said, re.MULTILINE)
    row = names["rows"].to_dict("records")[3]
    bias = distnlc.output_bias(names["network_of"](row), names["inputs"])
    assert bias == pytest.approx(row["init_bias"], rel=1e-6), "they are the networks that were trained"
