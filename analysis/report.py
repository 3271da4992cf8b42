"""The report of a study: one HTML file that opens without a network, and the figures as files beside it.

In: a study folder, finished or not. Out: DIR/report/index.html, and NAME.png and NAME.svg for every figure.
What the records do not allow is said in the place where it would stand.

    python -m analysis.report DIR
"""

import argparse
import base64
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pandas as pd

from analysis import text
from analysis.figures import drawing, figure2, figure3a
from analysis.figures.drawing import Drawing, MissingRecordsError
from analysis.figures.interactive import figure2_html
from analysis.headline import sentences, summarize
from analysis.load import Tables, load
from analysis.tables import MeasuredError, read_measured, written
from analysis.tables.table1 import table1
from analysis.tables.table2 import table2
from distnlc import store
from distnlc.records import FAILED

FIGURES: tuple[ModuleType, ...] = (figure2, figure3a)
"""in the order of the report; each module offers draw(tables) -> Drawing"""

TABLES: tuple[tuple[str, Callable[[Mapping[str, Any]], pd.DataFrame]], ...] = (
    ("Table 1: the NLC of activation functions and of networks built from them", table1),
    ("Table 2: the NLC of batch-norm ReLU networks of width 100", table2),
)


@dataclass(frozen=True)
class Shown:
    """A figure as the page needs it, or why it is missing."""

    title: str
    missing: str = ""
    name: str = ""
    caption: str = ""
    svg: bytes = b""
    image: str = ""
    """the SVG as a data address"""
    numbers: tuple[Mapping[str, str], ...] = ()


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
        return Shown(title=(module.__doc__ or "").partition(":")[0], missing=str(error))
    return drawn


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
    values, missing, settings = _tables()
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
        tables=values,
        tables_missing=missing,
        tables_settings=settings,
        duration=text.duration,
        spec=json.dumps(fields, indent=2, default=str),
        failures=failures.to_dict("records"),
        retried=int((architectures["attempts"] > 1).sum()),
    )


def _tables() -> tuple[list[tuple[str, str]], str, Mapping[str, Any]]:
    """The paper's tables as (title, HTML), or why they are missing; the settings they were measured with."""
    try:
        measured = read_measured()
        frames = [(title, written(table(measured))) for title, table in TABLES]
    except MeasuredError as error:
        return [], str(error), {}
    html = [(title, frame.to_html(border=0, classes="numbers", index_names=False)) for title, frame in frames]
    return html, "", measured.get("settings", {})


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
