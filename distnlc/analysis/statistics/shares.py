"""How often one thing is larger than the other: shares with Wilson's interval and the exact sign test.

In: counts, or values in pairs. Out: `Share`. Pairs that are equal say nothing and are left out, counted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from distnlc.analysis.statistics.correlations import LEVEL

NAN = float("nan")


@dataclass(frozen=True)
class Share:
    """`count` of `n`; interval and p are nan where n is 0."""

    count: int
    n: int
    low: float = NAN
    high: float = NAN
    """ends of Wilson's interval at LEVEL"""
    p: float = NAN
    """exact two-sided binomial test of one half"""
    ties: int = 0
    """pairs that are equal, not among the n"""

    @property
    def value(self) -> float:
        return self.count / self.n if self.n else NAN


def share(count: int, n: int, ties: int = 0) -> Share:
    """How many of how many. Raises ValueError unless 0 <= count <= n."""
    if not 0 <= count <= n:
        raise ValueError(f"a share needs a count between 0 and n, found {count} of {n}")
    if n == 0:
        return Share(0, 0, ties=ties)
    test = stats.binomtest(count, n)
    interval = test.proportion_ci(LEVEL, method="wilson")
    return Share(count, n, float(interval.low), float(interval.high), float(test.pvalue), ties)


def share_above(x: ArrayLike, y: ArrayLike) -> Share:
    """The share of pairs with y > x; x, y: (n,), pairs of which one is not measured (nan) do not take part."""
    across, up = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    both = ~np.isnan(across) & ~np.isnan(up)
    ties = int(np.sum(both & (across == up)))
    return share(int(np.sum(both & (up > across))), int(both.sum()) - ties, ties)
