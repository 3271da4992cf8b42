"""What the report of a study of networks at initialization answers and shows."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from distnlc.analysis import EXAMPLES
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc_initial import confounders, he_networks, precision, spheres, table1, table2
from distnlc.analysis.nlc_initial.movements import CHANGES, movements
from distnlc.analysis.nlc_initial.parts import PRESETS
from distnlc.analysis.report import Answers, Figure, PartAnswers, Report, TableOf
from distnlc.analysis.tables import Tables, load
from distnlc.records import FAILED
from distnlc.studies.nlc_initial.records import METRICS

Shown = TypeVar("Shown")


def answers(tables: Tables) -> Answers:
    """How near the tables come to the paper's, which metrics move, and each claim's sentence."""
    rows, said = tables.networks, list[str]()
    failed, taken = (rows["status"] == FAILED).sum(), text.duration(rows["seconds"].sum())
    with suppress(MissingRecordsError):
        said.append(f"Table 1, measured / paper: {table1.ratios(tables)}.")
    with suppress(MissingRecordsError):
        said.append(f"Table 2, measured / paper: {table2.ratios(tables)}.")
    with suppress(MissingRecordsError):
        moved, changes = movements(tables), CHANGES
        counts = {metric: sum(moved.moves(change, metric) for change in changes) for metric in moved.metrics}
        listed = ", ".join(f"{METRICS[metric].label} {count}" for metric, count in counts.items())
        said.append(f"Under how many of {len(changes)} changes that do not matter each metric moves: {listed}.")
    for answer in (table1.compounding, table1.linear_error, he_networks.answer, precision.answer):
        with suppress(MissingRecordsError):
            said.append(answer(tables))
    return Answers(
        work=[f"{len(rows)} units ({failed} failed), {taken} one after the other"],
        parts=[PartAnswers("Networks before training", f"{len(rows)} units", said)] if said else (),
    )


REPORT = Report(
    answers,
    figures=[Figure("table2_spheres", spheres.TITLE, spheres.draw, PRESETS, beside="table2")],
    tables=[
        TableOf("table1", table1.TITLE, table1.tabulate, PRESETS),
        TableOf("table2", table2.TITLE, table2.tabulate, PRESETS),
        TableOf("confounders", confounders.TITLE, confounders.tabulate, PRESETS),
        TableOf("he_networks", he_networks.TITLE, he_networks.tabulate, PRESETS),
        TableOf("precision", precision.TITLE, precision.tabulate, PRESETS),
    ],
)


def _shipped(make: Callable[[Tables], Shown]) -> Callable[[Tables], Shown]:
    """The same of the study that ships with distnlc, whatever study it is asked for."""
    return lambda _: make(load(EXAMPLES / "nlc_initial"))


NOTE = " (from the shipped study of kind nlc-initial)"
SHIPPED_FIGURES = [
    replace(each, title=each.title + NOTE, draw=_shipped(each.draw), presets=()) for each in REPORT.figures
]
SHIPPED_TABLES = [
    replace(each, title=each.title + NOTE, tabulate=_shipped(each.tabulate), presets=()) for each in REPORT.tables
]
"""for the reports of kinds that do not measure these themselves"""
