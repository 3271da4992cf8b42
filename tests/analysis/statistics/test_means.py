"""Means with their errors, and the last digits of stated values, against numbers that are known."""

import math

import numpy as np
import pytest

from distnlc.analysis.statistics.means import digits, estimate, mean_and_error, rounding

GENERATOR = np.random.default_rng(0)


def test_a_mean_s_error_is_the_deviation_by_the_root_of_the_simulations_that_have_a_value() -> None:
    values = np.array([[1.0, 2.0], [3.0, math.nan], [8.0, 4.0]])
    mean, error = mean_and_error(values)
    assert mean.tolist() == [4.0, 3.0]
    assert error == pytest.approx([np.std([1, 3, 8], ddof=1) / 3**0.5, 1.0])


def test_student_s_interval_covers_the_mean_in_95_of_100_draws() -> None:
    found = [estimate(drawn) for drawn in GENERATOR.normal(size=(2_000, 5))]
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("value", "unit"), [("1.146", 0.001), ("141", 1), ("9.90e17", 1e15), ("-0.158", 1e-3), ("42.0", 0.1)]
)
def test_the_last_digit_of_a_stated_value(value: str, unit: float) -> None:
    assert digits(value) == pytest.approx(unit)


def test_rounding_loses_what_a_uniform_remainder_is() -> None:
    drawn = GENERATOR.uniform(1, 2, 10_000)
    assert rounding("1.5") == pytest.approx((drawn.round(1) - drawn).std(), rel=0.05)
