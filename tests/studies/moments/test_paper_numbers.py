"""A few simulations at full size against the means of the author's released arrays (section 7)."""

import math
import os
from functools import cache

import numpy as np
import pytest

from distnlc.analysis.moments import paper
from distnlc.analysis.statistics.means import digits
from distnlc.data import dataset
from distnlc.data.folders import DATA_VARIABLE, DataError
from distnlc.studies import resolve
from distnlc.studies.moments.simulation import Row, simulate
from distnlc.studies.moments.spec import Spec
from distnlc.studies.moments.units import seed_of

STANDARD_ERRORS = 5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        DATA_VARIABLE not in os.environ, reason=f"needs CIFAR10 in the folder that {DATA_VARIABLE} names"
    ),
]


@cache
def simulated(name: str, number: int) -> dict[int, Row]:
    """The measured layers of one simulation of a part of moments-small."""
    spec = resolve("moments-small")
    assert isinstance(spec, Spec)
    part = spec.part(name)
    try:
        loaded = dataset.load(part.data, part.seed)
    except DataError as error:
        pytest.skip(str(error))
    images = loaded.train_inputs.float().view(-1, *loaded.shape)
    return {row["layer"]: row for row in simulate(part, images, seed_of(part, name, number))}


@pytest.mark.parametrize(("name", "count"), [("FC2", 24), ("FC3-64", 16), ("FC4", 8)])
def test_means_are_those_of_the_released_arrays(name: str, count: int) -> None:
    found = [simulated(name, number) for number in range(count)]
    far = []
    for quantity, means in paper.MEANS[name].items():
        for layer, written in means.items():
            mean, values = float(written), np.array([rows[layer][quantity] for rows in found])
            error = values.std(ddof=1) * math.hypot(count**-0.5, paper.SETTINGS[name].simulations ** -0.5)
            if abs(values.mean() - mean) > STANDARD_ERRORS * error + digits(written) / 2:
                far.append((quantity, layer, values.mean(), error, mean))
    assert far == []


def test_the_sensitivity_grows_exponentially_with_batch_norm() -> None:
    found = [simulated("FC3-64", number) for number in range(8)]
    factors = [(rows[200]["chi"] / rows[100]["chi"]) ** 0.01 for rows in found]
    assert np.mean(factors) == pytest.approx(1.229, rel=0.02)
