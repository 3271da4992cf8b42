"""All criteria of a study of sensitivity, figure by figure, and the table of them."""

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.sensitivity import bounds, comparisons, figure1, figure2, figure3, figure6, gap_figures
from distnlc.analysis.sensitivity.criteria import FAILS, OPEN, Criterion, frame, tally
from distnlc.analysis.sensitivity.thresholds import FEWEST_PAIRS, FEWEST_ROWS
from distnlc.analysis.tables import Tables

TITLE = "What is asked of the figures"
FIGURES = (figure1, figure2, figure3, comparisons, gap_figures, figure6, bounds)


def criteria(tables: Tables) -> list[Criterion]:
    """Those of every figure that the study has rows for."""
    return [one for figure in FIGURES for one in figure.criteria(tables)]


def failing(found: list[Criterion]) -> list[Criterion]:
    """Those asked for that do not hold."""
    return [one for one in found if one.asked and one.verdict == FAILS]


def negatives(found: list[Criterion]) -> list[Criterion]:
    """Claims of the paper, not asked for at this size, that the rows do not show."""
    return [one for one in found if not one.asked and one.holds is False]


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError if there is nothing to judge."""
    found = criteria(tables)
    if not found:
        raise MissingRecordsError("no fitted network that a figure shows")
    asked, others = [one for one in found if one.asked], [one for one in found if not one.asked]
    sections = [
        (title, frame(rows))
        for title, rows in (
            ("Asked for at this size", asked),
            ("Claims of the paper, not asked for at this size", others),
        )
        if rows
    ]
    caption = (
        f"{OPEN.capitalize()} is given for fewer than {FEWEST_PAIRS} pairs, planes or networks with ellipses, and for "
        f"fewer than {FEWEST_ROWS} rows of the other figures. At small sizes the limits were settled on the first "
        "full run of sensitivity-small (last column); from 50,000 training images on they are the paper's claims."
    )
    return Table(caption, sections, tally(found))
