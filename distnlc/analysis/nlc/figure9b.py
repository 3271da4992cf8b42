"""Figure 9B: the output bias of the trained network against its test error.

The paper shows CIFAR10 only, and states 0.72 and 0.38 for 9A and 9B; which is which is lost.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import TEST_ERROR, TRAINED_BIAS

STATED = {("cifar10", "sgd", VALIDATION): (0.72, 0.38)}


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    return scatter(
        parts_of(tables.architectures, criterion=VALIDATION),
        name="figure9b",
        title="Figure 9B: output bias after training and test error",
        x=TRAINED_BIAS,
        y=TEST_ERROR,
        stated=STATED,
        presets=("paper-small", "cifar10", "paper"),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
