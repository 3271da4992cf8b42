"""All criteria of a study of the scaling calculus, table by table and figure by figure, and the table of them."""

from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report.acceptance import criteria_of, table_of
from distnlc.analysis.report.criteria import OPEN, Criterion
from distnlc.analysis.scaling import biases, figure1, figure2, figure3, residual, table1, table2
from distnlc.analysis.tables import Tables

TITLE = "What is asked of tables and figures"
CAPTION = (
    f"{OPEN.capitalize()} is given where the rows are of another size than that at which the limits were worked out, "
    "which loosen what a prototype found (last column)."
)


def criteria(tables: Tables) -> list[Criterion]:
    """Those of everything that the study has rows for."""
    return criteria_of((table1, figure1, figure2, biases, table2, figure3, residual), tables)


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError if there is nothing to judge."""
    return table_of(criteria(tables), CAPTION, nothing="no finished unit that a table or figure shows")
