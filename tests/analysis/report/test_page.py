"""The report is one page that needs no network, tells the truth about odd studies, and answers in numbers."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from distnlc.analysis.drawing import figure as drawing
from distnlc.analysis.drawing.table import read_measured
from distnlc.analysis.nlc import figure2, figure3a
from distnlc.analysis.nlc.answers import sentences, summarize, summary
from distnlc.analysis.nlc.report import FIGURES, TABLES
from distnlc.analysis.nlc_initial import table1, table2
from distnlc.analysis.nlc_initial.table1 import STATED
from distnlc.analysis.report import page as report
from distnlc.analysis.tables import load
from distnlc.store import StoreError
from tests.helpers.synthetic import architecture_row, failed_row, paper_rows, write_study


class Page(HTMLParser):
    """What a page shows (text outside scripts and styles) and what it would load."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.path = path = Path(address)
        self.text, self.loads, self.places, self.scripts, self._hidden = "", [], set(), 0, False
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in {"script", "style"}
        self.scripts += tag == "script"
        self.places |= {str(value) for key, value in attrs if key == "id"}
        self.loads += [str(value) for key, value in attrs if key in {"src", "srcset", "href", "data", "action"}]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data


@pytest.fixture(scope="module", autouse=True)
def _short_contents() -> Iterator[None]:
    """The page treats all figures and tables alike; one test below asks for every one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "FIGURES", (figure2, figure3a))
        patch.setattr(report, "TABLES", (table1, table2))
        yield


@pytest.fixture(scope="module")
def page(two_datasets: Path) -> Page:
    return Page(report.write_report(two_datasets))


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """For reports whose pictures nobody looks at: figures are drawn, but writing their files takes too long."""
    monkeypatch.setattr(drawing, "encoded", lambda drawn, kind: f"<{kind}: {drawn.name}>".encode())


def test_needs_no_network(page: Page, two_datasets: Path) -> None:
    # Data addresses, places in the page, and links to the figures' files beside it; nothing else.
    allowed = re.compile(r"data:.*|#\w+|\w+\.(png|svg)")
    assert all(allowed.fullmatch(address) for address in page.loads)
    text = (two_datasets / "report" / "index.html").read_text(encoding="utf-8")
    assert "@import" not in text.split("</style>")[0]
    assert text.count("plotly.js v") == 1


@pytest.mark.usefixtures("unpainted")
def test_a_figure_with_many_points_is_a_picture_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_datasets: Path
) -> None:
    monkeypatch.setattr(report, "LARGE_SVG", 5)
    page = Page(report.write_report(two_datasets, tmp_path))
    assert sum(address.startswith("data:image/webp;base64,") for address in page.loads) == 2
    assert (tmp_path / "figure2.svg").exists()


def test_figures_lie_beside_the_page(page: Page, two_datasets: Path) -> None:
    written = {path.name for path in (two_datasets / "report").iterdir()}
    assert written == {"index.html", *(f"figure{n}.{kind}" for n in ("2", "3a") for kind in ("png", "svg"))}
    assert sum(address.startswith("data:image/svg+xml;base64,") for address in page.loads) == 2


def test_answers_stand_on_the_page(page: Page, two_datasets: Path) -> None:
    for part in summary(two_datasets).parts:
        for sentence in sentences(part):
            assert sentence in page.text
    for said in (
        "1 (unit failed)",
        "two datasets",
        "out of memory",
        "kind: nlc",
        "no value stated",
        "0.81",
    ):
        assert said in page.text


@pytest.mark.usefixtures("unpainted")
def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", paper_rows(12))
    first, again = (Path(report.write_report(folder, tmp_path / name)).read_bytes() for name in ("first", "again"))
    assert first == again


@pytest.mark.usefixtures("unpainted")
def test_every_figure_and_table_stands_on_the_page_and_in_its_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper's study has all of them."""
    made, make = [], report._made
    monkeypatch.setattr(report, "FIGURES", FIGURES)
    monkeypatch.setattr(report, "TABLES", TABLES)
    monkeypatch.setattr(report, "_made", lambda *what: made.append(make(*what)) or made[-1])
    page = Page(report.write_report(write_study(tmp_path / "study", paper_rows(9))))
    assert len(made) == len(FIGURES) + len(TABLES)
    for one in made:
        assert page.text.count(one.title) >= 2  # in the contents and over it
        assert {f"#{one.name}"} <= set(page.loads)
        for said in (one.caption, *one.remarks):
            assert " ".join(said.split()) in page.text
    assert "What is missing" not in page.text
    assert set(re.findall(r'href="#(\w+)"', page.path.read_text())) <= page.places


@pytest.mark.usefixtures("unpainted")
def test_text_from_records_cannot_become_markup(page: Page, tmp_path: Path) -> None:
    evil = "<script>alert(1)<script>"
    rows = [architecture_row(0, activation=evil), failed_row(1, reason=evil)]
    folder = write_study(tmp_path / "study", rows, name=evil, summary=evil)
    odd = Page(report.write_report(folder))
    assert odd.scripts == page.scripts == 3  # data, plotly, the explorer
    assert odd.text.count(evil) == 7  # title, heading, summary, a filter, reason, and twice in the spec


