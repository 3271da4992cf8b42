"""Correlations agree with scipy and closed cases, count what they leave out, and never fail on odd input."""

import math

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.statistics.correlations import Correlation, bootstrap_interval, correlate

NAN, INF = float("nan"), float("inf")


def linked(count: int, strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two normal samples, shape (count,), whose true correlation is `strength`."""
    x, noise = np.random.default_rng(seed).standard_normal((2, count))
    return x, strength * x + math.sqrt(1 - strength**2) * noise


def is_undefined(c: Correlation) -> bool:
    numbers = (c.pearson, c.p_value, c.low, c.high, c.spearman, c.spearman_p, c.kendall, c.kendall_p)
    return all(math.isnan(number) for number in numbers) and c.undefined is not None


def test_agrees_with_scipy() -> None:
    x, y = linked(80, 0.6)
    c = correlate(x, y)
    assert (c.pearson, c.p_value) == pytest.approx(tuple(stats.pearsonr(x, y)))
    assert (c.spearman, c.spearman_p) == pytest.approx(tuple(stats.spearmanr(x, y)))
    assert (c.kendall, c.kendall_p) == pytest.approx(tuple(stats.kendalltau(x, y)))
    assert (c.n_in, c.n, c.n_out, c.left_out, c.undefined) == (80, 80, 0, {}, None)


def test_closed_case() -> None:
    # r of (1, 2, 3, 4) and (1, 3, 2, 4) is 4/5; two of the twelve ordered pairs are discordant.
    c = correlate([1, 2, 3, 4], [1, 3, 2, 4])
    assert c.pearson == pytest.approx(0.8)
    assert c.spearman == pytest.approx(0.8)
    assert c.kendall == pytest.approx(2 / 3)
    assert c.p_value == pytest.approx(0.2)  # two-sided


def test_logarithms_are_taken_where_asked() -> None:
    x, y = linked(50, 0.7)
    plain = correlate(x, y)
    for log_x, log_y in ((True, False), (False, True), (True, True)):
        c = correlate(np.exp(x) if log_x else x, np.exp(y) if log_y else y, log_x=log_x, log_y=log_y)
        assert (c.pearson, c.low, c.high) == pytest.approx((plain.pearson, plain.low, plain.high))
    assert correlate(np.exp(x), y).pearson != pytest.approx(plain.pearson, abs=1e-3)


def test_perfect_correlation_has_a_degenerate_interval() -> None:
    c = correlate([1, 10, 100, 1000], [4, 3, 2, 1], log_x=True)
    assert (c.pearson, c.low, c.high) == pytest.approx((-1, -1, -1))
    assert c.p_value < 1e-10


def test_every_row_left_out_is_counted_under_one_reason() -> None:
    x = [1, 2, 4, 8, NAN, INF, 0, -3, NAN, 5, 6]
    y = [1, 3, 2, 4, 1, 1, 1, 1, NAN, NAN, -INF]
    failed = [False] * 8 + [True] + [False] * 2
    c = correlate(x, y, log_x=True, excluded={"unit failed": failed}, names=("NLC", "error"))
    assert c.left_out == {
        "unit failed": 1,
        "NLC not measured": 1,
        "NLC not finite": 1,
        "NLC not positive, so without a logarithm": 2,
        "error not measured": 1,
        "error not finite": 1,
    }
    assert (c.n_in, c.n_out, c.n) == (11, 7, 4)
    assert c.pearson == pytest.approx(correlate([1, 2, 4, 8], [1, 3, 2, 4], log_x=True).pearson)


def test_an_excluded_row_is_left_out_even_with_values() -> None:
    x, y = [1, 2, 3, 1000], [1, 2, 3, -1000]
    assert correlate(x, y, excluded={"unit failed": [False, False, False, True]}).pearson == pytest.approx(1)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_fewer_than_three_rows_say_so(rows: int) -> None:
    c = correlate([1.0, 2.0][:rows], [3.0, 1.0][:rows])
    assert is_undefined(c)
    assert c.undefined == f"{rows} usable rows, at least 3 are needed"


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e300])
def test_a_constant_says_so(constant: float) -> None:
    for c in (correlate([constant] * 5, range(5)), correlate(range(5), [constant] * 5)):
        assert is_undefined(c)
        assert "is the same in all 5 usable rows" in str(c.undefined)


def test_differences_of_rounding_are_no_variation() -> None:
    assert is_undefined(correlate([0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2], [1, 2, 3, 4]))


def test_large_values_do_not_overflow() -> None:
    x, y = linked(30, 0.5)
    assert correlate(1e250 * x, 1e-250 * y).low == pytest.approx(correlate(x, y).low)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape \(n,\), but got \(3,\) and \(2,\)"):
        correlate([1, 2, 3], [1, 2])


def test_the_interval_is_the_same_each_time_and_holds_the_value() -> None:
    x, y = linked(40, 0.5)
    first, second = correlate(x, y), correlate(x, y)
    assert first == second
    assert -1 <= first.low < first.pearson < first.high <= 1


def test_the_interval_is_close_to_the_known_one_for_many_rows() -> None:
    x, y = linked(2000, 0.7)
    c = correlate(x, y)
    known = stats.pearsonr(x, y).confidence_interval(0.95)  # Fisher's, exact for normal samples
    assert (c.low, c.high) == pytest.approx((known.low, known.high), abs=0.006)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(100):
        low, high = bootstrap_interval(*linked(60, 0.6, seed))
        inside += low <= 0.6 <= high
    assert 88 <= inside <= 99
