"""Paired differences against scipy's test of two samples, and Holm's correction against its definition."""

import itertools

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.statistics.paired import holm, paired_difference


def test_a_difference_is_that_of_the_paired_t_test() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.normal(1, 1, size=12), generator.normal(size=12)
    found, known = paired_difference(one, other), stats.ttest_rel(one, other)
    interval = known.confidence_interval(0.95)
    assert (found.n, found.p) == (12, pytest.approx(known.pvalue))
    assert found.mean.value == pytest.approx((one - other).mean())
    assert (found.mean.low, found.mean.high) == pytest.approx((interval.low, interval.high))


def test_pairs_with_a_missing_or_infinite_side_do_not_take_part() -> None:
    found = paired_difference([1.0, 2.0, np.nan, np.inf, 5.0], [0.5, 1.0, 1.0, 1.0, 4.5])
    assert found.n == 3
    assert found.mean.value == pytest.approx(2 / 3)


def test_few_or_equal_differences_have_no_test() -> None:
    assert paired_difference([], []).n == 0
    one = paired_difference([2.0], [1.5])
    assert (one.n, one.mean.value) == (1, 0.5)
    assert np.isnan([one.p, one.mean.low, paired_difference([1.0, 2.0], [0.0, 1.0]).p]).all()


def test_holm_rejects_what_closed_testing_rejects() -> None:
    """A hypothesis is rejected if Bonferroni rejects every set of hypotheses that it belongs to."""
    generator = np.random.default_rng(1)
    for values in (generator.uniform(0, 0.2, size=4) for _ in range(20)):
        corrected = holm(values)
        for place in range(4):
            others = [other for other in range(4) if other != place]
            sets = [(place, *more) for size in range(4) for more in itertools.combinations(others, size)]
            slow = max(min(1, len(each) * min(values[list(each)])) for each in sets)
            assert corrected[place] == pytest.approx(slow)


def test_a_test_that_could_not_be_done_does_not_count() -> None:
    found = holm([0.02, float("nan"), 0.04])
    assert found[0] == pytest.approx(0.04)
    assert found[2] == pytest.approx(0.04)
    assert np.isnan(found[1])
