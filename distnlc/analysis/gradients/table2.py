"""Table 2: training errors of fifteen networks by both protocols, beside print.

In: the finished trainings. Smaller ones than the paper's cannot be compared with print by their values: what they are
smaller by is listed, and only which protocol is better is set beside print.
"""

from collections.abc import Sequence

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.runs import PROTOCOLS, Run, best_of, needed, reductions
from distnlc.analysis.tables import Tables

TITLE = "Table 2: training errors by custom and by single step sizes"


def tabulate(tables: Tables) -> Table:
    """All rows of table 2, those without a training too. Raises MissingRecordsError if there is no training at all."""
    runs = needed(tables)
    frame = pd.DataFrame.from_dict({paper.name_of(row.setting): _row(runs, row) for row in paper.TABLE_2}, "index")
    sections = [("", frame), ("Every training", pd.DataFrame([_training(run) for run in runs]))]
    sections[1][1].index = [run.full_name for run in runs]
    caption = (
        "Training errors in %. Starred in print: the run that the figures show. One training each: an error has no "
        "interval. The gradient scale is that at initialization."
    )
    return Table(caption, sections, remarks(runs))


def remarks(runs: Sequence[Run]) -> list[str]:
    """What is smaller than in the paper, which protocol is better, what is missing."""
    said = []
    if smaller := reductions(runs):
        said.append(f"These trainings are smaller than the paper's, their errors not comparable: {'; '.join(smaller)}.")
    both = [(row, [best_of(runs, row, each) for each in PROTOCOLS]) for row in paper.TABLE_2]
    judged = [
        (row, (custom.error < single.error) == (float(row.custom) < float(row.single)))
        for row, (custom, single) in both
        if custom is not None and single is not None and custom.error != single.error and row.custom != row.single
    ]
    if judged:
        others = "; ".join(paper.name_of(row.setting) for row, same in judged if not same)
        said.append(
            f"The better protocol is the paper's for {sum(same for _, same in judged)} of {len(judged)} networks that "
            f"were trained by both{f'; not for {others}' if others else ''}."
        )
    missing = [paper.name_of(row.setting) for row, found in both if found == [None, None]]
    if missing:
        said.append(f"Without a finished training: {'; '.join(missing)}.")
    return said


def _row(runs: Sequence[Run], row: paper.Trained) -> dict[str, str]:
    cells = {}
    for protocol in PROTOCOLS:
        run = best_of(runs, row, protocol)
        star = " *" * (row.shown == protocol)
        cells[f"{protocol}, printed"] = f"{getattr(row, protocol)}{star}"
        cells[f"{protocol}, measured"] = "–" if run is None else _percent(run.error)
    return cells | {"figure": str(row.figure)}


def _training(run: Run) -> dict[str, str]:
    return {
        "error, %": _percent(run.error),
        "dataset": run.dataset,
        "points": f"{run.points:,}",
        "epochs": text.number(float(run.row.epochs), 4),
        "step": text.number(float(run.row.best_step)),
        "first update": text.number(float(run.row.largest_first_update), 2),
        "gradient scale": text.number(float(run.row.gsc_input)),
        "effective depth": "–" if run.depth is None else str(run.depth),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"
