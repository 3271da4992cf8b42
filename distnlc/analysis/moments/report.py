"""What the report of a study of moments answers and shows."""

from distnlc.analysis.moments import beside_paper, figure2, pathologies, theorems
from distnlc.analysis.moments.answers import answers
from distnlc.analysis.moments.figures import figures
from distnlc.analysis.moments.parts import PRESETS
from distnlc.analysis.report import Report, TableOf

REPORT = Report(
    answers,
    figures=(*figure2.FIGURES, *figures()),
    tables=(
        TableOf("beside_paper", beside_paper.TITLE, beside_paper.tabulate, PRESETS),
        TableOf("pathologies", pathologies.TITLE, pathologies.tabulate, PRESETS),
        TableOf("theorems", theorems.TITLE, theorems.tabulate, PRESETS),
    ),
)
