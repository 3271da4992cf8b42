"""Figures 2, 4, 5 and 6: trainings of four families of networks, eight panels each.

In: the finished trainings. A is of the custom protocol: the largest relative update of each layer in the search for
step sizes, and dashed 1 / GSC(l, 0) after pre-training. The other panels are of the run that the paper shows, by the
protocol of the lower error there, or by the other where that is not finished. F: the lowest layers replaced by their
Taylor expansion. There is one training of each sort, so that curves have no interval.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.claims import judged
from distnlc.analysis.gradients.lines import DIVERSE, draw, logarithmic, mark, panels
from distnlc.analysis.gradients.runs import PRESETS, Run, Runs, needed, reductions
from distnlc.analysis.gradients.training_claims import CLAIMS
from distnlc.analysis.tables import Tables

ABOUT = {
    2: "training of exploding networks",
    4: "training of networks that collapse",
    5: "training of networks with skip connections",
    6: "training of looks-linear networks",
}
PANELS = {
    "A": "largest relative update of each layer",
    "B": "training error",
    "C": "gradient scale at the input",
    "D": "effective depth",
    "E": "residual weights: operator norm of W - W(0)",
    "F": "training error after Taylor reduction",
    "G": "spread at the highest activation",
    "H": "sign diversity at the highest activation",
}
OVER_EPOCHS = {
    "B": "train_error",
    "C": "gsc_input",
    "D": "effective_depth_1e6",
    "G": "std_top",
    "H": "sign_diversity_top",
}
LAYERS, EPOCHS, DEPTH = "linear layers from the input", "epoch, pre-training included", "compositional depth left"
DASHED = Line2D([], [], color="#666666", linestyle="--", linewidth=1.2, label="A: 1 / GSC(l, 0) after pre-training")
DOTTED = Line2D(
    [], [], color="#666666", linestyle=":", linewidth=1.2, label="D: weights after pre-training as initial ones"
)


def draw_family(tables: Tables, number: int) -> Drawing:
    """One figure. Raises MissingRecordsError if none of its networks is trained."""
    runs = Runs(needed(tables))
    shown, custom = runs.of(number), runs.of(number, "custom")
    rows = [row for row in paper.TABLE_2 if row.figure == number]
    if not shown:
        raise MissingRecordsError(f"no finished training of {'; '.join(paper.name_of(row.setting) for row in rows)}")
    found = judged(CLAIMS, runs, str(number))
    titles = {letter: title for letter, title in PANELS.items() if number != 2 or letter not in "GH"}
    marks = [mark(run.setting, run.name.partition(", identity")[0]) for run in shown]
    dotted = [DOTTED] * any(run.pretraining for run in shown)
    figure, axes = panels(titles, found, [*marks, *([DASHED] if custom else []), *dotted])
    for run in custom:
        _updates(axes["A"], run)
    for run in shown:
        _panels(axes, run)
    for letter, each in axes.items():
        _finish(each, letter)
    remarks = [one.sentence for one in found]
    if other := [run for run, row in zip(shown, _rows(shown), strict=True) if run.protocol != row.shown]:
        remarks.append(
            f"By the other protocol than in the paper's figure: {'; '.join(run.full_name for run in other)}."
        )
    there = {run.key for run in shown}
    if missing := [paper.name_of(row.setting) for row in rows if row.setting[:4] not in there]:
        remarks.append(f"Not in this study: {'; '.join(missing)}.")
    if smaller := reductions(shown):
        remarks.append(f"Smaller than the paper's: {'; '.join(smaller)}.")
    caption = (
        f"B to {'F' if number == 2 else 'H'}: {'; '.join(run.full_name for run in shown)}. A: custom protocol. D: at "
        "the threshold 1e-6, dotted with the weights after pre-training as initial ones. One training each, so no "
        "intervals. Below each title the claims about the panel with their verdicts from these records."
    )
    return Drawing(caption, figure, table=_numbers(shown), remarks=remarks)


def _rows(shown: Sequence[Run]) -> list[paper.Trained]:
    return [next(row for row in paper.TABLE_2 if row.setting[:4] == run.key) for run in shown]


def _updates(axes: Axes, run: Run) -> None:
    linear, updates, inverse = run.scale_at_updates()
    if linear.size:
        draw(axes, run.setting, linear, updates, marker="o" if linear.size < 20 else "")
        draw(axes, run.setting, linear, inverse, linestyle="--")


def _panels(axes: dict[str, Axes], run: Run) -> None:
    for letter, column in OVER_EPOCHS.items():
        epochs, values = run.over_epochs(column)
        if letter in axes and epochs.size:
            draw(axes[letter], run.setting, epochs, values)
    epochs, values = run.over_epochs("effective_depth_after_pretraining")
    if run.pretraining and epochs.size:
        draw(axes["D"], run.setting, epochs, values, linestyle=":")
    linear, norms = run.over_layers("residual_norm", None, "linear")
    draw(axes["E"], run.setting, linear, np.where(norms > 0, norms, np.nan))  # 0: a layer that was not trained
    taylor = run.taylor[run.taylor["train_error"].notna()]
    depths, errors = (taylor[name].to_numpy(dtype=float) for name in ("compositional_depth", "train_error"))
    draw(axes["F"], run.setting, depths, errors)


def _finish(axes: Axes, letter: str) -> None:
    axes.set_xlabel({"A": LAYERS, "E": LAYERS, "F": DEPTH}.get(letter, EPOCHS), labelpad=1)
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines() if np.size(line.get_ydata())]
    if not drawn:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color="0.5")
    elif letter in "ACE":
        logarithmic(axes)
    else:
        axes.set_ylim(0, DIVERSE if letter == "H" else 1.05 * max(np.nanmax(values) for values in drawn) or 1)
    axes.set_xlim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def _numbers(shown: Sequence[Run]) -> pd.DataFrame:
    rows = {}
    for run in shown:
        _, scale = run.over_epochs("gsc_input")
        cut, depth = run.cut, run.depth
        rows[run.full_name] = {
            "error": text.percent(run.error),
            "epochs": text.number(float(run.row.epochs), 4),
            "step": text.number(float(run.row.best_step)),
            "first update": text.number(float(run.row.largest_first_update), 2),
            "gradient scale, first": text.number(float(run.row.gsc_input)),
            "last": text.number(float(scale[-1])) if scale.size else "–",
            "effective depth": "–" if depth is None else f"{depth} of {run.linear_layers}",
            "Taylor cuts to depth": "–" if cut is None else str(cut),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _figure(number: int) -> report.Figure:
    return report.Figure(
        f"figure{number}", f"Figure {number}: {ABOUT[number]}", lambda tables: draw_family(tables, number), PRESETS
    )


FIGURES = tuple(map(_figure, ABOUT))
