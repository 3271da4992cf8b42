"""Networks of a study of sensitivity as points of figures: one point per cell, its seeds averaged.

In: the table of networks. A cell counts if each of its finished seeds is fitted, as the paper asks; seeds that were
given up do not count. Every network that is left out is counted by its reason. Cells that share a pair (twins) belong
to one cluster, which is resampled as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from distnlc.analysis.sensitivity.thresholds import PAPER_POINTS, PAPER_SIZE
from distnlc.records import DIVERGED, FAILED, OK

FACTORS = {
    "labels": ("labels", "true", "random"),
    "augmentation": ("augmentation", "with augmentation", "without"),
    "activation": ("activation", "relu", "hardsigmoid"),
    "optimizer": ("optimizer", "momentum", "lbfgs"),
}
"""factor -> its column, and the names of the good and of the other setting"""
DATA_NAMES = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
"""of the data sets, as the paper writes them"""
AVERAGED = (
    "gap",
    "train_accuracy",
    "test_accuracy",
    "train_loss",
    "jacobian_norm",
    "logit_jacobian_norm",
    "transitions",
    "jacobian_effective_points",
)
SHARED = (
    "dataset",
    "crop",
    "train_points",
    "activation",
    "width",
    "depth",
    "parameters",
    "neurons",
    "scale",
    "labels",
    "augmentation",
    "loss",
    "optimizer",
    "rate",
    "batch",
)
PRESETS = ("sensitivity-quick", "sensitivity-small", "sensitivity")
LARGER_PRESETS = PRESETS[1:]
"""those that have figures 2 and 3, and all rows of figure 4"""
MISFIT, SEED_MISFIT = "not fitted", "another seed not fitted"


@dataclass(frozen=True)
class Cells:
    """The points of one panel."""

    frame: pd.DataFrame
    """one row per cell: `part`, `cell_id`, SHARED, the means of AVERAGED, their standard errors as `sem_...` (nan of
    one seed), `seeds` and `cluster`"""
    networks: int
    """rows that came in"""
    left_out: dict[str, int]
    """reason -> networks"""

    @property
    def paper_size(self) -> bool:
        return bool(len(self.frame)) and bool((self.frame["train_points"] >= PAPER_POINTS).all())


def finished(networks: pd.DataFrame) -> pd.DataFrame:
    """Networks that were trained and measured, fitted or not."""
    return networks[(networks["status"] == OK) & (networks["stop"] != DIVERGED)]


def is_fitted(networks: pd.DataFrame) -> "pd.Series[bool]":
    return networks["fitted"].fillna(False).astype(bool) & (networks["status"] == OK)


def clusters(networks: pd.DataFrame) -> NDArray[np.int64]:
    """(n,) a number for each network, the same for those joined by a cell or by pairs."""
    rows, values, offset = [], [], len(networks)
    for column in ("cell_id", *(f"pair_{factor}" for factor in FACTORS)):
        codes, names = pd.factorize(networks[column])
        there = np.flatnonzero(codes >= 0)
        rows.append(there)
        values.append(codes[there] + offset)
        offset += len(names)
    ends = np.concatenate(rows), np.concatenate(values)
    graph = coo_array((np.ones(ends[0].size, dtype=bool), ends), shape=(offset, offset))
    _, found = connected_components(graph, directed=False)
    return np.asarray(found[: len(networks)], dtype=np.int64)


def cells_of(networks: pd.DataFrame) -> Cells:
    """The fitted cells among the networks, and why the others are no points."""
    why = pd.Series("", index=networks.index)
    why[(networks["status"] == OK) & ~is_fitted(networks)] = MISFIT
    why[(networks["status"] == OK) & (networks["stop"] == DIVERGED)] = DIVERGED
    why[networks["status"] == FAILED] = "failed"
    key = networks["cell_id"].fillna(networks["unit_id"])
    spoilt = why.isin([MISFIT, DIVERGED]).groupby(key).transform("any")
    why[(why == "") & spoilt] = SEED_MISFIT
    kept = networks[why == ""].assign(cluster=clusters(networks)[(why == "").to_numpy()])
    return Cells(averaged(kept, ["part", "cell_id"]), len(networks), counted(why[why != ""]))


def counted(reasons: "pd.Series[str]") -> dict[str, int]:
    """Reason -> how often, the most frequent first."""
    return {str(reason): int(number) for reason, number in reasons.value_counts().items()}


def averaged(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """One row per group: what its networks share, means, standard errors of the mean over them, `seeds`.

    `jacobian_effective_points` is the fewest of any, since one mean that few points carry spoils that over seeds.
    """
    groups = rows.groupby(list(keys), sort=False)
    shared = [name for name in (*SHARED, "cluster") if name in rows and name not in keys]
    means, deviations = groups[list(AVERAGED)].mean(), groups[list(AVERAGED)].std(ddof=1)
    means["jacobian_effective_points"] = groups["jacobian_effective_points"].min()
    errors = deviations.div(np.sqrt(groups[list(AVERAGED)].count())).add_prefix("sem_")
    return pd.concat([groups[shared].first(), means, errors, groups.size().rename("seeds")], axis=1).reset_index()


def size_of(rows: pd.DataFrame) -> str:
    """How large the networks of a figure are, beside the paper's, in a sentence."""
    if rows.empty:
        return ""
    data = " and ".join(
        data_name(*key) for key in rows[["dataset", "crop", "train_points"]].drop_duplicates().itertuples(index=False)
    )
    said = f"{data}; width {_range(rows['width'])}, {_range(rows['depth'])} weight matrices"
    return f"Sizes: {said}. Paper: {PAPER_SIZE}."


def data_name(dataset: str, crop: float, train_points: float) -> str:
    """`CIFAR10 (24 x 24), 800 training images`."""
    cropped = f" ({crop:.0f} x {crop:.0f})" if crop > 0 else ""
    return f"{DATA_NAMES.get(dataset, dataset)}{cropped}, {train_points:,.0f} training images"


def left_out(reasons: Mapping[str, int], noun: str) -> str:
    """`Left out: 3 networks (2 not fitted, 1 failed).`, or that none is."""
    if not reasons:
        return f"No {noun} is left out."
    listed = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
    total = sum(reasons.values())
    return f"Left out: {total} {noun}{'s' * (total != 1)} ({listed})."


def _range(values: "pd.Series[float]") -> str:
    low, high = values.min(), values.max()
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
