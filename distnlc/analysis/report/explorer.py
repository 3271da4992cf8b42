"""The report's explorer: every architecture as a point, its learning-rate search and its chosen run's epochs.

In: the tables of a study. Out: the choices of the page's controls, and the data that templates/explorer.js draws:
columns with one value per architecture, and for each its sweep and curves. So that a page stays small, numbers have
DIGITS digits, only chosen runs have curves, and large studies show their first MOST_POINTS architectures and the
sweeps of as many as fit into MOST_BYTES; then the page says so.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from distnlc.analysis.drawing.scatter import GROUPS, Quantity, group_of
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.parts import TRAINING, Part, parts_of

DIGITS = 4
MOST_POINTS = 10_000
MOST_BYTES = 4_000_000

QUANTITIES = (
    Quantity("init_nlc", "initial NLC", log=True),
    Quantity("init_bias", "initial bias", log=True),
    Quantity("init_jacobian_norm", "Jacobian norm", log=True),
    Quantity("init_gradient_component", "gradient component size", log=True),
    Quantity("init_gradient_length", "gradient length", log=True),
    Quantity("init_lipschitz", "local Lipschitz estimate", log=True),
    Quantity("init_input_cosine", "mean cosine of inputs"),
    Quantity("init_output_cosine", "mean cosine of outputs"),
    Quantity("init_relative_diameter", "relative diameter", log=True),
    Quantity("activation_nlc", "NLC of the activation function", log=True),
    Quantity("activation_linear_error", "linear approximation error of the activation function", log=True),
    Quantity("depth", "depth"),
    Quantity("width", "width", log=True),
    Quantity("parameters", "parameters", log=True),
    Quantity("best_rate", "chosen starting rate", log=True),
    Quantity("best_run", "index of the chosen run"),
    Quantity("val_error", "validation error"),
    Quantity("test_error", "test error"),
    Quantity("train_error", "training error"),
    Quantity("trained_nlc", "trained NLC", log=True),
    Quantity("trained_nlc_test", "trained NLC (test set)", log=True),
    Quantity("trained_bias", "trained bias", log=True),
    Quantity("trained_perturbation", "error-preserving perturbation", log=True),
)

PAIRS = (
    ("Figure 2", "init_nlc", "test_error"),
    ("Figure 1", "init_nlc", "init_relative_diameter"),
    ("Figure 3A", "init_bias", "test_error"),
    ("Figure 3B", "init_nlc", "trained_nlc"),
    ("Figure 3C", "trained_nlc", "test_error"),
    ("Figure 3D", "init_nlc", "train_error"),
    ("Figure 3E", "trained_nlc_test", "trained_perturbation"),
    ("Figure 4", "depth", "test_error"),
    ("Figure 8", "init_nlc", "best_rate"),
    ("Figure 9A", "init_bias", "trained_bias"),
    ("Figure 9B", "trained_bias", "test_error"),
    ("Figure 9C", "init_bias", "init_nlc"),
)
"""what the paper plots: figure, x, y; the first that a study has is shown first"""

DRAWN = {
    "architecture_id": "architecture id",
    "activation": "activation",
    "dilation": "dilation d",
    "shift": "shift t",
    "debiased": "debiased",
    "normalization": "normalization",
    "skip_strength": "skip strength",
    "skip_start": "skips start after",
    "bias_variance": "bias variance",
    "initial_scale": "initial scale",
}
"""what was drawn for an architecture, beside its quantities: column -> label"""

FILTERS = {"normalization": "Normalization", "activation": "Activation", "skips": "Skip connections"}

SYMBOLS = {"o": "circle", "s": "square", "^": "triangle-up"}


@dataclass(frozen=True)
class Explorer:
    """What the page's controls offer, and what the script draws."""

    parts: list[str]
    """titles; `data` names parts by their place in this list"""
    quantities: dict[str, Quantity]
    """those that some architecture has: column -> quantity"""
    pairs: list[tuple[str, str, str]]
    """of PAIRS, those of `quantities`"""
    filters: list[tuple[str, str, list[str]]]
    """column, label, the values that occur"""
    remarks: list[str]
    """what the page had to leave out"""
    data: dict[str, Any]
    """plain, without nan; its strings are as they stand in the records, markup included"""


