"""A study folder in; its answers in words, its report, one of its figures or one of its tables out.

This is what the command line calls; a kind is asked for its `Report`, and a kind without one, or one that is not
installed, still gets a page.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from distnlc import store
from distnlc.analysis.drawing import figure as drawing
from distnlc.analysis.drawing import table as tabulation
from distnlc.analysis.drawing.missing import MissingRecordsError, explained
from distnlc.analysis.report.model import Answers, Figure, Report, TableOf
from distnlc.analysis.report.page import write_page
from distnlc.analysis.tables import Tables, load, row_types_of
from distnlc.plugins import kind_of, loaded
from distnlc.records import FAILED
from distnlc.spec import SpecError

FORMS = (".png", ".svg", ".pdf")
Entry = TypeVar("Entry", Figure, TableOf)


def report_of(kind: str) -> Report:
    """The report of a kind; counts alone where it has none or is not installed."""
    reference = kind_of(kind).report if row_types_of(kind) else None
    report: Report = loaded(reference) if reference else Report(counted)
    return report


def counted(tables: Tables) -> Answers:
    """How many units there are, for a kind that says no more."""
    failed = int((tables.first["status"] == FAILED).sum())
    return Answers(work=[f"{len(tables.first)} units ({failed} failed)"])


def closing(tables: Tables) -> list[str]:
    """The sentences that a study ends with, one a line."""
    answers = report_of(tables.kind).answers(tables)
    said = list(answers.work)
    for part in answers.parts:
        said += [f"{part.title}:", *part.sentences] if len(answers.parts) > 1 else part.sentences
    return said


def has_report(tables: Tables) -> bool:
    """Whether the study's kind has more to show than counts."""
    report = report_of(tables.kind)
    return bool(report.figures or report.tables or report.points)


def write_report(folder: str | Path, tables: Tables | None = None, out: str | Path | None = None) -> str:
    """Writes DIR/report, or the folder `out`: index.html, and NAME.png and NAME.svg for every figure.

    Gives the page's place. `tables`: of that folder, if they are read already. Raises store.StoreError.
    """
    tables = tables or load(folder)
    return write_page(folder, tables, report_of(tables.kind), out).place


def figure_names(folder: str) -> list[str]:
    """One line per figure of the study's kind: its name and title. Raises store.StoreError."""
    return _listed(report_of(_kind(folder)).figures, folder, "figures")


def table_names(folder: str) -> list[str]:
    """One line per table of the study's kind that can be printed. Raises store.StoreError."""
    return _listed(report_of(_kind(folder)).tables, folder, "tables")


def write_figure(folder: str, name: str, out: Path | None) -> list[str]:
    """Draws one figure into `out`, by default DIR/report/NAME.png; gives its title, numbers, remarks and place.

    Raises SpecError for a name or an ending that there is not, MissingRecordsError and store.StoreError.
    """
    if out is not None and out.suffix.lower() not in FORMS:
        raise SpecError(f"--out {out}: expected a name that ends in {', '.join(FORMS)}")
    figure = _named(report_of(_kind(folder)).figures, name, folder, "figure")
    try:
        drawn = figure.draw(load(folder))
    except MissingRecordsError as error:
        raise MissingRecordsError(f"{figure.title}: {explained(error, figure.presets)}") from None
    place, file = store.place_of(folder), f"report/{name}.png"
    if out is not None:
        place, file = store.place_of(out.parent), out.name
    written = _write(place, file, drawing.encoded(drawn, file.rpartition(".")[2].lower()))
    return [figure.title, *drawing.lines(drawn), f"written: {written}"]


def table_lines(folder: str, name: str, out: Path | None = None) -> list[str]:
    """One table for a terminal; if `out` is named the text goes there, and its place is given.

    Raises SpecError for an unknown name, MissingRecordsError and store.StoreError.
    """
    table = _named(report_of(_kind(folder)).tables, name, folder, "table")
    try:
        lines = [table.title, *tabulation.lines(table.tabulate(load(folder)))]
    except MissingRecordsError as error:
        raise MissingRecordsError(f"{table.title}: {explained(error, table.presets)}") from None
    if out is None:
        return lines
    text = "\n".join([*lines, ""])
    return [f"written: {_write(store.place_of(out.parent), out.name, text.encode())}"]


def _write(place: store.Place, file: str, data: bytes) -> str:
    """The address of the file, written. Raises store.StoreError."""
    try:
        place.write(file, data)
    except OSError as error:
        where = place.where(file)
        raise store.StoreError(f"{where}: cannot be written: {error.strerror or error}; --out names a file") from None
    return place.where(file)


def _kind(folder: str) -> str:
    return str(store.read_spec_fields(folder).get("kind"))


def _listed(entries: Sequence[Figure] | Sequence[TableOf], folder: str, what: str) -> list[str]:
    width = max((len(entry.name) for entry in entries), default=0)
    return [f"{entry.name:<{width}}  {entry.title}" for entry in entries] or [
        f"studies of kind {_kind(folder)} have no {what}"
    ]


def _named(entries: Sequence[Entry], name: str, folder: str, what: str) -> Entry:
    for entry in entries:
        if entry.name == name:
            return entry
    there = ", ".join(entry.name for entry in entries) or "none"
    raise SpecError(f"{folder}: no {what} {name!r} of a study of kind {_kind(folder)}; there are: {there}")
