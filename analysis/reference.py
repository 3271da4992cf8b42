"""What a finished study says of a network that it does not hold: where its metrics lie, and the error to expect.

In: a study folder, and a metric's value of the network. Out: the share of the study's architectures with a lower
value, and the error that `prediction` expects from the initial NLC, with its 90% interval. A study has several
parts; a network is compared with one of them, by default the first on its dataset.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from analysis.correlations import usable_rows
from analysis.load import load
from analysis.parts import Part, parts_of
from analysis.prediction import fit
from distnlc.store import StoreError

FEWEST = 9
"""architectures: of fewer the interval is all of [0, 1]"""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The error that a network with that NLC will have, if it is trained as the architectures of the part were."""

    error: float
    low: float
    high: float
    """ends of the 90% interval"""
    n: int
    """architectures that it was learned from"""
    lowest_nlc: float
    highest_nlc: float
    """of those architectures"""


def find_part(folder: str | Path, *, dataset: str | None, part: str | None = None) -> Part:
    """The part of that name, else the first about that dataset (None: the user's own), else the first of all.

    Raises StoreError if the folder is no study, is empty or has no such part.
    """
    found = {each.name: each for each in parts_of(load(folder).architectures)}
    if not found:
        raise StoreError(f"{folder}: no architecture was measured yet, so that there is nothing to compare with")
    if part is not None and part not in found:
        raise StoreError(f"{folder}: no part {part!r}; its parts: {', '.join(found)}")
    if part is not None:
        return found[part]
    return next((each for each in found.values() if each.key[0] == dataset), next(iter(found.values())))


def percentile(part: Part, metric: str, value: float) -> float | None:
    """How many percent of the part's architectures have a lower value, equal ones counted half; None if unknown."""
    known = part.rows[metric].dropna()
    return None if known.empty or math.isnan(value) else float(stats.percentileofscore(known, value, kind="mean"))


def expected_error(part: Part, nlc: float) -> Expected | None:
    """What the part's architectures say of a network with this initial NLC; None if there is none to be expected:
    if the NLC has no logarithm, or fewer than FEWEST of them have an NLC and an error."""
    if not math.isfinite(nlc) or nlc <= 0:
        return None
    known, errors = part.rows["init_nlc"].to_numpy(dtype=float), part.rows[part.error].to_numpy(dtype=float)
    usable, _ = usable_rows(known, errors, log_x=True, log_y=False)
    if usable.sum() < FEWEST:
        return None
    learned = fit(known, errors, log_x=True)
    error, low, high = (float(numbers[0]) for numbers in learned.at([nlc]))
    return Expected(
        error=error,
        low=low,
        high=high,
        n=learned.n,
        lowest_nlc=float(known[usable].min()),
        highest_nlc=float(known[usable].max()),
    )
