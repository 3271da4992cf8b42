"""All criteria of a study, figure by figure, and the table of them."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report.criteria import Criterion, sections, tally
from distnlc.analysis.tables import Tables


class Judged(Protocol):
    """A module of a figure or a table."""

    def criteria(self, tables: Tables) -> list[Criterion]:
        """Its criteria; none without rows."""
        ...


def criteria_of(judged: Iterable[Judged], tables: Tables) -> list[Criterion]:
    """Those of everything that the study has rows for."""
    return [one for each in judged for one in each.criteria(tables)]


def table_of(found: Sequence[Criterion], caption: str, nothing: str) -> Table:
    """The table of all. Raises MissingRecordsError, which says `nothing`, if there is nothing to judge."""
    if not found:
        raise MissingRecordsError(nothing)
    return Table(caption, sections(found), tally(found))
