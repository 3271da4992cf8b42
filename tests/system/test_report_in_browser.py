"""The report in a real browser: it asks nothing of a network, and its explorer answers to pointing and clicking."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from distnlc.analysis.nlc.report import REPORT
from distnlc.analysis.report import index
from distnlc.analysis.report.page import write_page
from distnlc.analysis.statistics.correlations import correlate
from distnlc.analysis.tables import load
from distnlc.records import SKIPPED
from tests.helpers.synthetic import architecture_row, failed_row, write_study

playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on this machine")
PATIENCE_MS = 100_000
"""generous: a busy machine may take long to draw"""

EVIL = "<a href='https://elsewhere'><img src=x onerror=alert(1)></a>"  # plotly knows links
ROWS = [
    architecture_row(
        i,
        init_nlc=3.0 ** (i % 6),
        test_error=0.1 + 0.02 * i,
        activation=("relu", "tanh", EVIL)[i % 3],
        skip_strength=0.5 * (i % 2),
        best_run=i % 2,
        runs=4,
        diverged_runs=1,
    )
    for i in range(18)
]
OTHERS = [architecture_row(i, part="other", optimizer="adam", init_nlc=2.0 + i) for i in range(7)]
UNTRAINED = architecture_row(
    90, status=SKIPPED, reason="init_nlc", runs=None, best_run=None, best_rate=None, test_error=None, init_nlc=50.0
)


@dataclass
class Opened:
    """A page, and what it complained of or asked for since it was opened."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    def at(self, index: int, name: str = "test_error") -> tuple[float, float]:
        """Where the browser shows an architecture's point, in pixels of the window."""
        self.page.locator("#explorer-points").scroll_into_view_if_needed()
        row = next(row for row in ROWS if row.index == index)
        x, y = self.page.evaluate(
            """([x, y]) => {
                const plot = document.getElementById("explorer-points"), box = plot.getBoundingClientRect();
                const { xaxis, yaxis } = plot._fullLayout;
                return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
            }""",
            [row.init_nlc, getattr(row, name)],
        )
        return x, y

    def points(self, plot: str = "points") -> int:
        """How many points a plot shows, the ring around the chosen one not counted."""
        traces = self.page.evaluate(f"document.getElementById('explorer-{plot}').data.map((t) => [t.name, t.x.length])")
        return sum(count for name, count in traces if not name.startswith("chosen"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        playwright.expect.set_options(timeout=PATIENCE_MS)
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_study(tmp_path_factory.mktemp("seen") / "study", [*ROWS, *OTHERS, UNTRAINED, failed_row(91)])
    short = replace(REPORT, figures=REPORT.figures[1:2], tables=REPORT.tables[:1])  # a browser shows all alike
    return Path(write_page(folder, load(folder), short).place).resolve().as_uri()


@pytest.fixture(scope="module")
def page_of_all(browser: Any, address: str) -> Opened:
    """Opened once: the browser takes a second or two to read plotly."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    opened = Opened(page)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("console", lambda said: opened.complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("request", lambda request: opened.asked_for.append(request.url))
    page.goto(address)
    return opened


@pytest.fixture
def opened(page_of_all: Opened, address: str) -> Iterator[Opened]:
    """As a reader finds it; at the end, nothing went wrong and nothing was asked for."""
    page_of_all.page.set_viewport_size({"width": 1280, "height": 900})
    page_of_all.page.evaluate("document.getElementById('explorer-form').reset()")
    yield page_of_all
    assert page_of_all.complaints == []
    assert [url for url in page_of_all.asked_for if url != address and not url.startswith("data:")] == []


def test_pointing_at_a_point_shows_its_architecture(opened: Opened) -> None:
    """Also where its record holds markup, which the browser must show and not read."""
    assert opened.points() == len(ROWS)  # the first part
    opened.page.mouse.move(*opened.at(5))
    label = opened.page.locator("#explorer-points .hoverlayer")
    playwright.expect(label).to_contain_text("architecture 5, waveform-noise (SGD)")
    for said in ("depth 13, width 50", EVIL, "normalization layer, skip strength 0.5", "initial NLC 243", "0.2"):
        playwright.expect(label).to_contain_text(said)


def test_filters_reduce_the_points_and_renew_the_correlation(opened: Opened) -> None:
    page, numbers = opened.page, opened.page.locator("#explorer-numbers")

    def expected(rows: list[Any]) -> str:
        found = correlate([row.init_nlc for row in rows], [row.test_error for row in rows], log_x=True)
        return f"r = {found.pearson:.2f} (Pearson, log initial NLC and test error), n = {len(rows)};"

    playwright.expect(numbers).to_contain_text(expected(ROWS))
    page.get_by_text("Filter the architectures").click()
    page.get_by_role("checkbox", name="tanh", exact=True).check()
    tanh = [row for row in ROWS if row.activation == "tanh"]
    playwright.expect(numbers).to_contain_text(expected(tanh))
    assert opened.points() == len(tanh) == page.locator("#explorer-chosen option").count()
    page.get_by_role("checkbox", name=EVIL).check()
    page.get_by_role("checkbox", name="without").focus()
    page.keyboard.press("Space")  # the keyboard does as well
    without = [row for row in ROWS if row.activation != "relu" and row.skip_strength == 0]
    playwright.expect(numbers).to_contain_text(expected(without))
    page.get_by_role("button", name="Start again").click()
    playwright.expect(numbers).to_contain_text(expected(ROWS))
    page.get_by_label("Part of the study").select_option(label="all parts")
    playwright.expect(numbers).to_contain_text(f"n = {len(ROWS) + len(OTHERS)}; 1 without a value to show")


def test_a_click_draws_the_sweep_and_the_chosen_runs_curves(opened: Opened) -> None:
    page = opened.page
    for place in (7, 10):
        page.mouse.click(*opened.at(place))
        playwright.expect(page.locator("#explorer-marks-say")).to_have_text(
            f"Architecture {place}, waveform-noise (SGD): 4 runs, 3 ok, 0 pruned, 1 diverged."
        )
        playwright.expect(page.locator("#explorer-lines-say")).to_contain_text(f"Its chosen run, number {place % 2}")
        assert opened.points("marks") == 4
        assert page.locator("#explorer-marks .points path").count() == 4 + 1  # and the ring
        loss, error, rate = page.evaluate("document.getElementById('explorer-lines').data.map((t) => t.y)")
        assert (loss, error) == ([1.1], [0.2])
        assert all(math.isclose(each, 1e-3 * 3 ** (place % 2)) for each in rate)
    page.get_by_text("All that was drawn and measured").click()
    playwright.expect(page.locator("#explorer-about")).to_contain_text("arch0010")


def test_other_quantities_and_the_list_do_as_a_click_does(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Across (x)").select_option(label="depth")
    assert page.get_by_label("As in the paper").input_value() == "depth test_error"
    page.get_by_label("As in the paper").select_option(label="Figure 1: initial NLC, linear region")
    assert page.get_by_label("Across (x)").input_value() == "init_nlc"
    assert opened.points() == len(ROWS) + 1  # the untrained one was measured
    page.locator("#explorer-chosen").select_option(value=page.locator("option", has_text="90: ").get_attribute("value"))
    playwright.expect(page.locator("#explorer-marks-say")).to_have_text("Architecture 90 has no runs.")


def test_nothing_of_the_page_is_wider_than_a_phone(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 390, "height": 844})
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    contents = opened.page.locator("nav summary")
    assert contents.is_visible()
    contents.click()
    opened.page.get_by_role("link", name="How it was run").click()
    opened.page.wait_for_function("document.getElementById('account').getBoundingClientRect().top < 844")


def test_the_page_of_several_studies_leads_to_each_report_and_fits_a_phone(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports without figures: what a title leads to is what counts here."""
    monkeypatch.setattr(index, "report_of", lambda _: replace(REPORT, figures=[], tables=[], points=None))
    folders = [str(write_study(tmp_path / name, ROWS[:6])) for name in ("mine", "yours")]
    page, complaints = browser.new_page(viewport={"width": 390, "height": 844}), list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(Path(index.write_index(folders, tmp_path / "all")).resolve().as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#yours").get_by_role("link").click()
    playwright.expect(page.locator("#answers")).to_contain_text("6 of 6 architectures finished")
    assert page.url.endswith("/all/yours/index.html")
    assert complaints == []
    page.close()