def explorer(tables: Tables) -> Explorer | None:
    """The explorer of a study, or None if no architecture of it was measured."""
    parts = parts_of(tables.architectures)
    every = [part.rows[~part.failed].assign(part=number) for number, part in enumerate(parts)]
    rows = pd.concat(every, ignore_index=True) if every else pd.DataFrame()
    if rows.empty:
        return None
    # Every part keeps its share where not all fit; the draws are independent, so the first are a fair sample.
    rows = rows.sort_values(["index", "part"], ignore_index=True)
    points = rows.head(MOST_POINTS)
    points = points.assign(skips=(points["skip_strength"] > 0).map({True: "with", False: "without"}))
    quantities = {one.column: one for one in QUANTITIES if one.column in points and points[one.column].notna().any()}
    sweeps = _within(MOST_BYTES, _sweeps(points, parts, tables))
    return Explorer(
        parts=[part.title for part in parts],
        quantities=quantities,
        pairs=[pair for pair in PAIRS if set(pair[1:]) <= quantities.keys()],
        filters=[(name, label, sorted(points[name].astype(str).unique())) for name, label in FILTERS.items()],
        remarks=_left_out(len(rows), len(points), len(sweeps)),
        data={
            "parts": [{"title": part.title, "error": _error(part)[1]} for part in parts],
            "groups": [{"label": g.label, "colour": g.colour, "symbol": SYMBOLS[g.marker]} for g in GROUPS],
            "quantities": {name: {"label": one.label, "log": one.log} for name, one in quantities.items()},
            "drawn": DRAWN,
            "filters": list(FILTERS),
            "columns": {name: _plain(points[name]) for name in ("part", "index", "skips", *DRAWN, *quantities)}
            | {"group": group_of(points).tolist()},
            "sweeps": sweeps,
        },
    )


def _error(part: Part) -> tuple[str, str]:
    """Column and name of the error by which the part's runs are judged, epoch by epoch."""
    training = part.key[2] == TRAINING
    return ("train_error", "training error") if training else ("val_error", "validation error")


def _sweeps(points: pd.DataFrame, parts: list[Part], tables: Tables) -> Iterable[dict[str, Any]]:
    """Of each point, in order: all its runs, and the epochs of the chosen one; no runs where it was not trained."""
    chosen = points[["unit_id", "best_run"]].dropna().rename(columns={"best_run": "run"})
    epochs = tables.epochs.merge(chosen, on=["unit_id", "run"]).sort_values(["unit_id", "epoch"], ignore_index=True)
    curves = _by_unit(epochs, ["epoch", "rate", "train_loss", "val_error", "train_error"])
    runs = _by_unit(tables.runs, ["run", "start_rate", "status", "val_error", "train_error"])
    for unit_id, part in zip(points["unit_id"], points["part"], strict=True):
        error, _ = _error(parts[part])
        own, curve = runs(unit_id), curves(unit_id)
        rates = list(zip(curve["epoch"], curve["rate"], strict=True))
        divided = [now for now, before in zip(rates, [(0, None), *rates], strict=False) if now[1] != before[1]]
        yield {
            "run": own["run"],
            "start_rate": own["start_rate"],
            "error": own[error],
            "status": own["status"],
            "loss_curve": curve["train_loss"],
            "error_curve": curve[error],
            "rates": {"epoch": [epoch for epoch, _ in divided], "rate": [rate for _, rate in divided]},
            "epochs": len(rates),
        }


def _by_unit(rows: pd.DataFrame, columns: list[str]) -> Callable[[str], dict[str, list[Any]]]:
    """unit_id -> its values of each column; rows are sorted by unit. Plain lists: a frame per unit takes long."""
    plain = {name: _plain(rows[name]) for name in columns}
    places = {unit: (at[0], at[-1] + 1) for unit, at in rows.groupby("unit_id").indices.items()}
    return lambda unit: {name: values[slice(*places.get(unit, (0, 0)))] for name, values in plain.items()}


def _within(most: int, sweeps: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first sweeps, as many as are `most` bytes of JSON together."""
    kept, size = [], 0
    for sweep in sweeps:
        size += len(json.dumps(sweep, separators=(",", ":")))
        if size > most:
            break
        kept.append(sweep)
    return kept


def _plain(values: "pd.Series[Any]") -> list[Any]:
    """A column as JSON has it: numbers rounded to DIGITS digits, None for what is not finite or not there."""
    return [_plain_value(value) for value in values.astype(object).tolist()]


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return None if pd.isna(value) else value


def _left_out(rows: int, points: int, sweeps: int) -> list[str]:
    said = []
    if points < rows:
        said.append(f"To keep the page small, the explorer holds the first {points:,} of {rows:,} architectures.")
    if sweeps < points:
        said.append(f"To keep the page small, it holds the sweeps and curves of the first {sweeps:,} architectures.")
    return said
