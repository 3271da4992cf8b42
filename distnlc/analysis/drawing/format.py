"""How numbers and correlations are written for people: in figures, tables, report and command line alike."""

import math
from collections.abc import Mapping

from distnlc.analysis.statistics.correlations import Correlation
from distnlc.analysis.statistics.means import Estimate

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """Significant digits: 0.0024, 1.21, 9793, 4.76e+17; an en dash for what there is not."""
    if math.isnan(value):
        return "–"
    if value == 0 or not math.isfinite(value) or 1e-3 <= abs(value) < 1e5:
        # Large numbers keep all digits before the point: 9793, not 9.79e+03.
        return f"{value:.0f}" if 10**digits - 0.5 <= abs(value) < 1e5 else f"{value:.{digits}g}"
    return f"{value:.{digits - 1}e}"


def percent(share: float) -> str:
    """`2.83 %`, of a share."""
    return f"{100 * share:.3g} %"


def bracketed(found: Estimate, digits: int = 4) -> str:
    """`1.232 [1.23, 1.234]`."""
    return f"{number(found.value, digits)} [{number(found.low, digits)}, {number(found.high, digits)}]"


def strength(correlation: Correlation) -> str:
    """`r = 0.67 [0.59, 0.74], p = 1.8e-33`, or why there is none."""
    if correlation.undefined is not None:
        return f"no correlation: {correlation.undefined}"
    c = correlation
    return f"r = {c.pearson:.2f} [{c.low:.2f}, {c.high:.2f}], {p_value(c.p_value)}"


def p_value(value: float) -> str:
    """`p = 0.079`, `p = 1.3e-57`, `p < 1e-300`."""
    written = probability(value)
    return f"p {written}" if written.startswith("<") else f"p = {written}"


def probability(value: float) -> str:
    """Two digits; a value too small for a float is written as a bound."""
    return "< 1e-300" if value < 1e-300 else number(value, 2)


def coefficient(value: float) -> str:
    """A correlation with two decimals; an en dash for what there is not."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def count(correlation: Correlation) -> str:
    """`n = 248 of 250`."""
    return f"n = {correlation.n} of {correlation.n_in}"


def left_out(correlation: Correlation) -> str:
    """`left out: 2 (unit failed), 1 (initial NLC not finite)`, or `none left out`."""
    return reasons(correlation.left_out)


def reasons(left_out: Mapping[str, int]) -> str:
    """As `left_out`, of reason -> number of rows."""
    return f"left out: {by_reason(left_out)}" if left_out else "none left out"


def by_reason(left_out: Mapping[str, int]) -> str:
    """`2 (unit failed), 1 (initial NLC not finite)`, of reason -> number of rows."""
    return ", ".join(f"{rows} ({reason})" for reason, rows in left_out.items())


def duration(seconds: float) -> str:
    """`41 s`, `12 min`, `3.4 h`, `2.1 days`."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{number(seconds / unit, 2 if unit > 1 else 3)} {name}"
    return f"{seconds / 86400:.1f} days"


def power_of_two(exponent: int) -> str:
    """Such as 2⁻³."""
    return "2" + str(exponent).translate(SUPERSCRIPTS)


def power_of_ten(value: float) -> str:
    """Such as 10⁻³: an axis's number, written without a formula."""
    return "10" + str(round(math.log10(value))).translate(SUPERSCRIPTS)
