"""Figure 9C: output bias against NLC, both of the initial network: they are nearly independent.

Parts that share their initial networks are shown once. The paper shows CIFAR10 only.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, of_own_networks, parts_of
from distnlc.analysis.nlc.quantities import BIAS, NLC

STATED = {("cifar10", "sgd", VALIDATION): 0.05}


def draw(tables: Tables) -> Drawing:
    """One panel per dataset. Raises MissingRecordsError."""
    return scatter(
        of_own_networks(parts_of(tables.architectures)),
        name="figure9c",
        title="Figure 9C: initial output bias and initial NLC",
        x=BIAS,
        y=NLC,
        stated=STATED,
        presets=("paper-small", "cifar10", "paper"),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
