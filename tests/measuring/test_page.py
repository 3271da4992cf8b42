"""The page on measuring one's own network runs as it stands."""

import re
from pathlib import Path
from typing import Any

import pytest

import distnlc

PAGE = Path(distnlc.__file__).parent / "measuring" / "README.md"


@pytest.mark.slow
def test_the_page_s_example_runs_and_its_links_lead_somewhere(capsys: pytest.CaptureFixture[str]) -> None:
    text, names = PAGE.read_text("utf-8"), dict[str, Any]()
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(block, PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    assert re.search(r"^predicted test error: 0\.\d+ \(90% interval ", said, re.MULTILINE)
    assert re.search(r"^initial NLC [\d.]+, above \d+% of 100 architectures$", said, re.MULTILINE)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
