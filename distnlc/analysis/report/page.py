"""The report of a study: one HTML file that opens without a network, and the figures as files beside it.

In: a study of any kind, finished or not, and the report of its kind. Out: index.html, and NAME.png and NAME.svg for
every figure, in DIR/report or another folder. The page holds answers in sentences, the explorer (explorer.py), every
figure and table with its numbers, how the study was run (provenance.py), the columns. What the records do not allow is
said, with what would allow it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from plotly.offline import get_plotlyjs

from distnlc import store
from distnlc.analysis.drawing import figure as drawing
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError, explained
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report import provenance
from distnlc.analysis.report.explorer import explorer
from distnlc.analysis.report.model import Answers, Figure, PartAnswers, Report, TableOf
from distnlc.analysis.tables import Tables

TEMPLATES = Path(__file__).parent / "templates"
LARGE_SVG = 300_000
"""bytes, beyond which the page holds a figure as pixels"""
ELSEWHERE = "`distnlc report DIR --out FOLDER` writes it elsewhere"
SENTENCE = 60
"""characters, beyond which a table's cells are read as sentences, which are wrapped"""
DOTS_PER_INCH = 96
"""of a page, where letters should have the same size in every figure"""


@dataclass(frozen=True)
class Missing:
    """A figure or table that the records do not allow, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the page needs it."""

    figure: Figure
    drawing: Drawing
    png: bytes
    svg: bytes
    image: str
    """a data address"""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the page."""
        width, height = DOTS_PER_INCH * self.drawing.figure.get_size_inches()
        return round(width), round(height)

    @property
    def numbers(self) -> list[dict[str, str]]:
        """The table of the correlations, one row per panel."""
        return [_numbers(panel) for panel in self.drawing.panels]


@dataclass(frozen=True)
class ShownTable:
    """A table as the page needs it, with the pictures that belong to it."""

    entry: TableOf
    table: Table
    figures: Sequence[ShownFigure]


@dataclass(frozen=True)
class Written:
    """A report that is written."""

    place: str
    """of its page"""
    lead: Sequence[str]
    """paragraphs on all parts together: those of the answers, and of the tables"""


def write_page(
    folder: str | Path,
    tables: Tables,
    report: Report,
    out: str | Path | None = None,
    answers: Answers | None = None,
) -> Written:
    """Writes DIR/report of a study folder, or s3:// address, or the folder `out`.

    answers: those of the report, if they are there already. Raises store.StoreError if it cannot be written.
    """
    missing = list[Missing]()
    figures, shown = list[ShownFigure](), list[ShownTable]()
    for figure in report.figures:
        try:
            figures.append(_show(figure, figure.draw(tables)))
        except MissingRecordsError as error:
            missing.append(Missing(figure.title, explained(error, figure.presets)))
    for entry in report.tables:
        pictures = [one for one in figures if one.figure.beside == entry.name]
        try:
            shown.append(ShownTable(entry, entry.tabulate(tables), pictures))
        except MissingRecordsError as error:
            missing.append(Missing(entry.title, explained(error, entry.presets)))
    files = {f"{one.figure.name}.png": one.png for one in figures}
    files |= {f"{one.figure.name}.svg": one.svg for one in figures}
    answers = report.answers(tables) if answers is None else answers
    said = (answers.overview, *(one.table.overview for one in shown)) if len(tables.first) else ()
    lead = [" ".join(sentences) for sentences in said if sentences]
    files["index.html"] = _page(folder, tables, report, answers, lead, figures, shown, missing).encode()
    place, within = (store.place_of(folder), "report/") if out is None else (store.place_of(out), "")
    return Written(write_files(place, {within + name: data for name, data in files.items()}), lead)


def write_files(place: store.Place, files: Mapping[str, bytes]) -> str:
    """Writes them and gives the address of the last, the page. Raises store.StoreError."""
    try:
        for name, data in files.items():
            place.write(name, data)
    except OSError as error:
        where = place.where(name)
        raise store.StoreError(f"{where}: cannot be written: {error.strerror or error}; {ELSEWHERE}") from None
    return place.where(name)


def _show(figure: Figure, drawn: Drawing) -> ShownFigure:
    pixels = drawing.pixels(drawn)
    drawn.figure.set_layout_engine("none")  # all has its place now; to find it again takes as long as the drawing
    svg = drawing.encoded(drawn, "svg")
    kind, data = ("svg+xml", svg) if len(svg) <= LARGE_SVG else ("webp", drawing.image(pixels, "webp"))
    png = drawing.image(pixels, "png")
    return ShownFigure(figure, drawn, png, svg, f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def _numbers(panel: drawing.Panel) -> dict[str, str]:
    """One row of the table under a figure."""
    c = panel.correlation
    return {
        "": panel.title,
        "Pearson": text.coefficient(c.pearson),
        "95% interval": "–" if c.undefined else f"{c.low:.2f} to {c.high:.2f}",
        "p": text.probability(c.p_value),
        "Spearman (p)": f"{text.coefficient(c.spearman)} ({text.probability(c.spearman_p)})",
        "Kendall (p)": f"{text.coefficient(c.kendall)} ({text.probability(c.kendall_p)})",
        "paper": drawing.stated(panel),
        "rows used": f"{c.n} of {c.n_in}",
        "left out": (text.by_reason(c.left_out) or "none left out") + (f"; {c.undefined}" if c.undefined else ""),
    }


def _page(
    folder: str | Path,
    tables: Tables,
    report: Report,
    answers: Answers,
    lead: Sequence[str],
    figures: Sequence[ShownFigure],
    shown: Sequence[ShownTable],
    missing: Sequence[Missing],
) -> str:
    fields: dict[str, Any] = store.read_spec_fields(folder)
    sessions = store.read_sessions(folder)
    points = explorer(tables, report.points) if report.points else None
    return rendered(
        "report.html.j2",
        name=str(fields.get("name", "study")),
        about=str(fields.get("summary", "")),
        answers=answers,
        lead=lead,
        parts=[(part, _further(part, shown)) for part in answers.parts],
        empty=tables.first.empty,
        explorer=points,
        figures=[one for one in figures if not one.figure.beside],
        tables=shown,
        missing=missing,
        account=provenance.sentences(tables, answers, sessions),
        account_tables=provenance.frames(tables, answers, sessions),
        columns=provenance.columns(tables),
        spec=store.place_of(folder).read("study.yaml").decode(),
        html=_html,
        script=(TEMPLATES / "explorer.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs() if points else "",
    )


def rendered(template: str, **content: Any) -> str:
    """A page in the frame of all reports."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(style=style, **content)


def _further(part: PartAnswers, shown: Sequence[ShownTable]) -> list[str]:
    """The tables' remarks on a part."""
    remarks = [remark for one in shown for remark in one.table.part_remarks.get(part.title, ())]
    return [remark[0].upper() + remark[1:] for remark in remarks]


def _html(frame: pd.DataFrame, index: bool = True) -> str:
    """A frame of strings as HTML, what they say escaped."""
    classes = "numbers" if index else "rows"
    if frame.map(lambda cell: len(str(cell)) > SENTENCE).any(axis=None):
        classes += " sentences"
    return frame.to_html(border=0, index=index, index_names=False, classes=classes)
