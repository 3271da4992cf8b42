"""Figure 3C: the NLC of the trained network against its test error.

The paper shows CIFAR10 only, and finds that the NLC before training says more.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import TEST_ERROR, TRAINED_NLC

STATED = {("cifar10", "sgd", VALIDATION): 0.55}


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    return scatter(
        parts_of(tables.architectures, criterion=VALIDATION),
        name="figure3c",
        title="Figure 3C: NLC after training and test error",
        x=TRAINED_NLC,
        y=TEST_ERROR,
        stated=STATED,
        presets=("paper-small", "cifar10", "paper"),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