def test_text_from_records_is_no_markup_in_the_figures_either(tmp_path: Path) -> None:
    """Two parts of one kind are told apart by their names, which stand over the panels; LaTeX is a language too."""
    evil = "</script><script>alert(1)</script> $\\frac{$ <a href='https://elsewhere'>"
    rows = [architecture_row(index, part=part, activation=evil) for index, part in enumerate((evil, "b", evil, "b"))]
    folder = write_study(tmp_path / "study", rows)
    written = Path(report.write_report(folder))
    for path in (written, written.with_name("figure2.svg")):
        content = path.read_text(encoding="utf-8")
        assert "<script>alert" not in content
        assert "<a href='https" not in content
    assert "&lt;a href=" in written.read_text(encoding="utf-8").replace("\\u0026", "&"), "what a point's box says"


@pytest.mark.parametrize(
    "changes",
    [{"dataset": "<b>"}, {"optimizer": "\x1b]0;owned\x07"}, {"criterion": ""}, {"part": "a\x1b[2J"}],
)
def test_rows_that_no_distnlc_writes_are_refused_in_one_line(tmp_path: Path, changes: dict[str, str]) -> None:
    folder = write_study(tmp_path / "study", [architecture_row(0, **changes)])
    with pytest.raises(StoreError, match=r"^the rows of part .* are not distnlc's: ") as caught:
        report.write_report(folder)
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("unpainted")
def test_an_empty_study_says_so(tmp_path: Path) -> None:
    page = Page(report.write_report(write_study(tmp_path / "study", [])))
    assert "nothing to report" in page.text
    assert "Figure 2" in page.text
    assert "no architecture has both initial NLC and test error" in page.text
    assert page.scripts == 0


@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize(
    "rows",
    [
        [architecture_row(0)],
        [failed_row(0), failed_row(1)],
        [architecture_row(i, init_nlc=float(v), test_error=0.5) for i, v in enumerate(("inf", "nan", "-1", "0"))],
        [architecture_row(i, init_nlc=10.0**i, init_bias=float("inf")) for i in range(5)],
        [architecture_row(i, init_nlc=2.0 + i, test_error=None, status="diverged") for i in range(3)],
        [architecture_row(i, init_nlc=2.0 + i, criterion="training-error", train_error=0.1 * i) for i in range(5)],
    ],
    ids=["one row", "all failed", "no usable NLC", "constant error", "diverged", "training error"],
)
def test_odd_studies_have_a_report(tmp_path: Path, rows: list[object]) -> None:
    folder = write_study(tmp_path / "study", rows)  # type: ignore[arg-type]
    page = Page(report.write_report(folder))
    assert sentences(summary(folder).parts[0])[0] in page.text
    assert re.search(r"\bnan\b", page.text) is None


@pytest.mark.usefixtures("unpainted")
def test_tables_of_the_paper_are_shown_beside_measured_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = tmp_path / "measured.json"
    measured.write_text(
        json.dumps(
            {
                "table1": {"A": [1.2109, *STATED["A"][1:]]},
                "table2": {"50": 10450.0},
                "settings": {"seeds": 10},
            }
        )
    )
    for module in (table1, table2):
        monkeypatch.setattr(module, "read_measured", lambda: read_measured(measured))
    text = Page(report.write_report(write_study(tmp_path / "study", []))).text
    for said in ("even tanh", "10450", "9952", "4.760e+17", "seeds: 10"):
        assert said in text


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoreError, match="not a study folder"):
        report.write_report(tmp_path)
    assert report.main([str(tmp_path)]) == 2
    assert "not a study folder" in capsys.readouterr().err


@pytest.mark.usefixtures("unpainted")
def test_a_report_that_cannot_be_written_says_where(two_datasets: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write the report"):
        report.write_report(two_datasets, tmp_path / "file")


def test_summary_counts(tmp_path: Path) -> None:
    rows = [
        architecture_row(i, init_nlc=1.0 + i, test_error=0.1 + 0.02 * i, best_at_edge=i in {0, 29}, seconds=2.0)
        for i in range(30)
    ]
    folder = write_study(tmp_path / "study", [*rows, failed_row(30, seconds=40.0)])
    whole = summary(folder)
    (part,) = whole.parts
    assert (whole.architectures, whole.failed, whole.runs, whole.diverged_runs) == (31, 1, 90, 30)
    assert whole.seconds == 100
    assert part.best_nlc == (1, 2, 3)
    assert part.best_in_range == 3
    # errors reach 0.5, the threshold for three classes, with architecture 20
    assert (part.better_than_guessing, part.best_at_edge) == (20, 1)
    assert (part.stated, part.correlation.n) == ((0.67,), 30)
    assert summarize(load(folder)) == whole


def test_pruned_runs_are_counted_and_said(tmp_path: Path) -> None:
    found = load(write_study(tmp_path / "study", [architecture_row(i) for i in range(4)]))
    assert "pruned" not in sentences(summarize(found).parts[0])[0]
    found.runs.loc[found.runs["run"] == 0, "status"] = "pruned"
    assert sentences(summarize(found).parts[0])[0].endswith("12 training runs, 4 of them diverged, 4 pruned.")
    assert summarize(found).pruned_runs == 4
