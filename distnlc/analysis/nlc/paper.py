"""Every value that the paper on the nonlinearity coefficient states, and the sizes of its study, once.

Figures and answers show them beside what was measured. Section and figure numbers are the paper's.
"""

import math
from dataclasses import dataclass
from functools import cache

from scipy import optimize, special

Key = tuple[str, str, str]
"""dataset, optimizer, criterion: which study of the paper's a part of a study repeats"""

VALIDATION, TRAINING = "validation-error", "training-error"
"""the criteria by which a run is chosen"""
EVERY = "all"
"""in a key: all datasets together"""

CIFAR10_SGD: Key = ("cifar10", "sgd", VALIDATION)
TRAINING_SGD: Key = ("waveform-noise", "sgd", TRAINING)

# correlations; where a figure shows several datasets, the paper shows CIFAR10


@dataclass(frozen=True)
class Stated:
    """A correlation that the paper prints above a figure, in its digits."""

    r: float
    p: float | None = None
    """two-sided"""


STATED_NLC: dict[Key, Stated] = {
    CIFAR10_SGD: Stated(0.81, 1.31e-57),
    ("mnist", "sgd", VALIDATION): Stated(0.72, 2.34e-41),
    ("waveform-noise", "sgd", VALIDATION): Stated(0.67, 1.82e-33),
    ("waveform-noise", "adam", VALIDATION): Stated(0.75, 9.16e-46),
    TRAINING_SGD: Stated(0.25, 0.079),
}
"""of log initial NLC with the part's error (figures 2, 3D, 3F); also the paper's order of the parts"""

STATED: dict[str, dict[Key, Stated]] = {
    **dict.fromkeys(("figure2", "figure3d", "figure3f"), STATED_NLC),
    "figure3a": {CIFAR10_SGD: Stated(0.42, 4.63e-12)},
    "figure3b": {CIFAR10_SGD: Stated(0.83, 3.30e-63)},
    "figure3c": {CIFAR10_SGD: Stated(0.55, 3.43e-21)},
    "figure3e": {(EVERY, "sgd", VALIDATION): Stated(-0.83, 1.87e-116)},
    "figure4": {CIFAR10_SGD: Stated(0.38, 7.62e-10)},
    "figure8": {CIFAR10_SGD: Stated(-0.48, 2.08e-12), TRAINING_SGD: Stated(-0.92, 5.75e-20)},
    "figure9a": {CIFAR10_SGD: Stated(0.72, 4.92e-41)},
    "figure9b": {CIFAR10_SGD: Stated(0.38, 6.99e-10)},
    "figure9c": {CIFAR10_SGD: Stated(0.05, 0.47)},
}
"""figure -> part -> its correlation"""

SLOPE = -2.0
"""of figure 8's second panel, by eye: log starting rate over log NLC, runs chosen by training error"""

# sizes

PARAMETERS = 1_000_000
FEATURES = {"cifar10": 810, "mnist": 334, "waveform-noise": 40}
POINTS = {"cifar10": 40_000, "mnist": 50_000, "waveform-noise": 3_000}
"""of the training part"""
RATES = {VALIDATION: 40, TRAINING: 60}
ARCHITECTURES = {VALIDATION: 250, TRAINING: 50}
"""of each dataset"""
EPOCHS = 10 + 10 * 5
"""that a run takes at least: patience 10 before the rate is first divided, then 10 times patience 5 (section E.2)"""

SIZE = (
    f"The paper's values are of {ARCHITECTURES[VALIDATION]} architectures a dataset, about {PARAMETERS:,} parameters "
    f"each, {RATES[VALIDATION]} rates each (chosen by training error: {ARCHITECTURES[TRAINING]} architectures, "
    f"{RATES[TRAINING]} rates)."
)

# thresholds and ranges

HIGH_BIAS = 1000.0
"""output bias of the initial network, above which figures call it high"""
INSET = (0.8, 100.0)
"""the range of the NLC that figure 2 shows enlarged, where the networks that learn lie"""
GOOD_NLC = (1.0, 3.0)
"""the range of the initial NLC in which the best networks lie (section 4)"""
BETTER_THAN_GUESSING = {3: 0.5, 10: 0.8}
"""classes -> error below which a network is better than guessing (section B.1); guessing gives 0.667 and 0.9"""
ENDS = 5
"""of the range of starting rates: among the first and last so many no best rate lay (section E.2)"""
NEAR_ZERO, MOST = 0.01, 0.8
"""what is read here as the "near-zero training error" of "the vast majority" (section 4)"""
EFFORT = {"nlc_batches": 100, "walk_batches": 10}
"""batches of 250 that the NLC and the walks are measured on (sections E.1 and G)"""
ROUNDED = 0.005
"""by which a printed correlation may differ from its value"""
SMALLEST = 1e-300
"""p below this are equally small"""


def architectures(key: Key) -> int:
    """How many architectures the paper sampled for this part."""
    return ARCHITECTURES[key[2]] * (len(FEATURES) if key[0] == EVERY else 1)


@cache
def points(stated: Stated, key: Key) -> int:
    """How many architectures a stated correlation is of: what r and p together say, since some were left out.

    r has two digits, so that a range of numbers gives that p; all architectures of the part, if they are in it.
    """
    if stated.p is None:
        return architectures(key)
    r = abs(stated.r)
    fewest, middle, most = (_points(each, stated.p) for each in (r + ROUNDED, r, r - ROUNDED))
    return architectures(key) if fewest <= architectures(key) <= most else round(middle)


def _points(r: float, p: float) -> float:
    """The n for which a correlation r has the two-sided p, by Student's t with n - 2 degrees of freedom."""

    def excess(n: float) -> float:
        tail = special.stdtr(n - 2, -r * math.sqrt((n - 2) / (1 - r**2)))
        return math.log(max(tail, SMALLEST)) - math.log(p / 2)

    return float(optimize.brentq(excess, 2.1, 1_000))
