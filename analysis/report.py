"""The report of a study: one HTML file that opens without a network, and the figures as files beside it.

In: a study folder, finished or not. Out: DIR/report/index.html, and NAME.png and NAME.svg for every figure.
What the records do not allow is said in the place where it would stand.

    python -m analysis.report DIR
"""

import argparse
import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pandas as pd

from analysis import text
from analysis.contents import FIGURES, TABLES
from analysis.figures import drawing
from analysis.figures.drawing import Drawing, MissingRecordsError
from analysis.figures.interactive import figure2_html
from analysis.headline import sentences, summarize
from analysis.load import Tables, load
from analysis.tables import MeasuredError, Table
from distnlc import store
from distnlc.records import FAILED


@dataclass(frozen=True)
class Shown:
    """A figure or table as the page needs it, or why it is missing."""

    title: str
    missing: str = ""
    name: str = ""
    caption: str = ""
    svg: bytes = b""
    image: str = ""
    """the SVG as a data address"""
    numbers: tuple[Mapping[str, str], ...] = ()
    sections: tuple[tuple[str, str], ...] = ()
    """heading and HTML of each table of ready-to-show values"""
    remarks: tuple[str, ...] = ()


def write_report(folder: str | Path, out: str | Path | None = None) -> str:
    """Writes the report of a study folder, or s3:// address, into `out` (default DIR/report); gives the page's place.

    Raises store.StoreError if `folder` is no study or `out` cannot be written.
    """
    place, room = (store.place_of(folder), "report/") if out is None else (store.place_of(out), "")
    tables = load(folder)
    drawings = [_draw(module, tables) for module in FIGURES]
    files = {f"{each.name}.png": drawing.encoded(each, "png") for each in drawings if isinstance(each, Drawing)}
    shown = [_show(each) if isinstance(each, Drawing) else each for each in drawings]
    files |= {f"{each.name}.svg": each.svg for each in shown if each.name}
    files["index.html"] = _render(tables, store.read_spec_fields(folder), shown).encode()
    try:
        for name, data in files.items():
            place.write(room + name, data)
    except OSError as error:
        raise store.StoreError(f"{place.where(room)}: cannot write the report: {error.strerror or error}") from None
    return place.where(f"{room}index.html")


def _draw(module: ModuleType, tables: Tables) -> Drawing | Shown:
    try:
        drawn: Drawing = module.draw(tables)
    except MissingRecordsError as error:
        return _missing(module, error)
    return drawn


def _tabulate(module: ModuleType, tables: Tables) -> Shown:
    try:
        table: Table = module.tabulate(tables)
    except (MissingRecordsError, MeasuredError) as error:
        return _missing(module, error)
    return Shown(
        title=table.title,
        caption=table.caption,
        sections=tuple((heading, _html(frame)) for heading, frame in table.sections),
        remarks=tuple(table.remarks),
    )


def _missing(module: ModuleType, error: ValueError) -> Shown:
    return Shown(title=(module.__doc__ or "").partition(":")[0], missing=str(error))


def _html(frame: pd.DataFrame) -> str:
    return frame.to_html(border=0, classes="numbers", index_names=False)


def _show(drawn: Drawing) -> Shown:
    """A figure prepared for the page."""
    svg = drawing.encoded(drawn, "svg")
    return Shown(
        title=drawn.title,
        name=drawn.name,
        caption=drawn.caption,
        svg=svg,
        image="data:image/svg+xml;base64," + base64.b64encode(svg).decode(),
        numbers=tuple(_numbers(panel) for panel in drawn.panels),
        sections=() if drawn.table is None else (("", _html(drawn.table)),),
        remarks=tuple(drawn.remarks),
    )


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


def _render(tables: Tables, fields: Mapping[str, Any], figures: list[Shown]) -> str:
    whole = summarize(tables)
    architectures = tables.architectures
    failures = architectures[architectures["status"] == FAILED].sort_values(["part", "index"])
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        name=str(fields.get("name", "study")),
        about=str(fields.get("summary", "")),
        whole=whole,
        parts=[(part, sentences(part)) for part in whole.parts],
        figures=figures,
        interactive=figure2_html(tables),
        tables=[_tabulate(module, tables) for module in TABLES],
        duration=text.duration,
        spec=json.dumps(fields, indent=2, default=str),
        failures=failures.to_dict("records"),
        retried=int((architectures["attempts"] > 1).sum()),
    )


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
