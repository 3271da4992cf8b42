"""Figure 3F: figure 2 with Adam: the NLC of the initial network against the test error of the trained one."""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import STATED_NLC, VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import INSET, NLC, TEST_ERROR


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
