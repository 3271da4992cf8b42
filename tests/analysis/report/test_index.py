"""One page leads to the reports of several studies, in the frame of all reports, with each study's answers."""

import re
from pathlib import Path

import pandas as pd
import pytest

from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report import index
from distnlc.analysis.report.index import paragraph, places, write_index
from distnlc.analysis.report.model import Answers, PartAnswers, Report, TableOf
from distnlc.analysis.tables import Tables
from distnlc.store import StoreError
from tests.analysis.report.test_page import Page
from tests.helpers.synthetic import architecture_row, write_study

ONE, OTHER = PartAnswers("one", "2 rows", ["First.", "Second."]), PartAnswers("other", "2 rows", ["Third."])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of answers alone: figures are tested elsewhere."""
    said = Answers(facts=[("2", "networks")], overview=["The <answer> is yes."])
    monkeypatch.setattr(index, "report_of", lambda _: Report(lambda _: said))


def study(folder: Path) -> str:
    return str(write_study(folder, [architecture_row(i, test_error=0.1 * i) for i in range(3)]))


@pytest.mark.usefixtures("shown")
def test_the_page_leads_to_each_report_and_says_its_answers(tmp_path: Path) -> None:
    folders = [study(tmp_path / "mine"), study(tmp_path / "there" / "mine"), study(tmp_path / "yours")]
    page = Page(write_index(folders, tmp_path / "all"))
    assert page.path == tmp_path / "all" / "index.html"
    assert {"mine", "mine-2", "yours"} <= page.places
    for place in ("mine", "mine-2", "yours"):
        assert page.loads.count(f"{place}/index.html") == 2
        report = Page(str(tmp_path / "all" / place / "index.html"))
        assert "The <answer> is yes." in report.text
    assert page.text.count("The <answer> is yes.") == 3
    assert page.text.count("2 networks") == 3
    allowed = re.compile(r"data:.*|#[\w-]+|[\w-]+/index\.html")
    assert all(allowed.fullmatch(address) for address in page.loads), "it needs no network"
    style = page.path.read_text("utf-8").partition("<style>")[2].partition("</style>")[0]
    assert style in report.path.read_text("utf-8"), "one frame"


def test_what_a_table_says_of_all_parts_stands_on_the_page_and_at_the_head_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Table("", [], overview=["Told by a table."])
    with_table = Report(lambda _: Answers(parts=[ONE]), tables=[TableOf("told", "Told", lambda _: told)])
    monkeypatch.setattr(index, "report_of", lambda _: with_table)
    page = Page(write_index([study(tmp_path / name) for name in ("mine", "yours")], tmp_path / "all"))
    assert page.text.count("Told by a table.") == 2
    assert "First. Second." not in page.text
    report = Page(str(tmp_path / "all" / "mine" / "index.html"))
    head, _, rest = report.text.partition("First. Second.")
    assert "Told by a table." in head
    assert "Told by a table." in rest, "where the table stands, too"


@pytest.mark.usefixtures("shown")
def test_nothing_is_written_where_one_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone: not a study folder"):
        write_index([study(tmp_path / "mine"), str(tmp_path / "gone")], tmp_path / "all")
    assert not (tmp_path / "all").exists()


@pytest.mark.usefixtures("shown")
def test_no_report_is_written_into_a_study(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="mine: is a study, and the reports' pages need a folder of their own"):
        write_index([study(tmp_path / "mine"), study(tmp_path / "yours")], tmp_path)
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (Answers(parts=[ONE]), "First. Second."),
        (Answers(parts=[ONE, OTHER]), "one: First. other: Third."),
        (Answers(work=["3 units"]), "3 units."),
    ],
)
def test_a_study_with_nothing_on_all_parts_together_says_what_each_says_first(answers: Answers, said: str) -> None:
    tables = Tables("mine", {"units": pd.DataFrame({"unit_id": ["a"]})})
    assert paragraph(tables, answers) == said
    nothing = Tables("mine", {"units": pd.DataFrame({"unit_id": []})})
    assert "No unit of this study has finished yet" in paragraph(nothing, answers)


def test_places_are_names_of_folders_that_do_not_collide() -> None:
    assert places(["a/b c", "d/b c/", "s3://bucket/e", "e"]) == ["b-c", "b-c-2", "e", "e-2"]
