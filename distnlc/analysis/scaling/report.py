"""What the report of a study of the scaling calculus answers and shows."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from distnlc.analysis.drawing.scatter import Group
from distnlc.analysis.report import Points, PointsPart, Report, TableOf
from distnlc.analysis.scaling import (
    acceptance,
    biases,
    figure1,
    figure2,
    figure3,
    networks,
    residual,
    resnet,
    sets,
    table1,
    table2,
)
from distnlc.analysis.scaling.answers import answers
from distnlc.analysis.scaling.parts import INITS, PRESETS, TRAINING_PRESETS, parts
from distnlc.analysis.tables import Tables
from distnlc.studies.scaling.records import UnitRow

TRAINED = ("libsvm", "alexnet")
"""experiments whose units are points of the explorer"""


def points(tables: Tables) -> list[PointsPart]:
    """Every trained network, at its own best rate."""
    return [
        PointsPart(part.name, part.units, judged_by="best_loss")
        for experiment in TRAINED
        for part in parts(tables, experiment)
    ]


def group_of(rows: pd.DataFrame) -> ArrayLike:
    """The place of each network's initialization, (n,)."""
    return np.array([list(INITS).index(str(init)) for init in rows["init"]])


POINTS = Points(
    noun="network",
    row=UnitRow,
    parts=points,
    shown=("trained", "initial", "result", "drawn"),
    hidden=("operation", "setup", "variant", "weighting", "block_scaled", "kept"),
    named_by=("dataset", "init", "seed"),
    described_by=("dataset", "init", "seed", "points", "d_in"),
    pairs=(("Trainings", "best_rate", "best_loss"),),
    filters=("dataset", "init", "at_edge"),
    groups=tuple(Group(init, colour, "o") for init, colour in INITS.items()),
    group_of=group_of,
)

REPORT = Report(
    answers,
    figures=(
        figure1.FIGURE,
        figure2.FIGURE,
        figure3.FIGURE,
        *sets.FIGURES,
        residual.FIGURE,
        biases.FIGURE,
    ),
    tables=(
        TableOf("acceptance", acceptance.TITLE, acceptance.tabulate, PRESETS),
        TableOf("table1", table1.TITLE, table1.tabulate, PRESETS),
        TableOf("table2", table2.TITLE, table2.tabulate, TRAINING_PRESETS),
        TableOf("networks", networks.TITLE, networks.tabulate, PRESETS),
        TableOf("resnet", resnet.TITLE, resnet.tabulate, ("scaling",)),
    ),
    points=POINTS,
)
