"""A kind's report, as data. `Kind.report` names it; page, explorer and command line show it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.scatter import Group
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.tables import Tables
from distnlc.records import Quantity


@dataclass(frozen=True)
class Figure:
    """One figure, drawn when it is asked for."""

    name: str
    """also the name of its files: figure2"""
    title: str
    draw: Callable[[Tables], Drawing]
    """raises MissingRecordsError where the study has no records for it"""
    presets: Sequence[str] = ()
    """the studies that give the records; none if it needs no records"""
    beside: str = ""
    """the table whose picture it is, if it is one's: it stands below that"""


@dataclass(frozen=True)
class TableOf:
    """One table, computed when it is asked for."""

    name: str
    title: str
    tabulate: Callable[[Tables], Table]
    """raises MissingRecordsError"""
    presets: Sequence[str] = ()


@dataclass(frozen=True)
class PartAnswers:
    """The answers about one part."""

    title: str
    summary: str
    """how many of what it has, where only its title is shown: `60 architectures`"""
    sentences: Sequence[str]


@dataclass(frozen=True)
class Answers:
    """A study's answers in words: the command line says them at its end, the page shows them at its top."""

    facts: Sequence[tuple[str, str]] = ()
    """(value, label): a few numbers for the head of the page"""
    work: Sequence[str] = ()
    """what was done, in sentences"""
    overview: Sequence[str] = ()
    """what all parts say together"""
    parts: Sequence[PartAnswers] = ()
    counts: pd.DataFrame | None = None
    """the parts in numbers, as strings, one row each; None: their units by status"""


@dataclass(frozen=True)
class PointsPart:
    """One part's points in the explorer."""

    title: str
    rows: pd.DataFrame
    """of the first table, one per point, with derived columns that filters name"""
    judged_by: str = ""
    """the column of marks and lines that says how good they are"""


@dataclass(frozen=True, kw_only=True)
class Details:
    """The display that a click on a point opens: the point's rows of one table as marks, and the rows of another table
    that belong to the chosen mark as lines."""

    marks: str
    """the table of the marks, which has a `status`"""
    noun: str
    """what one mark is: `run`"""
    key: str
    """the column that tells the marks of one unit apart"""
    chosen: str
    """the column of the first table that names the chosen mark by that key"""
    across: str
    """the column of the marks' x-axis; their y-axis is what the part is judged by"""
    lines: str
    """the table of the lines, which has the key too"""
    over: str
    """the column of their x-axis, whole numbers without gaps"""
    above: str
    """the column above the one that the part is judged by"""
    below: str
    """the column below it, which is constant over long stretches"""


@dataclass(frozen=True, kw_only=True)
class Points:
    """The explorer's content: the rows of the first table as points, in any two of its quantities."""

    noun: str
    """what one row is: `architecture`"""
    row: type
    """its dataclass, which declares labels and scales"""
    parts: Callable[[Tables], Sequence[PointsPart]]
    shown: Sequence[str]
    """groups of quantities: what was drawn and measured of a point; the numbers among them can be axes"""
    measured: Callable[[Tables], Mapping[str, Quantity]] = lambda _: {}
    """the columns of `parts` that `row` does not declare: metrics of groups and of the user's own"""
    hidden: Sequence[str] = ()
    """columns of these groups that say nothing to people"""
    named_by: Sequence[str] = ()
    """columns that are shown first, and are no axes"""
    described_by: Sequence[str] = ()
    """columns that stand in the box at a point"""
    pairs: Sequence[tuple[str, str, str]] = ()
    """what a paper plots: figure, x, y; the first that a study has is shown first"""
    filters: Sequence[str] = ()
    """columns, derived ones included, whose values can be ticked"""
    groups: Sequence[Group]
    group_of: Callable[[pd.DataFrame], ArrayLike]
    """place in `groups` of every row, (n,)"""
    details: Details | None = None


@dataclass(frozen=True)
class Report:
    """The answers, figures, tables and explorer of a kind of study."""

    answers: Callable[[Tables], Answers]
    figures: Sequence[Figure] = ()
    tables: Sequence[TableOf] = ()
    points: Points | None = None
