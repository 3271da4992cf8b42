"""What the report of a study of gradients answers and shows."""

from distnlc.analysis.gradients import (
    all_claims,
    checks,
    growth,
    networks,
    noise_figures,
    runs,
    table1,
    table2,
    table3,
    training_figures,
)
from distnlc.analysis.gradients.answers import answers
from distnlc.analysis.report import Report, TableOf

REPORT = Report(
    answers,
    figures=sorted((*noise_figures.FIGURES, *training_figures.FIGURES), key=lambda figure: figure.name),
    tables=(
        TableOf("table1", table1.TITLE, table1.tabulate, networks.PRESETS),
        TableOf("table2", table2.TITLE, table2.tabulate, runs.PRESETS),
        TableOf("table3", table3.TITLE, table3.tabulate, networks.PRESETS),
        TableOf("growth", growth.TITLE, growth.tabulate, networks.PRESETS),
        TableOf("curves", growth.CURVES_TITLE, growth.tabulate_curves, networks.PRESETS),
        TableOf("claims", all_claims.TITLE, all_claims.tabulate, networks.PRESETS),
        TableOf("checks", checks.TITLE, checks.tabulate, checks.PRESETS),
    ),
)
