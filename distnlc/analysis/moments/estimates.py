"""Means, growth rates and powers over simulations, with their errors: pure functions on arrays (simulations, layers).

Simulations are independent, layers of one simulation are not: so every error comes from the spread over simulations,
of a whole growth rate or fit where that is what is asked for.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from distnlc.analysis.moments import paper
from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate

EXPONENTS = np.linspace(0, 3, 1_201)
"""among which the best one is sought, then between three of them"""


def error_of_deviation(values: Floats) -> Floats:
    """(L,) standard errors of the standard deviations over simulations, for values of any kurtosis."""
    n = len(values)
    kurtosis = stats.kurtosis(values, axis=0, fisher=False)
    return np.asarray(values.std(axis=0, ddof=1) * np.sqrt(np.maximum(kurtosis - 1, 0) / (4 * n)))


def slopes(values: Floats, x: Floats) -> Floats:
    """(S,) of the least-squares line of each simulation's values (S, L) over x (L,)."""
    centred = x - x.mean()
    return np.asarray(values @ centred / (centred @ centred))


def variance_interval(values: Floats) -> Estimate:
    """The variance of values (S,), with an interval by its own standard error on a logarithmic scale."""
    variance, n = float(values.var(ddof=1)), len(values)
    kurtosis = float(stats.kurtosis(values, fisher=False))
    spread = 1.96 * np.sqrt(max(kurtosis - 1, 0) / n)
    return Estimate(variance, variance * np.exp(-spread), variance * np.exp(spread))


def skew_and_kurtosis(values: Floats) -> tuple[float, float, float, float]:
    """Skew, its standard error, excess kurtosis, its standard error, unbiased, the errors as of a Gaussian; values
    (S,), at least four."""
    n = len(values)
    skew_error = np.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    kurtosis_error = 2 * skew_error * np.sqrt((n**2 - 1) / ((n - 3) * (n + 5)))
    return (
        float(stats.skew(values, bias=False)),
        float(skew_error),
        float(stats.kurtosis(values, bias=False)),
        float(kurtosis_error),
    )


def steadier(log_values: Floats, layers: Floats) -> float:
    """The share of resamples of simulations in which the mean of log chi (S, L) is straighter over l than over log l.

    Near 1: an exponential; near 0: a power.
    """
    weights = resampling.resamples(len(log_values)) / len(log_values)
    means = weights @ log_values
    left = [_unexplained(means, x) for x in (layers, np.log(layers))]
    return float(np.mean(left[0] < left[1]))


def _unexplained(means: Floats, x: Floats) -> Floats:
    """(b,) sums of squares that straight lines over x leave of means (b, L)."""
    centred = means - means.mean(axis=1, keepdims=True)
    along = (x - x.mean()) / np.linalg.norm(x - x.mean())
    return np.asarray((centred**2).sum(axis=1) - (centred @ along) ** 2)


@dataclass(frozen=True)
class PowerFit:
    """chi over l as a power: with the exponent that theorem 4 gives, and with the one that fits best."""

    increment: Estimate
    """d, the increment of a unit's first layer"""
    exponent: Estimate
    """tau of that increment"""
    constant: Estimate
    """fitted beside tau"""
    free_exponent: Estimate
    free_constant: Estimate
    gap: Estimate
    """exponent - free exponent"""
    of_recursion: float
    """the exponent that fits best what theorem 4 makes of d unit by unit, at the same layers: l^tau is its limit"""


def power_fit(chi: Floats, delta_chi: Floats, layers: Floats) -> PowerFit:
    """The power laws of chi and of increments (S, L) at layers (L,), with bootstrap intervals over simulations.

    d = mean over l of (mean of chi behind the unit's first layer / mean of chi before the unit). The records have the
    ratio of the two and not each; so it is the mean of the ratios, weighted by chi at the measured layer before. The
    constant is that of least squares in chi, as the paper draws it, and so is the free exponent.
    """
    everything = np.ones((1, len(chi))) / len(chi)
    weights = np.concatenate([everything, resampling.resamples(len(chi)) / len(chi)])
    before = np.concatenate([np.ones((len(chi), 1)), chi[:, :-1]], axis=1)
    increments = ((weights @ (delta_chi * before)) / (weights @ before)).mean(axis=1)
    exponents = paper.power_law_exponent(increments)
    means = weights @ chi
    free = _best_exponents(means, layers)
    recursion = paper.sensitivity_by_units(float(increments[0]), int(layers[-1]))[layers.astype(int) - 1]
    return PowerFit(
        increment=_resampled(increments),
        exponent=_resampled(exponents),
        constant=_resampled(_constants(means, layers, exponents)),
        free_exponent=_resampled(free),
        free_constant=_resampled(_constants(means, layers, free)),
        gap=_resampled(exponents - free),
        of_recursion=float(_best_exponents(recursion[None], layers)[0]),
    )


def _resampled(values: Floats) -> Estimate:
    """The first value, with the interval of the others."""
    return Estimate(float(values[0]), *resampling.interval(values[1:]))


def _constants(means: Floats, layers: Floats, exponents: Floats) -> Floats:
    """(b,) sum(chi l^tau) / sum(l^(2 tau)) of means (b, L) and exponents (b,)."""
    powers = layers ** exponents[:, None]
    return np.asarray((means * powers).sum(axis=1) / (powers**2).sum(axis=1))


def _best_exponents(means: Floats, layers: Floats) -> Floats:
    """(b,) the exponents whose powers explain most of means (b, L): best of EXPONENTS, moved to the parabola's top."""
    powers = layers ** EXPONENTS[:, None]
    explained = (means @ powers.T) ** 2 / (powers**2).sum(axis=1)
    best = np.clip(explained.argmax(axis=1), 1, EXPONENTS.size - 2)
    left, top, right = (np.take_along_axis(explained, (best + step)[:, None], 1)[:, 0] for step in (-1, 0, 1))
    step = EXPONENTS[1] - EXPONENTS[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = 0.5 * (left - right) / (left - 2 * top + right)
    return np.asarray(EXPONENTS[best] + step * np.clip(np.nan_to_num(moved), -1, 1))
