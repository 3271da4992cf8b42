"""What is asked of a study of sensitivity, figure by figure."""

from distnlc.analysis.report.acceptance import Acceptance
from distnlc.analysis.report.criteria import OPEN
from distnlc.analysis.sensitivity import bounds, comparisons, figure1, figure2, figure3, figure6, gap_figures
from distnlc.analysis.sensitivity.thresholds import FEWEST_PAIRS, FEWEST_ROWS

ACCEPTANCE = Acceptance(
    title="What is asked of the figures",
    judged=(figure1, figure2, figure3, comparisons, gap_figures, figure6, bounds),
    caption=(
        f"{OPEN.capitalize()} is given for fewer than {FEWEST_PAIRS} pairs, planes or networks with ellipses, and for "
        f"fewer than {FEWEST_ROWS} rows of the other figures. At small sizes the limits were settled on the first "
        "full run of sensitivity-small (last column); from 50,000 training images on they are the paper's claims."
    ),
    nothing="no fitted network that a figure shows",
)
