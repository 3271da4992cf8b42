"""Numbers are written as people read them."""

import pytest

from distnlc.analysis.drawing.format import duration, number, p_value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.2114, "1.21"),
        (0.0024, "0.0024"),
        (9793.2, "9793"),
        (999.7, "1000"),
        (37.71, "37.7"),
        (4.76e17, "4.76e+17"),
        (1.3e-57, "1.30e-57"),
        (-0.5, "-0.5"),
        (0, "0"),
        (float("nan"), "–"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_keep_three_digits(value: float, expected: str) -> None:
    assert number(value) == expected


def test_p_values_never_read_as_zero() -> None:
    assert [p_value(p) for p in (0.0788, 1.31e-57, 0.0)] == ["p = 0.079", "p = 1.3e-57", "p < 1e-300"]


def test_durations_have_a_fitting_unit() -> None:
    written = [duration(seconds) for seconds in (0, 41.2, 725, 12_400, 400_000)]
    assert written == ["0 s", "41.2 s", "12 min", "3.4 h", "4.6 days"]
