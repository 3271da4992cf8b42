"""Shares against counting by hand, and their intervals and p-values against the formulas written out."""

import math

import numpy as np
import pytest

from distnlc.analysis.statistics.shares import share, share_above


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson 1927, written out."""
    z = 1.959963984540054
    middle = (count + z**2 / 2) / (n + z**2)
    far = z / (n + z**2) * math.sqrt(count * (n - count) / n + z**2 / 4)
    return middle - far, middle + far


def sign_test(count: int, n: int) -> float:
    """The chance of all counts that are at most as likely as this one, summed."""
    chances = [math.comb(n, k) / 2**n for k in range(n + 1)]
    return sum(each for each in chances if each <= chances[count] * (1 + 1e-12))


@pytest.mark.parametrize(("count", "n"), [(21, 23), (0, 5), (7, 7), (2, 7), (30, 60)])
def test_interval_and_p_are_those_of_the_formulas(count: int, n: int) -> None:
    found = share(count, n)
    assert (found.low, found.high) == pytest.approx(wilson(count, n), abs=1e-12)
    assert found.p == pytest.approx(sign_test(count, n))
    assert found.value == count / n


def test_the_prototype_s_interval_comes_out() -> None:
    found = share(21, 23)
    assert (round(found.low, 2), round(found.high, 2)) == (0.73, 0.98)
    assert found.p == pytest.approx(7e-5, rel=0.1)


def test_equal_and_missing_pairs_do_not_take_part() -> None:
    found = share_above([1, 1, 1, np.nan, 1, 3], [2, 1, 0, 5, np.nan, 4])
    assert (found.count, found.n, found.ties) == (2, 3, 1)


def test_no_pairs_give_no_share() -> None:
    found = share_above([1.0], [1.0])
    assert (found.n, found.ties) == (0, 1)
    assert all(map(math.isnan, (found.value, found.low, found.high, found.p)))
    with pytest.raises(ValueError, match="found 4 of 3"):
        share(4, 3)
