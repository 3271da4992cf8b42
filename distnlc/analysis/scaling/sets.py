"""One panel for each set of LibSVM's page: training losses over epochs at the best rates, and final losses by rate.

In: the trainings of losses.py, by the full pass at the end. Lines are medians over seeds, bands their quartiles.
"""

import math
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import log_y
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.scaling import table2
from distnlc.analysis.scaling.losses import Outcome, Ranking
from distnlc.analysis.scaling.parts import INITS, TRAINING_PRESETS, Part
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.tables import Tables

QUARTILES = (0.25, 0.5, 0.75)
SHOWN = 4.0
"""times ln(classes), the loss of guessing: what diverges without end would hide all else"""


def draw_curves(tables: Tables) -> Drawing:
    """Losses over epochs. Raises MissingRecordsError."""
    part, ranked = _shown(tables)
    epochs = part.rows(tables, "epochs")
    epochs = epochs[epochs["train_loss"].notna()]
    runs = part.rows(tables, "runs")[["unit_id", "run", "exponent"]]
    epochs = epochs.merge(runs, on=["unit_id", "run"])

    def panel(axes: Axes, one: Outcome) -> None:
        for init, exponent in zip(ranked.inits, one.exponents, strict=True):
            own = epochs[(epochs["dataset"] == one.losses.name) & (epochs["init"] == init)]
            values = (
                own[own["exponent"] == exponent].groupby("epoch")["train_loss"].quantile(np.array(QUARTILES)).unstack()
            )
            if len(values):
                _line(axes, init, values.index.to_numpy(dtype=float), values.to_numpy(dtype=float).T)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    caption = (
        "Training loss of each epoch (mean over its minibatches) at the best rate of each initialization; medians and "
        "quartiles over seeds. Above each panel the best rates; * marks one at the edge of those tried."
    )
    return _page(part, ranked, panel, caption)


def draw_rates(tables: Tables) -> Drawing:
    """Final losses by rate. Raises MissingRecordsError."""
    part, ranked = _shown(tables)

    def panel(axes: Axes, one: Outcome) -> None:
        across = np.array(one.losses.exponents, dtype=float)
        for place, init in enumerate(ranked.inits):
            # A run that diverged is above everything: quantiles without interpolation keep infinite numbers apart.
            values = np.quantile(one.values[place], QUARTILES, axis=-1, method="nearest")
            values[1] = one.medians[place]
            _line(axes, init, across, np.where(np.isfinite(values), values, np.nan))
            best = one.best[place]
            axes.plot(across[best], one.loss[place], "o", color=INITS[init], markersize=6, markeredgecolor="white")
        axes.set_yscale("log")
        bottom = 0.7 * float(one.medians[one.medians > 0].min(initial=1.0))
        axes.set_ylim(bottom, min(axes.get_ylim()[1], SHOWN * math.log(one.losses.classes)))
        axes.set_xlabel("exponent of 2 in the learning rate")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    caption = (
        "Training loss after the last step, over all training points, by learning rate; medians and quartiles over "
        "seeds, a dot at each best rate. Where most seeds diverged there is no line; panels end at "
        f"{SHOWN:g} ln(classes)."
    )
    return _page(part, ranked, panel, caption)


def _shown(tables: Tables) -> tuple[Part, Ranking]:
    part, ranked = max(table2.needed(tables), key=lambda each: len(each[0].units))
    return part, ranked[0]


def _page(part: Part, ranked: Ranking, panel: Callable[[Axes, Outcome], None], caption: str) -> Drawing:
    marks = [Line2D([], [], color=INITS[init], linewidth=1.6, label=init) for init in ranked.inits]
    figure, axes = page([_heading(one) for one in ranked.outcomes], height=2.1, width=3.1, marks=marks, columns=3)
    for one, each in zip(ranked.outcomes, axes, strict=True):
        panel(each, one)
        each.set_ylabel("training loss", fontsize=8)
        log_y(each)
    return Drawing(caption, figure, remarks=table2.size(part, ranked))


def _heading(one: Outcome) -> tuple[str, list[str]]:
    about = one.losses
    rates = ", ".join(
        f"{text.power_of_two(exponent)}{'*' * edge}" for exponent, edge in zip(one.exponents, one.at_edge, strict=True)
    )
    return about.name, [
        f"{about.points:,} points, {about.d_in:,} inputs, {about.classes} classes",
        f"best rates {rates}",
    ]


def _line(axes: Axes, init: str, across: Floats, quartiles: Floats) -> None:
    low, middle, high = quartiles
    axes.fill_between(across, low, high, color=INITS[init], alpha=0.18, linewidth=0)
    axes.plot(across, middle, color=INITS[init], linewidth=1.5)


FIGURES = (
    report.Figure("sets", "Every set: training loss over epochs", draw_curves, TRAINING_PRESETS),
    report.Figure("rates", "Every set: final training loss by learning rate", draw_rates, TRAINING_PRESETS),
)
