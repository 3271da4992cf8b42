"""What is asked of a study of the scaling calculus, table by table and figure by figure."""

from distnlc.analysis.report.acceptance import Acceptance
from distnlc.analysis.report.criteria import OPEN
from distnlc.analysis.scaling import biases, figure1, figure2, figure3, residual, table1, table2

ACCEPTANCE = Acceptance(
    title="What is asked of tables and figures",
    judged=(table1, figure1, figure2, biases, table2, figure3, residual),
    caption=(
        f"{OPEN.capitalize()} is given where the rows are of another size than that at which the limits were worked "
        "out, which loosen what a prototype found (last column)."
    ),
    nothing="no finished unit that a table or figure shows",
)
