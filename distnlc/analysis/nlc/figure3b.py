"""Figure 3B: the NLC before training against the NLC after it, both on the training set.

Below the dashed line training has made the network less nonlinear. The paper shows CIFAR10 only.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import Line, scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, parts_of
from distnlc.analysis.nlc.quantities import NLC, TRAINED_NLC

STATED = {("cifar10", "sgd", VALIDATION): 0.83}
UNCHANGED = Line("unchanged by training", slope=1)


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    parts = parts_of(tables.architectures, criterion=VALIDATION)
    return scatter(
        parts,
        name="figure3b",
        title="Figure 3B: NLC before and after training",
        x=NLC,
        y=TRAINED_NLC,
        stated=STATED,
        presets=("paper-small", "cifar10", "paper"),
        lines=dict.fromkeys((part.title for part in parts), UNCHANGED),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
