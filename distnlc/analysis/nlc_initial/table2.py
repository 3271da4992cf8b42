"""Table 2: the NLC of batch-norm ReLU networks of width 100 grows with their depth."""

from distnlc.analysis.drawing.table import Table, beside, written
from distnlc.analysis.nlc_initial.parts import measured_on, needed
from distnlc.analysis.nlc_initial.table1 import span
from distnlc.analysis.tables import Tables

TITLE = "Table 2: the NLC of batch-norm ReLU networks of width 100"

STATED = {2: 1.22, 5: 2.25, 10: 5.97, 15: 15.2, 20: 37.7, 25: 95.8, 50: 9952.0}
"""depth -> NLC"""


def measured(tables: Tables) -> dict[int, float]:
    """Depth -> the median NLC over initializations, nan where there is none. Raises MissingRecordsError."""
    (rows,) = needed(tables, "table-2")
    medians = rows.groupby("depth")["init_nlc"].median().reindex(list(STATED))
    return {depth: float(medians[depth]) for depth in STATED}


def ratios(tables: Tables) -> str:
    """All depths in a few words. Raises MissingRecordsError."""
    return span(value / STATED[depth] for depth, value in measured(tables).items())


def tabulate(tables: Tables) -> Table:
    """The table with its caption. Raises MissingRecordsError."""
    (rows,) = needed(tables, "table-2")
    found = measured(tables)
    frame = beside(
        {"NLC": list(found.values())}, {"NLC": list(STATED.values())}, [f"depth {depth}" for depth in STATED]
    )
    caption = (
        "ratio: measured / paper. Networks have batch norm before every ReLU, independent Gaussian weights of variance "
        f"2 / fan-in and zero biases. {measured_on(rows)}"
    )
    above = ["Shallow networks lie a few percent above the paper's, as those of row B of table 1 do."]
    return Table(caption, [("", written(frame))], above if found[2] > 1.02 * STATED[2] else [])
