"""Table 2: the NLC of batch-norm ReLU networks of width 100 grows with their depth."""

import math

from distnlc.analysis.drawing.table import Table, beside, written
from distnlc.analysis.nlc_initial.parts import measured_on, needed, part
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


def growth_per_layer(tables: Tables) -> tuple[float, float]:
    """The factor per layer from depth 5 to 50, lowest and highest over the initializations, nan where a depth has no
    networks. Raises MissingRecordsError."""
    (rows,) = needed(tables, "table-2")
    nlc = rows.pivot_table(index="initialization", columns="depth", values="init_nlc").reindex(columns=[5, 50])
    factors = (nlc[50] / nlc[5]) ** (1 / 45)
    return float(factors.min()), float(factors.max())


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
    remarks = _compounding(tables)
    if found[2] > 1.02 * STATED[2]:
        remarks.append(
            f"At depth 2 the NLC lies {100 * (found[2] / STATED[2] - 1):.0f} % above the paper's, as row B of table 1 "
            "does: unexplained."
        )
    return Table(caption, [("", written(frame))], remarks)


def _compounding(tables: Tables) -> list[str]:
    lowest, highest = growth_per_layer(tables)
    alone = part(tables, "activations")
    relu = alone[alone["activation"] == "relu"]["activation_nlc"]
    if math.isnan(lowest) or relu.empty:
        return []
    return [
        f"From depth 5 to 50 each further layer multiplies the NLC by {lowest:.3f} to {highest:.3f} over the "
        f"initializations (the paper's medians: {(STATED[50] / STATED[5]) ** (1 / 45):.3f}); the ReLU's own "
        f"NLC_tau(1) is {relu.iloc[0]:.3f}."
    ]
