"""What the report of a study of sensitivity answers and shows."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.report import Points, PointsPart, Report, TableOf
from distnlc.analysis.sensitivity import (
    acceptance,
    bounds,
    drawings,
    figure1,
    figure2,
    figure3,
    figure4,
    figure6,
    fits,
    gap_figures,
)
from distnlc.analysis.sensitivity.answers import answers
from distnlc.analysis.sensitivity.axes import ACTIVATIONS
from distnlc.analysis.sensitivity.cells import PRESETS, finished, is_fitted
from distnlc.analysis.sensitivity.populations import ELSEWHERE
from distnlc.analysis.tables import Tables
from distnlc.studies.sensitivity.records import NetworkRow


def points(tables: Tables) -> list[PointsPart]:
    """Every network that was measured, fitted or not; first the parts that figure 5 shows."""
    networks = finished(tables.networks)
    rows = networks.assign(**{"fitted or not": is_fitted(networks).map({True: "fitted", False: "not fitted"})})
    parts = [PointsPart(str(part), own, judged_by="gap") for part, own in rows.groupby("part", sort=False)]
    return sorted(parts, key=lambda part: part.title.startswith(ELSEWHERE))


def group_of(rows: pd.DataFrame) -> ArrayLike:
    """The place of each network's activation function among the groups, (n,)."""
    return np.array([list(ACTIVATIONS).index(str(name)) for name in rows["activation"]])


POINTS = Points(
    noun="network",
    row=NetworkRow,
    parts=points,
    shown=("trained", "initial", "drawn"),
    hidden=("d_in", "d_out", "crop", "dataset"),
    named_by=("cell_id", "seed"),
    described_by=("activation", "width", "depth", "scale", "optimizer", "rate", "batch"),
    pairs=(
        ("Figure 5", "jacobian_norm", "gap"),
        ("Figure App. 8", "transitions", "gap"),
        ("Figure 1, left", "parameters", "gap"),
        ("Figure 1, right", "train_loss", "gap"),
    ),
    filters=("fitted or not", "labels", "augmentation", "activation", "optimizer"),
    groups=tuple(ACTIVATIONS.values()),
    group_of=group_of,
)

REPORT = Report(
    answers,
    figures=(
        figure1.FIGURE,
        figure2.FIGURE,
        figure3.FIGURE,
        figure4.FIGURE,
        gap_figures.FIGURE5,
        figure6.FIGURE6,
        drawings.FIGURE_APP7,
        gap_figures.FIGURE_APP8,
        figure6.FIGURE_APP9,
        drawings.FIGURE_APP10,
        bounds.FIGURE,
    ),
    tables=(
        TableOf("acceptance", acceptance.TITLE, acceptance.tabulate, PRESETS),
        TableOf("fits", fits.TITLE, fits.tabulate, PRESETS),
    ),
    points=POINTS,
)
