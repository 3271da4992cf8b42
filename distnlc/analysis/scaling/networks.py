"""Single networks: how far the layers of one network are out of balance, which pooled numbers do not show.

In: the units of the experiments `ratio` and `blocks`, whose rows have largest over smallest of each network.
"""

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.scaling.parts import inits_of, parts
from distnlc.analysis.tables import Tables

TITLE = "Single networks: largest by smallest of all weight layers"
COLUMNS = {"hessian_imbalance": "Hessian block", "gamma_imbalance": "gamma", "ratio_imbalance": "exact ratio"}
QUANTILES = (0.05, 0.5, 0.95)


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError."""
    rows = {
        f"{part.name}, {init}": _cells(part.units[part.units["init"] == init])
        for experiment in ("ratio", "blocks")
        for part in parts(tables, experiment)
        for init in inits_of(part.units)
    }
    if not rows:
        raise MissingRecordsError("no finished unit of the experiments ratio and blocks")
    caption = (
        "Medians over single LeNets, in brackets 5 to 95 %. A single network is out of balance by chance too, as its "
        "layers' moments fluctuate; pooling over set-ups takes that away."
    )
    return Table(caption, [("", pd.DataFrame.from_dict(rows, orient="index"))], [])


def _cells(units: pd.DataFrame) -> dict[str, str]:
    cells = {"networks": str(len(units))}
    for column, name in COLUMNS.items():
        values = units[column].dropna().to_numpy(dtype=float)
        cells[name] = spread(values) if values.size else "–"
    planned = units["offline_imbalance"].dropna()
    return cells | {"gamma by shapes alone": text.number(float(planned.iloc[0])) if len(planned) else "–"}


def spread(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> str:
    """`1.85 [1.38, 2.92]`, the median and 5 to 95 %."""
    low, middle, high = np.quantile(values, QUANTILES)
    return f"{text.number(float(middle))} [{text.number(float(low))}, {text.number(float(high))}]"
