"""Ratios of means against the rows that were drawn."""

import math

import numpy as np
import pytest

from distnlc.analysis.statistics.ratios import ratio_of_means
from distnlc.analysis.statistics.resampling import resamples


def test_a_ratio_s_interval_is_that_of_resampled_networks() -> None:
    generator = np.random.default_rng(0)
    tops, bottoms = np.exp(generator.normal(size=(2, 12)))
    networks = np.repeat(np.arange(4), 3)
    found = ratio_of_means(tops, bottoms, networks)
    assert found.value == pytest.approx(tops.mean() / bottoms.mean())
    drawn = []
    for counts in resamples(4).astype(int):
        own = np.concatenate([np.tile(np.arange(3) + 3 * network, count) for network, count in enumerate(counts)])
        drawn.append(tops[own.astype(int)].mean() / bottoms[own.astype(int)].mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


def test_one_network_has_no_interval_and_no_case_no_ratio() -> None:
    alone = ratio_of_means(np.array([1.0, 2.0]), np.array([2.0, 4.0]), ["a", "a"])
    assert alone.value == 0.5
    assert math.isnan(alone.low)
    assert math.isnan(ratio_of_means(np.ones(0), np.ones(0), []).value)
    assert math.isnan(ratio_of_means(np.ones(2), np.zeros(2), ["a", "b"]).value)
