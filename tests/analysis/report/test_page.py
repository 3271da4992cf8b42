"""The report is one page that needs no network, tells the truth about odd studies, and answers in numbers."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from distnlc.analysis.drawing import figure as drawing
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.nlc.answers import answers
from distnlc.analysis.nlc.report import REPORT
from distnlc.analysis.report import page as report
from distnlc.analysis.report.model import Report
from distnlc.analysis.report.page import write_page
from distnlc.analysis.tables import Tables, load
from distnlc.store import StoreError
from distnlc.studies import presets
from distnlc.studies.nlc.records import ArchitectureRow
from tests.helpers.synthetic import architecture_row, failed_row, paper_rows, write_study

SHORT = replace(
    REPORT,
    figures=[figure for figure in REPORT.figures if figure.name in {"figure2", "figure3a"}],
    tables=[table for table in REPORT.tables if table.name == "table2"],
)
"""The page treats all figures and tables alike; the tests of odd studies ask for every one of them."""
INF, NAN = float("inf"), float("nan")


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


def page_of(folder: Path, shown: Report = SHORT, tables: Tables | None = None) -> Page:
    return Page(write_page(folder, tables or load(folder), shown).place)


@pytest.fixture(scope="module")
def page(two_datasets: Path, tables: Tables) -> Page:
    return page_of(two_datasets, tables=tables)


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """For reports whose pictures nobody looks at: figures are made, but painting them takes too long."""
    monkeypatch.setattr(drawing, "encoded", lambda drawn, kind: f"<{kind}: {drawn.caption}>".encode())
    monkeypatch.setattr(drawing, "pixels", lambda drawn: drawn.caption)
    monkeypatch.setattr(drawing, "image", lambda drawn, kind: f"<{kind}: {drawn}>".encode())


def test_needs_no_network(page: Page) -> None:
    # Data addresses, places in the page, and links to the figures' files beside it; nothing else.
    allowed = re.compile(r"data:.*|#\w+|\w+\.(png|svg)")
    assert all(allowed.fullmatch(address) for address in page.loads)
    text = page.path.read_text(encoding="utf-8")
    assert "@import" not in text.split("</style>")[0]
    assert text.count("plotly.js v") == 1


@pytest.mark.usefixtures("unpainted")
def test_a_figure_with_many_points_is_a_picture_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LARGE_SVG", 5)
    page = page_of(write_study(tmp_path / "study", [architecture_row(0)]))
    assert sum(address.startswith("data:image/webp;base64,") for address in page.loads) == 2
    assert (page.path.parent / "figure2.svg").exists()


def test_figures_lie_beside_the_page(page: Page) -> None:
    written = {path.name for path in page.path.parent.iterdir()}
    assert written == {"index.html", *(f"figure{n}.{kind}" for n in ("2", "3a") for kind in ("png", "svg"))}
    assert sum(address.startswith("data:image/svg+xml;base64,") for address in page.loads) == 2


def test_answers_stand_on_the_page(page: Page, tables: Tables) -> None:
    for part in answers(tables).parts:
        for sentence in part.sentences:
            assert sentence in page.text
    for said in ("1 (unit failed)", "two datasets", "out of memory", "kind: nlc", "no value stated", "0.81"):
        assert said in page.text
    assert "nonlinearity coefficient before training" in page.text, "its columns are explained"


@pytest.mark.usefixtures("unpainted")
@pytest.mark.slow
def test_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", paper_rows(12))
    first, again = (page_of(folder).path.read_bytes() for _ in range(2))
    assert first == again


@pytest.mark.usefixtures("unpainted")
@pytest.mark.slow
def test_every_figure_and_table_stands_on_the_page_and_in_its_contents(
    tmp_path: Path, drawn: Callable[[str], Drawing]
) -> None:
    """The paper's study has all of them."""
    folder = write_study(tmp_path / "study", paper_rows(9))
    made = {table.name: table.tabulate(load(folder)) for table in REPORT.tables}
    figures = [replace(each, draw=lambda _, name=each.name: drawn(name)) for each in REPORT.figures]
    tables = [replace(each, tabulate=lambda _, name=each.name: made[name]) for each in REPORT.tables]
    page = page_of(folder, replace(REPORT, figures=figures, tables=tables))
    remarks = [(each, drawn(each.name).caption, drawn(each.name).remarks) for each in figures]
    remarks += [(each, made[each.name].caption, made[each.name].all_remarks) for each in tables]
    for each, caption, said in remarks:
        assert page.text.count(each.title) >= 2  # in the contents and over it
        assert f"#{each.name}" in page.loads
        for sentence in (caption, *said):
            assert " ".join(sentence.split()) in page.text
    of_part = made["best_metric"].part_remarks["MNIST (SGD)"][0]
    assert of_part[0].upper() + of_part[1:] in page.text, "a part's remarks stand with its answers too"
    assert "What is missing" not in page.text
    assert set(re.findall(r'href="#(\w+)"', page.path.read_text())) <= page.places


