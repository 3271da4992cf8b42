"""Figure 3A: the output bias of the initial network against the test error of the trained one.

The paper shows CIFAR10 only; here every dataset of the study is shown.
"""

import sys

from analysis.figures.drawing import Drawing, main
from analysis.figures.scatter import Quantity, scatter
from analysis.load import Tables

STATED = {("cifar10", "sgd", "validation-error"): 0.42}
PRESETS = ("paper-small", "cifar10", "paper")


def draw(tables: Tables) -> Drawing:
    """One panel per dataset and optimizer. Raises MissingRecordsError."""
    return scatter(
        tables.architectures,
        name="figure3a",
        title="Figure 3A: initial output bias and test error",
        x=Quantity("init_bias", "initial output bias", log=True),
        y=Quantity("test_error", "test error"),
        stated=STATED,
        presets=PRESETS,
    )


if __name__ == "__main__":
    sys.exit(main(draw))
