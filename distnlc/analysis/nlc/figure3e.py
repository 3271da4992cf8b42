"""Figure 3E: the NLC of the trained network on the test set against the largest perturbation that keeps the error.

The paper's value is of all datasets together, which here are the first panel. Section E.3.
"""

import sys
from dataclasses import replace

from distnlc.analysis.drawing.figure import Drawing, main
from distnlc.analysis.drawing.scatter import Quantity, scatter
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import VALIDATION, parts_of, pooled

STATED = -0.83


def draw(tables: Tables) -> Drawing:
    """All datasets trained with SGD, then one panel per dataset and optimizer. Raises MissingRecordsError."""
    parts = parts_of(tables.architectures, criterion=VALIDATION)
    by_sgd = [part for part in parts if part.key[1] == "sgd"]
    together = [pooled(by_sgd)] if len(by_sgd) > 1 else []
    drawing = scatter(
        together + parts,
        name="figure3e",
        title="Figure 3E: NLC after training and the perturbation that keeps the error",
        x=Quantity("trained_nlc_test", "NLC after training (test set)", log=True),
        y=Quantity("trained_perturbation", "error-preserving perturbation", log=True),
        stated={part.key: STATED for part in together or by_sgd},
        presets=("paper-small", "paper"),
    )
    caption = (
        "A perturbation is not finite where none changes the error, as where a network always gives one class, and "
        "not positive where even k = 1e-9 does."
    )
    return replace(drawing, caption=f"{drawing.caption} {caption}")


if __name__ == "__main__":
    sys.exit(main(draw))
