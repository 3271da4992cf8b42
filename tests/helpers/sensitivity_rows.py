"""Rows of a study of sensitivity from the few fields that matter, and its tables from rows."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from distnlc.analysis.tables import Tables
from distnlc.records import columns_of
from distnlc.studies.sensitivity.records import CheckRow, CurveRow, LayerRow, NetworkRow, PointRow, RegionRow

ROWS = {
    "networks": NetworkRow,
    "checks": CheckRow,
    "layers": LayerRow,
    "curves": CurveRow,
    "points": PointRow,
    "regions": RegionRow,
}
CIFAR = {"dataset": "cifar10", "crop": 24, "train_points": 800, "d_in": 1728}
MNIST = {"dataset": "mnist", "crop": 0, "train_points": 1000, "d_in": 784}


def tables_of(networks: Iterable[Mapping[str, Any]], **others: Iterable[Mapping[str, Any]]) -> Tables:
    """Tables of the kind from rows as mappings; columns that are not given are missing."""
    frames = {}
    for name, row_type in ROWS.items():
        rows = list(networks) if name == "networks" else list(others.get(name, ()))
        frame = pd.DataFrame(rows).reindex(columns=list(columns_of(row_type)))
        for column, kind in columns_of(row_type).items():
            if kind.startswith("bool"):
                frame[column] = frame[column].astype("boolean")
            elif kind.startswith("float") or kind == "int?":
                frame[column] = frame[column].astype(float)
        frames[name] = frame
    return Tables("sensitivity", frames)


def network(part: str, index: int, **fields: Any) -> dict[str, Any]:
    """One fitted network on CIFAR10 by default; parameters, neurons and what follows from accuracies are filled in."""
    row: dict[str, Any] = {
        "unit_id": f"s{part}{index:04d}",
        "part": part,
        "index": index,
        "status": "ok",
        "attempts": 1,
        "seconds": 2.0,
        "device": "cpu",
        "cell_id": f"c{part}{index:04d}",
        "seed": 1,
        **CIFAR,
        "d_out": 10,
        "activation": "relu",
        "width": 60,
        "depth": 3,
        "scale": 1.0,
        "labels": "true",
        "augmentation": "none",
        "loss": "cross-entropy",
        "optimizer": "momentum",
        "rate": 0.005,
        "batch": 20,
        "stop": "fitted",
        "steps": 1000,
        "epochs": 25.0,
        "fitted": True,
        "train_accuracy": 1.0,
        "test_accuracy": 0.28,
        "train_loss": 0.02,
        "test_loss": 3.0,
        "jacobian_norm": 1.0,
        "jacobian_sem": 0.02,
        "jacobian_points": 1000,
        "jacobian_effective_points": 600.0,
        "logit_jacobian_norm": 3.0,
        "logit_scale": 1.2,
        "transitions": 1000.0,
        "transitions_sem": 20.0,
        "trajectories": 20,
        "transitions_method": "exact",
        "train_seconds": 1.5,
        "jacobian_seconds": 0.2,
        "transitions_seconds": 0.2,
    } | fields
    width, depth = row["width"], row["depth"]
    row["parameters"] = row["d_in"] * width + (depth - 2) * width**2 + 10 * width
    row["neurons"] = width * (depth - 1)
    row.setdefault("gap", row["train_accuracy"] - row["test_accuracy"])
    return row
