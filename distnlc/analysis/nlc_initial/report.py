"""What the report of a study of networks at initialization answers and shows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from distnlc.analysis import EXAMPLES
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc_initial import confounders, spheres, table1, table2
from distnlc.analysis.nlc_initial.parts import PRESETS
from distnlc.analysis.report import Answers, Figure, Report, TableOf
from distnlc.analysis.tables import Tables, load
from distnlc.records import FAILED
from distnlc.studies.nlc_initial.records import METRICS


def answers(tables: Tables) -> Answers:
    """How near the tables come to the paper's, and which metrics move; of the parts that the study has."""
    rows = tables.networks
    failed = (rows["status"] == FAILED).sum()
    work = f"{len(rows)} units ({failed} failed), {text.duration(rows['seconds'].sum())} one after the other"
    overview = []
    for sentence in (_table1, _table2, _confounders):
        try:
            overview.append(sentence(tables))
        except MissingRecordsError:
            continue
    return Answers(work=[work], overview=overview)


def _table1(tables: Tables) -> str:
    rows = table1.measured(tables)
    shallow, deep = (
        dict(zip(table1.ACTIVATIONS, (a / b for a, b in zip(rows[row], table1.STATED[row], strict=True)), strict=True))
        for row in "BD"
    )
    steady = [ratio for name, ratio in deep.items() if name not in table1.UNSTABLE]
    return (
        f"table 1, measured / paper: {table1.span(shallow.values())} at depth 2; {table1.span(steady)} at depth 49, "
        "square and odd square left out"
    )


def _table2(tables: Tables) -> str:
    ratios = [value / table2.STATED[depth] for depth, value in table2.measured(tables).items()]
    return f"table 2, measured / paper: {table1.span(ratios)}"


def _confounders(tables: Tables) -> str:
    moved = confounders.movements(tables)
    counts = {
        quantity.label: sum(moved.moves(change, metric) for change in confounders.CHANGES)
        for metric, quantity in METRICS.items()
    }
    said = ", ".join(f"{label} {count}" for label, count in counts.items())
    return f"under how many of {len(confounders.CHANGES)} changes that do not matter each metric moves: {said}"


REPORT = Report(
    answers,
    figures=[Figure("table2_spheres", spheres.TITLE, spheres.draw, PRESETS, beside="table2")],
    tables=[
        TableOf("table1", table1.TITLE, table1.tabulate, PRESETS),
        TableOf("table2", table2.TITLE, table2.tabulate, PRESETS),
        TableOf("confounders", confounders.TITLE, confounders.tabulate, PRESETS),
    ],
)


@lru_cache(maxsize=1)
def _example() -> Tables:
    return load(EXAMPLES / "nlc_initial")


def shipped(shown: Sequence[Figure | TableOf]) -> list[Any]:
    """The same figures or tables of the study that ships with distnlc, whatever study they are asked for."""
    note = " Measured in the study of kind nlc-initial that ships with distnlc, not in this one."

    def of_example(make: Callable[[Tables], Any]) -> Callable[[Tables], Any]:
        def made(_: Tables) -> Any:
            finished = make(_example())
            return replace(finished, caption=finished.caption + note)

        return made

    return [
        replace(each, draw=of_example(each.draw), presets=())
        if isinstance(each, Figure)
        else replace(each, tabulate=of_example(each.tabulate), presets=())
        for each in shown
    ]
