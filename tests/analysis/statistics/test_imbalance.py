"""Largest over smallest, and ratios of geometric means, against plain loops over resamples."""

import math

import numpy as np
import pytest

from distnlc.analysis.statistics.imbalance import (
    largest_over_smallest,
    ratio_of_geometric_means,
    typical_ratio_of_geometric_means,
)
from distnlc.analysis.statistics.resampling import resamples


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).lognormal(size=(7, 4)) * np.array([1.0, 10.0, 3.0, 2.0])


def drawn_again(values: np.ndarray) -> list[np.ndarray]:
    """Every resample written out, unit by unit."""
    return [np.repeat(values, counts.astype(int), axis=0) for counts in resamples(len(values))]


def test_largest_over_smallest_is_that_of_means_over_units(values: np.ndarray) -> None:
    found = largest_over_smallest(values)
    means = [sum(column) / 7 for column in values.T]
    slow = [max(each.mean(axis=0)) / min(each.mean(axis=0)) for each in drawn_again(values)]
    assert found.value == pytest.approx(max(means) / min(means))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_a_ratio_of_geometric_means_is_that_of_a_loop(values: np.ndarray) -> None:
    found = ratio_of_geometric_means(values, [1, 2], [0, 3])

    def ratio(rows: np.ndarray) -> float:
        m = rows.mean(axis=0)
        return math.sqrt(m[1] * m[2] / (m[0] * m[3]))

    assert found.value == pytest.approx(ratio(values))
    slow = [ratio(each) for each in drawn_again(values)]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_a_typical_ratio_is_that_of_a_loop_over_units(values: np.ndarray) -> None:
    found = typical_ratio_of_geometric_means(values, [1, 2], [0, 3])

    def ratio(rows: np.ndarray) -> float:
        return math.prod(math.sqrt(row[1] * row[2] / (row[0] * row[3])) for row in rows) ** (1 / 7)

    assert found.value == pytest.approx(ratio(values))
    slow = [math.log(ratio(each)) for each in drawn_again(values)]
    assert (found.low, found.high) == pytest.approx(tuple(np.exp(np.quantile(slow, [0.025, 0.975]))))


def test_one_unit_has_no_interval(values: np.ndarray) -> None:
    one = values[:1]
    ratios = (each(one, [0], [1]) for each in (ratio_of_geometric_means, typical_ratio_of_geometric_means))
    for found in (largest_over_smallest(one), *ratios):
        assert found.value > 0
        assert math.isnan(found.low)
        assert math.isnan(found.high)
