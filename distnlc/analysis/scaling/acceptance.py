"""All criteria of a study of the scaling calculus, table by table and figure by figure, and the table of them."""

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report.criteria import OPEN, Criterion, sections, tally
from distnlc.analysis.scaling import biases, figure1, figure2, figure3, residual, table1, table2
from distnlc.analysis.tables import Tables

TITLE = "What is asked of tables and figures"
SUBJECTS = (table1, figure1, figure2, biases, table2, figure3, residual)


def criteria(tables: Tables) -> list[Criterion]:
    """Those of everything that the study has rows for."""
    return [one for subject in SUBJECTS for one in subject.criteria(tables)]


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError if there is nothing to judge."""
    found = criteria(tables)
    if not found:
        raise MissingRecordsError("no finished unit that a table or figure shows")
    caption = (
        f"{OPEN.capitalize()} is given where the rows are of another size than that at which the limits were worked "
        "out, which loosen what a prototype found (last column)."
    )
    return Table(caption, sections(found), tally(found))
