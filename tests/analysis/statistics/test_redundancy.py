"""Metrics that say the same stand together, in either direction."""

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.statistics.redundancy import average, redundancy


def metrics() -> np.ndarray:
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(2, 200))
    return np.array([one, other, -np.exp(one), generator.normal(size=200), other + 0.01 * generator.normal(size=200)])


def test_a_metric_and_its_reverse_are_one_group_and_stand_side_by_side() -> None:
    found = redundancy(np.asarray(stats.spearmanr(metrics().T).statistic))
    assert sorted(found.groups) == [[0, 2], [1, 4]]
    places = {metric: place for place, metric in enumerate(found.order)}
    assert abs(places[0] - places[2]) == abs(places[1] - places[4]) == 1
    assert sorted(found.order) == list(range(5))
    assert found.correlations[0, 2] == pytest.approx(-1)


def test_studies_are_averaged_over_those_that_have_both_metrics() -> None:
    nan = float("nan")
    one, other = np.array([[1, 0.5], [0.5, 1]]), np.array([[1, nan], [nan, nan]])
    third = np.array([[1, -0.1], [-0.1, 1]])
    found = average([one, other, third], [30, 1000, 10])
    assert found == pytest.approx(np.array([[1, 0.35], [0.35, 1]]))


def test_metrics_that_no_study_has_both_are_no_group() -> None:
    nan = float("nan")
    found = redundancy(np.array([[1, nan, 0.95], [nan, 1, 0], [0.95, 0, 1]]))
    assert found.groups == [[0, 2]]
