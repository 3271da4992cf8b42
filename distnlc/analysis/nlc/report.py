"""The report of an NLC study: its answers, figures, tables and explorer."""

import pandas as pd

from distnlc.analysis.nlc import (
    best_metric,
    figure1,
    figure5,
    figure7,
    figure8,
    metric_maps,
    saving,
    saving_by_metric,
)
from distnlc.analysis.nlc.answers import answers
from distnlc.analysis.nlc.expectation import with_measurements
from distnlc.analysis.nlc.paper import TRAINING
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.nlc.scatters import GROUPS, SCATTERS, group_of
from distnlc.analysis.nlc_initial.report import SHIPPED_FIGURES, SHIPPED_TABLES
from distnlc.analysis.report import Details, Points, PointsPart, Report
from distnlc.analysis.tables import Tables
from distnlc.records import INITIAL, MEASUREMENTS, Quantity
from distnlc.studies.nlc.records import ArchitectureRow


def points(tables: Tables) -> list[PointsPart]:
    """Every architecture that was measured, its first initialization, with all its initial metrics."""
    found = []
    for part in parts_of(tables.architectures):
        rows = with_measurements(part.rows[~part.failed], tables.frames.get(MEASUREMENTS))
        skips = (rows["skip_strength"] > 0).map({True: "with", False: "without"})
        error = "train_error" if part.key[2] == TRAINING else "val_error"
        found.append(PointsPart(part.title, rows.assign(**{"skip connections": skips}), judged_by=error))
    return found


def measured(tables: Tables) -> dict[str, Quantity]:
    """The initial metrics of the table `measurements`, those of groups and of the user's own."""
    rows = tables.frames.get(MEASUREMENTS, pd.DataFrame(columns=["stage", "name", "label", "log"]))
    first = rows[rows["stage"].eq(INITIAL)].drop_duplicates("name")
    return {
        name: Quantity(label, "number", label, group="initial", log=bool(log))
        for name, label, log in zip(*(first[column].tolist() for column in ("name", "label", "log")), strict=True)
    }


POINTS = Points(
    noun="architecture",
    row=ArchitectureRow,
    parts=points,
    shown=("initial", "drawn", "sweep", "trained"),
    measured=measured,
    hidden=("seed", "dataset", "optimizer", "criterion"),
    named_by=("architecture_id",),
    described_by=("depth", "width", "activation", "normalization", "skip_strength"),
    pairs=(
        ("Figure 2", "init_nlc", "test_error"),
        ("Figure 1", "init_nlc", "init_linear_region"),
        ("Figure 3A", "init_bias", "test_error"),
        ("Figure 3B", "init_nlc", "trained_nlc"),
        ("Figure 3C", "trained_nlc", "test_error"),
        ("Figure 3D", "init_nlc", "train_error"),
        ("Figure 3E", "trained_nlc_test", "trained_perturbation"),
        ("Figure 4", "depth", "test_error"),
        ("Figure 8", "init_nlc", "best_rate"),
        ("Figure 9A", "init_bias", "trained_bias"),
        ("Figure 9B", "trained_bias", "test_error"),
        ("Figure 9C", "init_bias", "init_nlc"),
    ),
    filters=("normalization", "activation", "skip connections"),
    groups=GROUPS,
    group_of=group_of,
    details=Details(
        marks="runs",
        noun="run",
        key="run",
        chosen="best_run",
        across="start_rate",
        lines="epochs",
        over="epoch",
        above="train_loss",
        below="rate",
    ),
)

BEFORE_FIGURE_5 = 8
"""scatter figures: 2, 3A to 3F, 4"""
NUMBERED = (
    figure1.FIGURE,
    *(scatter.figure for scatter in SCATTERS[:BEFORE_FIGURE_5]),
    *(figure5.FIGURE, figure7.FIGURE, figure8.FIGURE),
    *(scatter.figure for scatter in SCATTERS[BEFORE_FIGURE_5:]),
)

REPORT = Report(
    answers,
    figures=(
        *NUMBERED,
        metric_maps.PARTS,
        metric_maps.REDUNDANCY,
        saving.FIGURE,
        saving_by_metric.FIGURE,
        *SHIPPED_FIGURES,
    ),
    tables=(*SHIPPED_TABLES[:2], best_metric.TABLE, *SHIPPED_TABLES[2:]),
    points=POINTS,
)
