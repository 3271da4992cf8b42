"""Figure 3D: the NLC of the initial network against the lowest training error, where runs are chosen by it.

The NLC predicts generalization, not whether a network can be trained: hardly any correlation is expected.
"""

import sys

from analysis.figures.drawing import Drawing, main
from analysis.figures.quantities import NLC
from analysis.figures.scatter import Quantity, scatter
from analysis.load import Tables
from analysis.parts import STATED_NLC, TRAINING, parts_of


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
