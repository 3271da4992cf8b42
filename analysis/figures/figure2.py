"""Figure 2: the NLC of the initial network against the test error of the trained one, per dataset.

The inset shows the range 0.8 < NLC < 100, where the networks that learn lie.
"""

import sys

from analysis.figures.drawing import Drawing, main
from analysis.figures.scatter import Quantity, scatter
from analysis.load import Tables
from analysis.parts import STATED_NLC

NLC = Quantity("init_nlc", "initial NLC", log=True)
TEST_ERROR = Quantity("test_error", "test error")
INSET = (0.8, 100.0)
PRESETS = ("paper-small", "paper")


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    return scatter(
        tables.architectures,
        name="figure2",
        title="Figure 2: initial NLC and test error",
        x=NLC,
        y=TEST_ERROR,
        stated=STATED_NLC,
        presets=PRESETS,
        inset=INSET,
    )


if __name__ == "__main__":
    sys.exit(main(draw))