@pytest.mark.usefixtures("unpainted")
def test_text_from_records_cannot_become_markup(page: Page, tmp_path: Path) -> None:
    evil = "<script>alert(1)<script>"
    rows = [architecture_row(0, activation=evil), failed_row(1, reason=evil)]
    odd = page_of(write_study(tmp_path / "study", rows, name=evil, summary=evil))
    assert odd.scripts == page.scripts == 3  # data, plotly, the explorer
    assert odd.text.count(evil) == 7  # title, heading, summary, a filter, reason, and twice in the spec


@pytest.mark.slow
def test_text_from_records_is_no_markup_in_the_figures_either(tmp_path: Path) -> None:
    """Two parts of one kind are told apart by their names, which stand over the panels; LaTeX is a language too."""
    evil = "</script><script>alert(1)</script> $\\frac{$ <a href='https://elsewhere'>"
    named = {"activation": evil, "dataset": evil}
    rows = [architecture_row(index, part=part, **named) for index, part in enumerate((evil, "b", evil, "b"))]
    written = page_of(write_study(tmp_path / "study", rows)).path
    for path in (written, written.with_name("figure2.svg")):
        content = path.read_text(encoding="utf-8")
        assert "<script>alert" not in content
        assert "<a href='https" not in content
    assert "&lt;a href=" in written.read_text(encoding="utf-8").replace("\\u0026", "&"), "what a point's box says"


@pytest.mark.parametrize(
    "changes",
    [{"dataset": "\x1b[2J"}, {"optimizer": "\x1b]0;owned\x07"}, {"criterion": ""}, {"part": "a\x1b[2J"}],
)
def test_rows_that_no_distnlc_writes_are_refused_in_one_line(tmp_path: Path, changes: dict[str, str]) -> None:
    folder = write_study(tmp_path / "study", [architecture_row(0, **changes)])
    with pytest.raises(StoreError, match=r"^the rows of part .* are not distnlc's: ") as caught:
        page_of(folder)
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("unpainted")
@pytest.mark.slow
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [failed_row(0), failed_row(1)],
        [architecture_row(0)],
        [architecture_row(i) for i in range(5)],
        [
            *(architecture_row(i, init_nlc=1.0 + i) for i in range(4)),
            *(failed_row(i, part="mnist", dataset="mnist", d_out=10) for i in range(4)),
        ],
        [
            architecture_row(i, init_nlc=1.0 + i, init_relative_diameter=v, trained_perturbation=v, init_bias=v)
            for i, v in enumerate((0.0, INF, NAN, None))
        ],
        [architecture_row(i, init_nlc=v, test_error=0.5) for i, v in enumerate((INF, NAN, -1.0, 0.0))],
        [architecture_row(i, init_nlc=2.0 + i, test_error=None, status="diverged") for i in range(3)],
        [architecture_row(i, init_nlc=2.0 + i, criterion="training-error", train_error=0.1 * i) for i in range(5)],
    ],
    ids=[
        *("nothing", "all failed", "one row", "all the same", "a part without values", "not finite", "no usable NLC"),
        *("diverged", "training error"),
    ],
)
def test_odd_studies_have_a_report_that_names_the_presets_that_would_help(
    tmp_path: Path, rows: list[ArchitectureRow]
) -> None:
    folder = write_study(tmp_path / "study", rows)
    tables = load(folder)
    page = page_of(folder, REPORT, tables)
    for part in answers(tables).parts:
        assert part.sentences[0] in page.text
    assert ("so there is nothing to report" in page.text) == (not rows)
    assert re.search(r"\bnan\b", page.text.partition("Columns of")[0]) is None
    known = {name for named in presets().values() for name in named}
    missing = re.findall(r"<dd>(.*?)</dd>", page.path.read_text(), flags=re.DOTALL)
    for reason in missing:
        named = set(
            reason.rpartition("; the presets ")[2].removesuffix(" give them.").replace(" and ", ", ").split(", ")
        )
        assert "paper" in named
        assert named <= known
    if not rows:
        assert len(missing) > 15
        assert "no architecture has both initial NLC and test error" in page.text
    if tables.architectures["init_nlc"].isna().all():
        assert page.scripts == 0, "there is nothing to explore"


def test_axes_of_one_value_and_of_none_can_be_drawn(tmp_path: Path) -> None:
    others = [failed_row(i, part="mnist", dataset="mnist", d_out=10) for i in range(4)]
    tables = load(write_study(tmp_path / "study", [architecture_row(0), *others]))
    figure2 = next(figure for figure in REPORT.figures if figure.name == "figure2").draw(tables)
    assert drawing.encoded(figure2, "png").startswith(b"\x89PNG")
    assert [panel.correlation.undefined for panel in figure2.panels] == [
        "0 usable rows, at least 3 are needed",
        "1 usable rows, at least 3 are needed",
    ]


@pytest.mark.usefixtures("unpainted")
def test_a_report_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", [])
    (folder / "report").write_text("")
    with pytest.raises(StoreError, match=r"report/index\.html: cannot be written: .*report DIR --out FOLDER"):
        page_of(folder)


def test_a_table_of_sentences_wraps_and_one_of_numbers_does_not() -> None:
    assert 'class="dataframe numbers sentences"' in report._html(pd.DataFrame({"found": ["word " * 20]}))
    assert 'class="dataframe numbers"' in report._html(pd.DataFrame({"found": ["0.62 [0.50, 0.70]"]}))
