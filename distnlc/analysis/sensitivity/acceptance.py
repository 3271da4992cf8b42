"""All criteria of a study of sensitivity, figure by figure, and the table of them."""

from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report.acceptance import criteria_of, table_of
from distnlc.analysis.report.criteria import OPEN, Criterion
from distnlc.analysis.sensitivity import bounds, comparisons, figure1, figure2, figure3, figure6, gap_figures
from distnlc.analysis.sensitivity.thresholds import FEWEST_PAIRS, FEWEST_ROWS
from distnlc.analysis.tables import Tables

TITLE = "What is asked of the figures"
CAPTION = (
    f"{OPEN.capitalize()} is given for fewer than {FEWEST_PAIRS} pairs, planes or networks with ellipses, and for "
    f"fewer than {FEWEST_ROWS} rows of the other figures. At small sizes the limits were settled on the first full "
    "run of sensitivity-small (last column); from 50,000 training images on they are the paper's claims."
)


def criteria(tables: Tables) -> list[Criterion]:
    """Those of every figure that the study has rows for."""
    return criteria_of((figure1, figure2, figure3, comparisons, gap_figures, figure6, bounds), tables)


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError if there is nothing to judge."""
    return table_of(criteria(tables), CAPTION, nothing="no fitted network that a figure shows")
