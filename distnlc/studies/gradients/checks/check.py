"""One check: a number that was measured, and what the text says that it is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Check(NamedTuple):
    """The columns of `CheckRow` that a family fills.

    It holds where `measured` is equal to, at most or at least `target`, up to `tolerance` times the target's size or,
    without one, up to three standard errors; where there is neither, exactly. A tolerance is a number that the spec
    states. The standard error of a target that was measured elsewhere counts too (`beside_stated`).
    """

    case: str
    measured: float
    target: float
    relation: str = "equal"
    standard_error: float | None = None
    tolerance: float | None = None

    @property
    def holds(self) -> bool:
        allowed = 3 * (self.standard_error or 0) if self.tolerance is None else self.tolerance * abs(self.target)
        above = self.measured - self.target
        return {"equal": abs(above) <= allowed, "at most": above <= allowed, "at least": -above <= allowed}[
            self.relation
        ]


def of_mean(
    case: str, values: Sequence[float], target: float, relation: str = "equal", tolerance: float | None = None
) -> Check:
    """The mean of independent values beside its target, with the mean's standard error, if there are several."""
    several = len(values) > 1
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if several else None
    return Check(case, float(np.mean(values)), target, relation, error, tolerance)


def beside_stated(
    case: str,
    values: Sequence[float],
    target: float,
    relation: str = "equal",
    *,
    networks: int = 1,
    unit: float = 0,
    error: float = 0,
) -> Check:
    """The mean of independent values beside a stated one, with the standard error of their difference.

    The stated one is a mean over `networks` others: 1, the fewest, where section 7 does not say how many. It was
    rounded to a `unit`, which is an error of unit / sqrt(12), and may have another `error` of its own.
    """
    spread = float(np.std(values, ddof=1)) * math.sqrt(1 / len(values) + 1 / networks)
    return Check(case, float(np.mean(values)), target, relation, math.hypot(spread, unit / math.sqrt(12), error))


def of_quadratic_mean(case: str, squares: Sequence[float], target: float) -> Check:
    """The root of the mean of independent squares beside an exact target."""
    mean = float(np.mean(squares))
    error = float(np.std(squares, ddof=1)) / math.sqrt(len(squares)) / (2 * math.sqrt(mean))
    return Check(case, math.sqrt(mean), target, "equal", error)
