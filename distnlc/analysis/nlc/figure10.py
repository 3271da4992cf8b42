"""Figure 10: figure 2 split by skip connections: without them at the left, with them at the right.

Skip connections lower the NLC, and at the same NLC the test error (section B.3).
"""

import sys
from dataclasses import replace

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, Part, parts_of
from distnlc.analysis.nlc.quantities import INSET, NLC, TEST_ERROR


def draw(tables: Tables) -> Drawing:
    """Two panels per dataset. Raises MissingRecordsError."""
    parts = parts_of(tables.architectures, criterion=VALIDATION, optimizer="sgd")
    return scatter(
        [half for part in parts for half in split(part)],
        name="figure10",
        title="Figure 10: initial NLC and test error, without and with skip connections",
        x=NLC,
        y=TEST_ERROR,
        stated={},
        presets=("paper-small", "paper"),
        inset=INSET,
    )


def split(part: Part) -> tuple[Part, Part]:
    """The part's architectures without and with skip connections."""
    skips = part.rows["skip_strength"] > 0
    return (
        replace(part, title=f"{part.title}, no skip connections", rows=part.rows[~skips]),
        replace(part, title=f"{part.title}, skip connections", rows=part.rows[skips]),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
