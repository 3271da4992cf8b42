"""Figure 2: the NLC of the initial network against the test error of the one trained with SGD, per dataset.

The inset shows the range 0.8 < NLC < 100, where the networks that learn lie. Figure 3F is the same with Adam.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import STATED_NLC, VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import INSET, NLC, TEST_ERROR


def draw(tables: Tables) -> Drawing:
    """One panel per dataset. Raises MissingRecordsError."""
    return scatter(
        parts_of(tables.architectures, criterion=VALIDATION, optimizer="sgd"),
        name="figure2",
        title="Figure 2: initial NLC and test error",
        x=NLC,
        y=TEST_ERROR,
        stated=STATED_NLC,
        presets=("paper-small", "paper"),
        inset=INSET,
    )


if __name__ == "__main__":
    sys.exit(main(draw))
