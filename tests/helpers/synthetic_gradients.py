"""Invented studies of gradients that follow the paper's numbers: tables as arrays, as fast as large ones need."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from distnlc.analysis.gradients import paper
from distnlc.analysis.tables import Tables
from distnlc.records import columns_of
from distnlc.studies.gradients.records import CheckRow, EpochRow, LayerRow, NetworkRow, TaylorRow

ROWS = {"networks": NetworkRow, "layers": LayerRow, "epochs": EpochRow, "taylor": TaylorRow, "checks": CheckRow}
ALL = tuple(range(1, 35))
"""the rows of table 1"""
QUICK_POINTS = 1_000


def study(*parts: dict[str, list[dict[str, Any]] | pd.DataFrame]) -> Tables:
    """The tables of a study, of parts that the functions below make."""
    frames = {}
    for name, row in ROWS.items():
        columns = columns_of(row)
        given = [pd.DataFrame(part[name]) for part in parts if len(part.get(name, ()))]
        frame = pd.concat(given, ignore_index=True) if given else pd.DataFrame()
        for column, kind in columns.items():
            if column not in frame:
                number = kind.rstrip("?") in {"int", "float"}
                frame[column] = np.nan if number else None
        frames[name] = frame[list(columns)]
    return Tables("gradients", frames)


def noise(
    number: int, networks: int = 6, points: int | None = None, *, factor: float = 1.0, seed: int = 0, name: str = ""
) -> dict[str, Any]:
    """Networks of a row of table 1, whose gradient scales are `factor` times the printed one but for their spread."""
    row = paper.TABLE_1[number - 1]
    points = points or _points(row.setting)
    printed_std = paper.MISPRINTS.get(number, row.std)
    return _noise(
        name or f"row-{number:02d}",
        row.setting,
        networks,
        points,
        total=factor * float(row.gsc),
        spread=row.spread[0] / row.measured.value,
        top=(float(printed_std), min(float(row.sign_diversity), paper.sign_diversity_of_symmetric(points))),
        generator=np.random.default_rng((seed, number)),
    )


def system(nonlinearity: str, normalization: str, matrices: str, networks: int = 6, seed: int = 0) -> dict[str, Any]:
    """Networks of table 3."""
    stated = paper.TABLE_3[nonlinearity, normalization, matrices]
    setting = (nonlinearity, normalization, matrices, "identity", "100")
    return _noise(
        f"table3-{matrices}-{normalization}-{nonlinearity}",
        setting,
        networks,
        paper.POINTS,
        total=10 ** float(stated.gsc),
        spread=0.02,
        top=(1.0, 0.5),
        generator=np.random.default_rng((seed, 99)),
        block_layers=1,
    )


def all_noise(networks: int = 6, rows: Sequence[int] = ALL) -> list[dict[str, Any]]:
    """Every row of table 1, and table 3."""
    return [*(noise(number, networks) for number in rows), *(system(*key, networks) for key in paper.TABLE_3)]


def _points(setting: paper.Setting) -> int:
    return paper.POINTS if setting[1] == "batch" else QUICK_POINTS


def _noise(
    name: str,
    setting: paper.Setting,
    networks: int,
    points: int,
    *,
    total: float,
    spread: float,
    top: tuple[float, float],
    generator: np.random.Generator,
    block_layers: int = 2,
) -> dict[str, Any]:
    nonlinearity, normalization, matrices, skip, width = setting
    linear_layers = 50 if skip == "none" else 51
    places = pd.DataFrame(places_of(linear_layers, normalization != "none", 0 if skip == "none" else block_layers))
    size = len(places)
    drawn = np.exp(min(spread, 0.5) * generator.normal(size=networks))
    scales = total * drawn / drawn.mean()
    ids = [f"g{name}{points}n{index:04d}" for index in range(networks)]
    share = np.tile((places["layer"] - 1) / (size_of(places) - 1), networks)  # 0 at the top, 1 at the input
    layers = pd.concat([places] * networks, ignore_index=True)
    layers["unit_id"], layers["part"], layers["epoch"] = np.repeat(ids, size), name, 0
    if skip == "none":
        layers["gsc"] = np.repeat(scales, size) ** share
    else:
        _blocks(layers, np.repeat(scales, size), block_layers)
    entering = layers["kind"] == "activation"
    up = layers["linear_layer"] / (linear_layers - 1)
    layers["std"] = np.where(entering, top[0] ** up, np.nan)
    layers["sign_diversity"] = np.where(entering, 0.5 * (top[1] / 0.5) ** up, np.nan)
    period = 3 if normalization != "none" else 2
    fit = skip == "none"
    rows = pd.DataFrame(
        {
            "unit_id": ids,
            "index": range(networks),
            "gsc_input": scales,
            "gsc_lowest": scales,
            "std_top": top[0] + 0.001 * generator.normal(size=networks),
            "sign_diversity_top": top[1] + 0.001 * generator.normal(size=networks),
            "growth_rate": scales ** (1 / (linear_layers * period)) if fit else np.nan,
            "growth_intercept": 1.0 if fit else np.nan,
            "growth_r2": 0.9995 if fit else np.nan,
        }
    ).assign(
        part=name,
        status="ok",
        attempts=1,
        seconds=3.0,
        device="cpu",
        nonlinearity=nonlinearity,
        normalization=normalization,
        matrices=matrices,
        skip=skip,
        width=width,
        linear_layers=linear_layers,
        block_layers=block_layers,
        points=points,
        protocol="noise",
    )
    return {"networks": rows, "layers": layers}


def size_of(places: pd.DataFrame) -> int:
    return int(places["layer"].max())


def places_of(linear_layers: int, normalized: bool, block_layers: int) -> list[dict[str, Any]]:
    """All places of a network, with blocks those between them and the nonlinearities."""
    found: list[dict[str, Any]] = []
    layer = 0
    for linear in range(linear_layers, 0, -1):
        inner = block_layers and (linear - 1) % block_layers
        kinds = ["activation"] * (linear < linear_layers) + ["normalization"] * normalized + ["linear"]
        for kind in kinds:
            layer += 1
            boundary = kind == "linear" and not inner
            if not block_layers or kind == "activation" or boundary or layer == 1:
                found.append({"layer": layer, "kind": kind, "linear_layer": linear})
    return [*found, {"layer": layer + 1, "kind": "input", "linear_layer": 0}]


def _blocks(layers: pd.DataFrame, scales: np.ndarray, block_layers: int) -> None:
    """Dilution and growth of blocks that keep the law of dilution: k^2 = b', and one r for all blocks."""
    last = layers["linear_layer"].max()
    blocks = (last - 1) // block_layers
    number = ((layers["linear_layer"] - 1) / block_layers).clip(lower=0)  # at an upper boundary: the block from below
    upper = (layers["kind"] == "linear") & (number >= 1)
    share = 1 - np.log(number + 1) / np.log(blocks + 1)
    between = layers["kind"].isin(["linear", "normalization", "input"])
    layers["gsc"] = np.where(between, scales**share, np.nan)
    growth = scales ** (np.log((number + 1) / number.clip(lower=1)) / np.log(blocks + 1))
    layers["dilution"] = np.where(upper, np.sqrt(number.clip(lower=1)), np.nan)
    layers["block_growth"] = np.where(upper, growth, np.nan)
    square = layers["dilution"] ** 2
    layers["corrected_growth"] = 1 + (square + 1) * (layers["block_growth"] - 1)
    layers["exact_growth"] = np.sqrt((square + 1) * layers["block_growth"] ** 2 - square)


def checks(*rows: tuple[str, str, float, float, float | None, float | None, str]) -> dict[str, Any]:
    """Check, case, measured, target, standard error, tolerance and relation of each."""
    names = ("check", "case", "measured", "target", "standard_error", "tolerance", "relation")
    found = [dict(zip(names, row, strict=True)) | {"part": f"check-{row[0]}"} for row in rows]
    parts = dict.fromkeys(row["part"] for row in found)
    networks = [
        {"unit_id": f"g{part}", "part": part, "index": 0, "status": "ok", "attempts": 1, "seconds": 9.0,
         "device": "cpu", "protocol": "checks"}
        for part in parts
    ]  # fmt: skip
    return {"networks": networks, "checks": [row | {"unit_id": f"g{row['part']}"} for row in found]}
