"""Figure 4: depth against test error: deeper networks are rather worse, since their NLC is larger.

The paper shows CIFAR10 only.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import Quantity, scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import TEST_ERROR

STATED = {("cifar10", "sgd", VALIDATION): 0.38}


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    return scatter(
        parts_of(tables.architectures, criterion=VALIDATION),
        name="figure4",
        title="Figure 4: depth and test error",
        x=Quantity("depth", "depth"),
        y=TEST_ERROR,
        stated=STATED,
        presets=("paper-small", "cifar10", "paper"),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
