"""Figure 3D: the NLC of the initial network against the lowest training error, where runs are chosen by it.

The NLC predicts generalization, not whether a network can be trained: hardly any correlation is expected.
"""

import sys

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import Quantity, scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import STATED_NLC, TRAINING, parts_of
from distnlc.analysis.nlc.quantities import NLC


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    return scatter(
        parts_of(tables.architectures, criterion=TRAINING),
        name="figure3d",
        title="Figure 3D: initial NLC and training error",
        x=NLC,
        y=Quantity("train_error", "training error"),
        stated=STATED_NLC,
        presets=("paper-small", "waveform-training-error", "paper"),
    )


if __name__ == "__main__":
    sys.exit(main(draw))
