"""Files of a user who has networks of his own: modules that make them, and inputs."""

from pathlib import Path

import numpy as np

NETWORKS = """
import torch
from torch import nn

def mlp():
    return nn.Sequential(nn.Linear(40, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.5), nn.Linear(20, 3))

def images():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))

def wide():
    return nn.Linear(784, 10)

def number():
    return 7

def divides():
    return 1 / 0

def constant():
    return lambda inputs: 0 * inputs[:, :3]

def huge():
    return lambda inputs: 1e200 * inputs[:, :3]
"""


def write_own(folder: Path) -> None:
    """The user's own modules and inputs in a folder."""
    (folder / "own_networks.py").write_text(NETWORKS)
    (folder / "broken_networks.py").write_text("import nothing_like_it")
    generator = np.random.default_rng(0)
    np.save(folder / "inputs.npy", generator.normal(size=(120, 40)))
    np.savez(
        folder / "images.npz",
        inputs=generator.integers(0, 256, (120, 1, 8, 8), dtype=np.uint8),
        labels=np.arange(120) % 10,
    )
    np.savez(folder / "nameless.npz", generator.normal(size=(120, 40)))
    np.savez(folder / "objects.npz", inputs=np.array([[object()]]))
