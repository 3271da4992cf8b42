"""Invented studies of moments that follow the paper's laws: tables as arrays, as fast as large ones need."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from distnlc.analysis.moments.paper import SETTINGS, THIN
from distnlc.analysis.tables import Tables
from distnlc.records import columns_of
from distnlc.studies.moments.records import BlockRow, LayerRow

QUICK = ("FC2", "FC3-64", "FC4")
"""the parts of `moments-quick`"""
BLOCK = 10
Noise = Callable[[int], np.ndarray]


def moments_tables(
    *names: str, simulations: int = 30, depth: int | None = None, seed: int = 0, **changes: Mapping[str, Any]
) -> Tables:
    """A finished study of parts by their names; `changes`: by part, fields of its blocks that are not the paper's."""
    generator = np.random.default_rng(seed)
    blocks, layers = [], []
    for name in names:
        setting = asdict(SETTINGS.get(name.removesuffix(THIN), SETTINGS["FC2"]))
        about = setting | {"depth": depth or (100 if setting["net"] == "bn_res" else 200)} | dict(changes.get(name, {}))
        if name.endswith(THIN):
            about["width"] = 64
        of_blocks, of_layers = _part(name, about, simulations, generator)
        blocks.append(of_blocks)
        layers.append(of_layers)
    frames = {
        "blocks": pd.concat(blocks, ignore_index=True)[list(columns_of(BlockRow))],
        "layers": pd.concat(layers, ignore_index=True)[list(columns_of(LayerRow))],
    }
    return Tables("moments", frames)


def _part(
    name: str, about: dict[str, Any], simulations: int, generator: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    step = max(1, about["depth"] // 100)
    layers = np.arange(step, about["depth"] + 1, step)
    noise = _noise(layers, simulations, generator)
    values = _SIMULATED[about["net"]](layers.astype(float), about["width"], noise)
    firsts = np.arange(0, simulations, BLOCK)
    blocks = pd.DataFrame(
        {
            "unit_id": [f"m{name}{first:05d}" for first in firsts],
            "index": range(firsts.size),
            "first_simulation": firsts,
            "simulations": np.minimum(BLOCK, simulations - firsts),
        }
    ).assign(part=name, status="ok", reason=None, attempts=1, seconds=3.0, device="cpu", **about)
    simulation, layer = (each.ravel() for each in np.meshgrid(np.arange(simulations), layers, indexing="ij"))
    rows = pd.DataFrame({"simulation": simulation, "layer": layer, "part": name})
    rows["unit_id"] = blocks["unit_id"].to_numpy()[simulation // BLOCK]
    for column, kind in columns_of(LayerRow).items():
        if kind.startswith("float"):
            rows[column] = values[column].ravel() if column in values else np.nan
    return blocks, rows


def _vanilla(layers: np.ndarray, width: int, noise: Noise) -> dict[str, np.ndarray]:
    """The signal's rank goes to 1, its log moment drifts and diffuses as theory says, chi is a power of depth."""
    steps = np.diff(layers, prepend=0)
    walk = (-2.5 * steps / width + np.sqrt(5 * steps / width) * noise(0)).cumsum(axis=1)
    chi = 1.1 * layers**0.3 * np.exp(0.05 * noise(1))
    delta = 1 + 0.3 / layers + 0.01 * noise(0)
    return {
        "chi": chi,
        "delta_chi": delta,
        "delta_chi_predicted": delta * (1 + 0.001 * noise(0)),
        "rank_signal": 1 + 8 / layers * np.exp(0.2 * noise(0)),
        "log_second_moment_signal": walk,
        "log_variance_noise": walk + 2 * np.log(chi) - np.log(1 + layers / 20),
    }


def _normalized(noise: Noise) -> dict[str, np.ndarray]:
    delta_bn, delta_phi = 1.025 + 0.002 * noise(0), 1.2 + 0.002 * noise(0)
    return {
        "delta_chi": delta_bn * delta_phi,
        "delta_bn": delta_bn,
        "delta_phi": delta_phi,
        "delta_chi_predicted": delta_bn * delta_phi,
        "delta_bn_predicted": delta_bn,
        "delta_phi_predicted": delta_phi * 1.0005,
        "rank_signal": 10 + 0.5 * noise(0),
        "rank_noise": 20 + 0.5 * noise(0),
        "kurtosis_z": 3.4 + 0.05 * noise(0),
        "mean_abs_z": 0.785 + 0.002 * noise(0),
    }


def _bn_ff(layers: np.ndarray, _: int, noise: Noise) -> dict[str, np.ndarray]:
    """chi grows by 1.23 a layer; the signal is that of a ReLU behind batch norm."""
    chi = 1.1 * 1.23**layers * np.exp(0.05 * noise(1))
    return _normalized(noise) | {"chi": chi} | _log_moments(chi, 0.5 + 0 * layers, 1 - 1 / np.pi)


def _bn_res(layers: np.ndarray, _: int, noise: Noise) -> dict[str, np.ndarray]:
    """chi grows as the power that theorem 4 gives of the increment, 0.64; each unit adds a variance of 1."""
    chi = 0.6 * layers**0.6443 * np.exp(0.05 * noise(1))
    return _normalized(noise) | {"chi": chi} | _log_moments(chi, 1 + layers, 0.9)


def _log_moments(chi: np.ndarray, second: np.ndarray, share: float) -> dict[str, np.ndarray]:
    """Of a signal with this second moment, that share of which is variance."""
    log_second = np.log(second) + np.zeros(chi.shape)
    return {
        "log_second_moment_signal": log_second,
        "log_variance_noise": 2 * np.log(chi) + log_second + np.log(share),
    }


def _noise(layers: np.ndarray, simulations: int, generator: np.random.Generator) -> Noise:
    """Gaussian numbers (simulations, layers), for each layer (0) or the same at all layers of a simulation (1)."""
    return lambda shared: generator.normal(size=(simulations, 1 if shared else layers.size)) + np.zeros(layers.size)


_SIMULATED = {"vanilla": _vanilla, "bn_ff": _bn_ff, "bn_res": _bn_res}
