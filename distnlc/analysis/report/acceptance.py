"""All criteria of a study, figure by figure, and the table of them.

In: what is judged, and what the table says below. Out: the criteria of everything that the study has rows for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Acceptance:
    """What is asked of the figures and tables of a kind."""

    title: str
    judged: Sequence[Judged]
    caption: str
    nothing: str
    """what a study lacks that has nothing to judge"""

    def criteria(self, tables: Tables) -> list[Criterion]:
        """Those of everything that the study has rows for."""
        return [one for each in self.judged for one in each.criteria(tables)]

    def tabulate(self, tables: Tables) -> Table:
        """Raises MissingRecordsError if there is nothing to judge."""
        found = self.criteria(tables)
        if not found:
            raise MissingRecordsError(self.nothing)
        return Table(self.caption, sections(found), tally(found))
