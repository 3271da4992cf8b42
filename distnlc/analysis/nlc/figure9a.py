"""Figure 9A: the output bias before training against the one after it.

Below the dashed line training has lowered the bias. The paper shows CIFAR10 only, and states 0.72 and 0.38 for 9A and
9B; which is which is lost.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import Line, scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import BIAS, TRAINED_BIAS

STATED = {("cifar10", "sgd", VALIDATION): (0.72, 0.38)}
UNCHANGED = Line("unchanged by training", slope=1)


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    parts = parts_of(tables.architectures, criterion=VALIDATION)
    return scatter(
        parts,
        name="figure9a",
        title="Figure 9A: output bias before and after training",
        x=BIAS,
        y=TRAINED_BIAS,
        stated=STATED,
        presets=("paper-small", "cifar10", "paper"),
        lines=dict.fromkeys((part.title for part in parts), UNCHANGED),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
