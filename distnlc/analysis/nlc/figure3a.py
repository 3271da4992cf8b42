"""Figure 3A: the output bias of the initial network against the test error of the trained one.

The paper shows CIFAR10 only; here every dataset of the study is shown.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import BIAS, TEST_ERROR

STATED = {("cifar10", "sgd", VALIDATION): 0.42}


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    return scatter(
        parts_of(tables.architectures, criterion=VALIDATION),
        name="figure3a",
        title="Figure 3A: initial output bias and test error",
        x=BIAS,
        y=TEST_ERROR,
        stated=STATED,
        presets=("paper-small", "cifar10", "paper"),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
