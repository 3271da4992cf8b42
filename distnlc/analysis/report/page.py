"""The report of a study: one HTML file that opens without a network, and the figures as files beside it.

In: a study folder, finished or not. Out: DIR/report/index.html, and NAME.png and NAME.svg for every figure.
What stands in it: answers in sentences, the explorer (explorer.py), every figure and table of contents.py with its
numbers, how the study was run (account.py). What the records do not allow is said, with what would allow it.

    python -m analysis.report DIR
"""

import argparse
import base64
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pandas as pd
from plotly.offline import get_plotlyjs

from distnlc import store
from distnlc.analysis.drawing import figure as drawing
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing, MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.load import Tables, load
from distnlc.analysis.nlc.answers import overview, sentences, summarize
from distnlc.analysis.nlc.report import FIGURES, TABLES
from distnlc.analysis.report import provenance as account
from distnlc.analysis.report.explorer import explorer

TEMPLATES = Path(__file__).parent / "templates"
LARGE_SVG = 300_000
"""bytes, beyond which the page holds a figure as pixels"""
DOTS_PER_INCH = 96
"""of a page, where letters should have the same size in every figure"""


@dataclass(frozen=True)
class Missing:
    """A figure or table that the records do not allow, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Shown:
    """A figure as the page needs it."""

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


def write_report(folder: str | Path, out: str | Path | None = None) -> str:
    """Writes the report of a study folder, or s3:// address, into `out` (default DIR/report); gives the page's place.

    Raises store.StoreError if `folder` is no study or `out` cannot be written.
    """
    place, room = (store.place_of(folder), "report/") if out is None else (store.place_of(out), "")
    tables = load(folder)
    drawn = [_made(module, "draw", tables) for module in FIGURES]
    figures = [_show(one) for one in drawn if isinstance(one, Drawing)]
    files = {f"{one.drawing.name}.png": one.png for one in figures}
    files |= {f"{one.drawing.name}.svg": one.svg for one in figures}
    tabulated = [_made(module, "tabulate", tables) for module in TABLES]
    missing = [one for one in (*drawn, *tabulated) if isinstance(one, Missing)]
    shown = [one for one in tabulated if isinstance(one, Table)]
    files["index.html"] = _page(folder, tables, figures, shown, missing).encode()
    try:
        for name, data in files.items():
            place.write(room + name, data)
    except OSError as error:
        raise store.StoreError(f"{place.where(room)}: cannot write the report: {error.strerror or error}") from None
    return place.where(f"{room}index.html")


def _made(module: ModuleType, function: str, tables: Tables) -> Drawing | Table | Missing:
    try:
        made: Drawing | Table = getattr(module, function)(tables)
    except MissingRecordsError as error:
        return Missing((module.__doc__ or "").partition(":")[0], str(error))
    return made


def _show(drawn: Drawing) -> Shown:
    png = drawing.encoded(drawn, "png")
    drawn.figure.set_layout_engine("none")  # all has its place now; to find it again takes as long as the drawing
    svg = drawing.encoded(drawn, "svg")
    kind, data = ("svg+xml", svg) if len(svg) <= LARGE_SVG else ("webp", drawing.encoded(drawn, "webp"))
    return Shown(drawn, png, svg, f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


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
        "left out": text.left_out(c).removeprefix("left out: ") + (f"; {c.undefined}" if c.undefined else ""),
    }


def _page(
    folder: str | Path, tables: Tables, figures: list[Shown], tabulated: list[Table], missing: list[Missing]
) -> str:
    whole = summarize(tables)
    fields: Mapping[str, Any] = store.read_spec_fields(folder)
    sessions = store.read_sessions(folder)
    shown = explorer(tables)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template("report.html.j2").render(
        name=str(fields.get("name", "study")),
        about=str(fields.get("summary", "")),
        whole=whole,
        overview=overview(whole.parts),
        parts=[(part, sentences(part), _ranked(part.title, tabulated)) for part in whole.parts],
        explorer=shown,
        figures=figures,
        tables=tabulated,
        missing=missing,
        account=account.sentences(whole, tables, sessions),
        account_tables=account.frames(whole, tables, sessions),
        spec=store.place_of(folder).read("study.yaml").decode(),
        html=_html,
        duration=text.duration,
        style=(TEMPLATES / "report.css").read_text(),
        script=(TEMPLATES / "explorer.js").read_text(),
        plotly=get_plotlyjs() if shown else "",
    )


def _ranked(title: str, tabulated: list[Table]) -> list[str]:
    """What the table of all metrics says of a part, without its title."""
    remarks = [remark for table in tabulated if table.name == "best_metric" for remark in table.remarks]
    own = [remark.removeprefix(f"{title}: ") for remark in remarks if remark.startswith(f"{title}: ")]
    return [remark[0].upper() + remark[1:] for remark in own]


def _html(frame: pd.DataFrame, index: bool = True) -> str:
    """A frame of strings as HTML, what they say escaped."""
    return frame.to_html(border=0, index=index, index_names=False, classes="numbers" if index else "rows")


def main(arguments: list[str] | None = None) -> int:
    """Writes the report of a study folder. Exit codes: 0 written, 2 wrong usage or not a study folder."""
    parser = argparse.ArgumentParser(description="Writes the HTML report of a study folder.")
    parser.add_argument("folder", metavar="DIR", help="a study folder or s3:// address")
    options = parser.parse_args(arguments)
    try:
        print(write_report(options.folder))
    except store.StoreError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
