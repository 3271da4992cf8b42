"""Invented trainings of a study of gradients, for `synthetic_gradients.study`, whose errors are the paper's."""

from typing import Any

import numpy as np
import pandas as pd

from tests.helpers.synthetic_gradients import places_of, size_of


def training(
    nonlinearity: str,
    normalization: str = "none",
    matrices: str = "gaussian",
    skip: str = "none",
    *,
    protocol: str = "single",
    error: float = 0.05,
    gsc: float = 10.0,
    depth: int = 20,
    epochs: int = 20,
    pretraining: int = 2,
    points: int = 2_000,
    dataset: str = "mnist",
    batch: int | None = 200,
    first_update: float = 0.01,
    candidates: int = 3,
    update_slope: float = 0.02,
    residual_slope: float = 0.02,
    cut: int = 20,
    later: float = 1.0,
    name: str = "",
) -> dict[str, Any]:
    """One training: its error falls to `error`, its gradient scale is `gsc` at first, halves in pre-training and ends
    at `later` times the first; Taylor keeps the error down to the depth `cut`."""
    part = name or f"train-{normalization}-{nonlinearity}-{matrices}-{skip}-{protocol}"
    unit = f"g{part}"
    pretraining = pretraining if protocol == "custom" else 0
    number = np.arange(1, epochs + 1)
    share = number / epochs
    best = {"single": 0.03, "custom": 0.8}[protocol]
    falling = gsc * np.where(number <= pretraining, 0.5, later)
    rows = [
        {
            "step": best,
            "epoch": epoch,
            "phase": "pretraining" if epoch <= pretraining else "training",
            "rate": best / 3 ** int(3 * epoch / epochs),
            "train_error": 0.9 * (error / 0.9) ** (epoch / epochs),
            "gsc_input": falling[epoch - 1],
            "effective_depth_1e4": depth - 2,
            "effective_depth_1e6": round(depth * min(1, 2 * share[epoch - 1])),
            "effective_depth_1e8": depth + 2,
            "effective_depth_after_pretraining": depth - 1,
            "std_top": 0.2 + 0.8 * share[epoch - 1],
            "sign_diversity_top": 0.05 + 0.4 * share[epoch - 1],
            "measured": True,
        }
        for epoch in number
    ]
    rows += [
        {"step": best * 3.0 ** (1 + other), "epoch": 1, "phase": "training", "rate": 1.0, "train_error": 0.9,
         "measured": False}
        for other in range(candidates)
    ]  # fmt: skip
    epochs_frame = pd.DataFrame(rows).assign(unit_id=unit, part=part)
    layers = pd.concat(
        [
            _trained_layers(skip, normalization, gsc * (0.5 if epoch == pretraining and pretraining else 1), epoch)
            for epoch in sorted({0, pretraining, epochs})
        ],
        ignore_index=True,
    ).assign(unit_id=unit, part=part)
    linear = layers["kind"] == "linear"
    layers["residual_norm"] = np.where(
        linear & (layers["epoch"] == epochs), 0.1 * np.exp(residual_slope * layers["linear_layer"]), np.nan
    )
    updates = 0.001 * np.exp(update_slope * layers["linear_layer"])
    shown = linear & (layers["epoch"] == pretraining) & (protocol == "custom")
    layers["relative_update"] = np.where(shown, updates, np.nan)
    taylor = pd.DataFrame({"compositional_depth": range(2, 52)}).assign(unit_id=unit, part=part)
    taylor["train_error"] = np.where(taylor["compositional_depth"] >= cut, error, min(0.9, error + 0.3))
    network = {
        "unit_id": unit, "part": part, "index": 0, "status": "ok", "attempts": 1, "seconds": 300.0, "device": "cpu",
        "nonlinearity": nonlinearity, "normalization": normalization, "matrices": matrices, "skip": skip,
        "width": "100", "linear_layers": 51, "block_layers": 2, "points": points, "protocol": protocol,
        "dataset": dataset, "gsc_input": gsc, "gsc_lowest": gsc, "std_top": 0.2, "sign_diversity_top": 0.05,
        "best_step": best, "train_error": error, "effective_depth": depth, "epochs": epochs,
        "largest_first_update": first_update, "batch_size": batch or points,
    }  # fmt: skip
    return {"networks": [network], "layers": layers, "epochs": epochs_frame, "taylor": taylor}


def _trained_layers(skip: str, normalization: str, scale: float, epoch: int) -> pd.DataFrame:
    places = pd.DataFrame(places_of(51, normalization != "none", 0))
    places["epoch"] = epoch
    places["gsc"] = scale ** ((places["layer"] - 1) / (size_of(places) - 1))
    if skip != "none":
        between = (places["linear_layer"] % 2 == 1) & (places["kind"] == "linear")
        places["gsc"] = places["gsc"].where(between | (places["layer"] == 1) | (places["kind"] == "input"))
    return places


FULL_TRAININGS: tuple[dict[str, Any], ...] = (
    {"nonlinearity": "relu", "gsc": 1.5, "error": (0.31, 0.19), "depth": 12},
    {"nonlinearity": "relu", "normalization": "layer", "gsc": 1.2, "error": (0.42, 0.21), "depth": 13},
    {"nonlinearity": "relu", "normalization": "batch", "gsc": 5000.0, "error": (0.35, 0.77), "depth": 20, "cut": 8,
     "batch": None},
    {"nonlinearity": "tanh", "gsc": 1.3, "error": (0.23, 0.16), "depth": 14},
    {"nonlinearity": "tanh", "normalization": "layer", "gsc": 72.0, "error": (0.019, 0.17), "depth": 25, "cut": 12},
    {"nonlinearity": "tanh", "normalization": "batch", "gsc": 94.0, "error": (0.12, 0.24), "depth": 45, "cut": 40},
    {"nonlinearity": "selu", "gsc": 6.3, "error": (0.002, 0.018), "depth": 40, "cut": 40, "residual_slope": -0.01},
    {"nonlinearity": "relu", "matrices": "looks-linear", "gsc": 1.0, "error": (0.0001, 0.0002), "depth": 30,
     "residual_slope": 0.05},
    {"nonlinearity": "relu", "normalization": "layer", "matrices": "looks-linear", "gsc": 1.0, "error": (0.008, 0.012),
     "depth": 30},
    {"nonlinearity": "relu", "normalization": "batch", "matrices": "looks-linear", "gsc": 1.0, "error": (0.004, 0.002),
     "depth": 30},
    *(
        {"nonlinearity": nonlinearity, "normalization": normalization, "skip": "identity", "gsc": gsc, "error": error,
         "depth": 48, "cut": 45, "update_slope": 0.001}
        for nonlinearity, normalization, gsc, error in (
            ("tanh", "layer", 1.6, (0.0035, 0.0027)), ("tanh", "batch", 1.6, (0.0013, 0.0024)),
            ("relu", "layer", 1.1, (0.02, 0.015)), ("relu", "batch", 4.0, (0.0006, 0.001)),
            ("selu", "layer", 1.3, (0.0155, 0.0155)),
        )
    ),
)  # fmt: skip
"""arguments of `training` for the rows of table 2; error: of the custom and of the single protocol"""


def all_trainings() -> list[dict[str, Any]]:
    """Table 2 with both protocols."""
    return [
        training(**arguments | {"error": arguments["error"][place]}, protocol=protocol)
        for arguments in FULL_TRAININGS
        for place, protocol in enumerate(("custom", "single"))
    ]
