"""A few simulations at full size against the means of the author's released arrays (section 7)."""

import math
import os
from collections.abc import Sequence

import numpy as np
import pytest

from distnlc.data import dataset
from distnlc.data.folders import DATA_VARIABLE, DataError
from distnlc.studies import resolve
from distnlc.studies.moments.simulation import Row, simulate
from distnlc.studies.moments.spec import Spec
from distnlc.studies.moments.units import seed_of

LAYERS = (2, 10, 20, 50, 100, 200)
FC2 = {
    "delta_chi": (1.146, 1.041, 1.014, 1.001, 1.006, 0.999),
    "chi": (1.384, 2.359, 2.993, 3.851, 4.452, 5.386),
    "rank_signal": (5.558, 2.810, 1.667, 1.155, 1.043, 1.010),
}
FC3 = {
    "chi": (1.661, 8.878, 70.08, 3.456e4, 1.063e9, 9.90e17),
    "delta_bn": (1.047, 1.022, 1.021, 1.024, 1.025, 1.025),
    "delta_phi": (1.204, 1.203, 1.203, 1.201, 1.199, 1.199),
    "rank_noise": (29.7, 25.4, 21.6, 14.8, 10.0, 6.6),
    "rank_signal": (8.70, 13.1, 12.5, 11.2, 10.4, 10.2),
    "kurtosis_z": (3.262, 3.373, 3.440, 3.600, 3.696, 3.728),
    "mean_abs_z": (0.787, 0.786, 0.785, 0.782, 0.780, 0.780),
}
FC4_UNITS = (5, 10, 20, 50, 100, 250, 500)
FC4 = {
    "chi": (2.256, 3.175, 4.683, 8.156, 12.58, 22.53, 35.11),
    "delta_chi": (1.250, 1.242, 1.236, 1.234, 1.231, 1.232, 1.232),
    "delta_bn": (1.038, 1.030, 1.026, 1.024, 1.023, 1.023, 1.023),
    "rank_signal": (10.0, 11.8, 12.7, 13.0, 12.9, 12.9, 12.8),
    "rank_noise": (28.8, 27.2, 25.7, 23.7, 22.1, 20.5, 19.6),
}
PRINTED = 2e-3
"""how far the last printed digit can be off, in proportion"""
STANDARD_ERRORS = 5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        DATA_VARIABLE not in os.environ, reason=f"needs CIFAR10 in the folder that {DATA_VARIABLE} names"
    ),
]


def simulated(name: str, count: int, layers: Sequence[int]) -> list[dict[int, Row]]:
    """The measured layers of so many simulations of a part of moments-small."""
    spec = resolve("moments-small")
    assert isinstance(spec, Spec)
    part = spec.part(name)
    try:
        loaded = dataset.load(part.data, part.seed)
    except DataError as error:
        pytest.skip(str(error))
    images = loaded.train_inputs.float().view(-1, *loaded.shape)
    found = [simulate(part, images, seed_of(part, name, number)) for number in range(count)]
    return [{row["layer"]: row for row in rows if row["layer"] in layers} for rows in found]


@pytest.mark.parametrize(
    ("name", "count", "layers", "paper"),
    [("FC2", 24, LAYERS, FC2), ("FC3-64", 16, LAYERS, FC3), ("FC4", 8, FC4_UNITS, FC4)],
)
def test_means_are_those_of_the_released_arrays(
    name: str, count: int, layers: Sequence[int], paper: dict[str, tuple[float, ...]]
) -> None:
    found = simulated(name, count, layers)
    far = []
    for quantity, means in paper.items():
        for layer, mean in zip(layers, means, strict=True):
            values = np.array([rows[layer][quantity] for rows in found])
            error = math.hypot(values.std(ddof=1) / len(values) ** 0.5, values.std(ddof=1) / 200**0.5)
            if abs(values.mean() - mean) > STANDARD_ERRORS * error + PRINTED * mean:
                far.append((quantity, layer, values.mean(), error, mean))
    assert far == []


def test_the_sensitivity_grows_exponentially_with_batch_norm() -> None:
    found = simulated("FC3-64", 8, (100, 200))
    factors = [(rows[200]["chi"] / rows[100]["chi"]) ** 0.01 for rows in found]
    assert np.mean(factors) == pytest.approx(1.229, rel=0.02)
