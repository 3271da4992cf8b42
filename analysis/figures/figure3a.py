"""Figure 3A: the output bias of the initial network against the test error of the trained one.

The paper shows CIFAR10 only; here every dataset of the study is shown.
"""

import sys

from analysis.figures.drawing import Drawing, main
from analysis.figures.quantities import BIAS, TEST_ERROR
from analysis.figures.scatter import scatter
from analysis.load import Tables
from analysis.parts import VALIDATION, parts_of

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
