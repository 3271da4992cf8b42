"""One page that leads to the reports of several studies, with the answers of each in a paragraph.

In: study folders, or s3:// addresses, of any kinds, and a folder for all that is written. Out: index.html there, and
beside it a folder for each study with its whole report, so that the folder can be moved or sent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distnlc import store
from distnlc.analysis.report.model import Answers
from distnlc.analysis.report.page import rendered, write_files, write_page
from distnlc.analysis.report.study import report_of
from distnlc.analysis.tables import Tables, load

SENTENCES = 4
"""shown of a study that has one part, and no sentence on all parts"""


@dataclass(frozen=True)
class Shown:
    """One study as the page needs it."""

    place: str
    """the folder of its report, beside the page"""
    name: str
    about: str
    kind: str
    facts: Sequence[tuple[str, str]]
    lead: Sequence[str]
    """paragraphs: its answers"""


def write_index(folders: Sequence[str], out: str | Path) -> str:
    """Writes the folder `out` and gives the place of its page. Raises store.StoreError."""
    every = [(folder, load(folder)) for folder in folders]  # before the first is drawn: one may be no study
    named = places(folders)
    for place in named:
        _check_no_study(f"{str(out).rstrip('/')}/{place}")
    shown = [_write(folder, tables, place, out) for (folder, tables), place in zip(every, named, strict=True)]
    about = f"{len(shown)} studies, each with its answers; a title leads to the whole report."
    page = rendered("index.html.j2", name=", ".join(one.name for one in shown), about=about, studies=shown)
    return write_files(store.place_of(out), {"index.html": page.encode()})


def places(folders: Sequence[str]) -> list[str]:
    """A name for each folder's report: its own, numbered where two have the same."""
    found = list[str]()
    for folder in folders:
        own = folder.rstrip("/").rpartition("/")[2] if "://" in folder else Path(folder).resolve().name
        name = re.sub(r"[^\w-]+", "-", own).strip("-") or "study"
        others = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in found)
        found.append(f"{name}-{others + 1}" if others else name)
    return found


def paragraph(tables: Tables, answers: Answers) -> str:
    """The first sentences of the only part, or of each: for a study without sentences on all parts together."""
    if tables.first.empty:
        return "No unit of this study has finished yet, so there is nothing to report."
    if len(answers.parts) == 1:
        return " ".join(answers.parts[0].sentences[:SENTENCES])
    if answers.parts:
        return " ".join(f"{part.title}: {part.sentences[0]}" for part in answers.parts if part.sentences)
    return f"{'. '.join(answers.work)}."


def _check_no_study(place: str) -> None:
    """Raises StoreError where a report would be written into a study's own folder."""
    try:
        store.read_spec_fields(place)
    except store.StoreError:
        return
    raise store.StoreError(
        f"{place}: is a study, and the reports' pages need a folder of their own; name another --out"
    )


def _write(folder: str, tables: Tables, place: str, out: str | Path) -> Shown:
    """One study's report, written beside the page."""
    report = report_of(tables.kind)
    answers = report.answers(tables)
    written = write_page(folder, tables, report, f"{str(out).rstrip('/')}/{place}", answers)
    fields: dict[str, Any] = store.read_spec_fields(folder)
    return Shown(
        place=place,
        name=str(fields.get("name", place)),
        about=str(fields.get("summary", "")),
        kind=tables.kind,
        facts=answers.facts,
        lead=written.lead or [paragraph(tables, answers)],
    )
