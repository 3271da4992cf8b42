"""Figure 3F: figure 2 with Adam: the NLC of the initial network against the test error of the trained one."""

import sys

from analysis.figures.drawing import Drawing, main
from analysis.figures.quantities import INSET, NLC, TEST_ERROR
from analysis.figures.scatter import scatter
from analysis.load import Tables
from analysis.parts import STATED_NLC, VALIDATION, parts_of


def draw(tables: Tables) -> Drawing:
    """One panel per dataset. Raises MissingRecordsError."""
    return scatter(
        parts_of(tables.architectures, criterion=VALIDATION, optimizer="adam"),
        name="figure3f",
        title="Figure 3F: initial NLC and test error with Adam",
        x=NLC,
        y=TEST_ERROR,
        stated=STATED_NLC,
        presets=("paper-small", "waveform-adam", "paper"),
        inset=INSET,
    )


if __name__ == "__main__":
    sys.exit(main(draw))
