"""The networks of the shipped sensitivity example that are about as sensitive as the user's own, and how well they did.

In: a dataset's name, and the network's probability Jacobian. Out: the fitted networks with true labels on that dataset,
and the ones among them that are about as sensitive.
"""

from dataclasses import dataclass

import pandas as pd

from distnlc.analysis import EXAMPLES
from distnlc.analysis.tables import load

NEAREST = 5
CAVEAT = (
    "the networks of the sensitivity example were trained on 1,000 images or fewer, each scaled to mean 0 and "
    "variance 1 (CIFAR10 cropped to 24 x 24); the norm of a Jacobian goes with the inputs' scale, and transitions with "
    "the number of neurons"
)


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One network of the example."""

    activation: str
    width: int
    depth: int
    optimizer: str
    probability_jacobian: float
    transitions: float
    test_accuracy: float
    gap: float
    """training minus test accuracy"""


def fitted_networks(dataset: str) -> pd.DataFrame:
    """Rows of the table `networks` of the example: fitted, with true labels, on that dataset; perhaps none."""
    networks = load(EXAMPLES / "sensitivity").networks
    fitted = networks["fitted"].fillna(False).astype(bool)
    rows = networks[fitted & networks["labels"].eq("true") & networks["dataset"].eq(dataset)]
    return rows.rename(columns={"jacobian_norm": "probability_jacobian"})


def neighbours(networks: pd.DataFrame, norm: float) -> tuple[Neighbour, ...]:
    """The networks whose probability Jacobian is nearest to `norm`, the least sensitive first."""
    known = networks.dropna(subset=["probability_jacobian", "transitions"])
    order = (known["probability_jacobian"] - norm).abs().argsort(kind="stable")
    found = known.iloc[order[:NEAREST]].sort_values("probability_jacobian")
    return tuple(
        Neighbour(
            activation=str(row["activation"]),
            width=int(row["width"]),
            depth=int(row["depth"]),
            optimizer=str(row["optimizer"]),
            probability_jacobian=float(row["probability_jacobian"]),
            transitions=float(row["transitions"]),
            test_accuracy=float(row["test_accuracy"]),
            gap=float(row["gap"]),
        )
        for row in found.to_dict("records")
    )
