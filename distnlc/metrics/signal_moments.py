"""Moments of a layer's signal and noise, over points (images and positions) and feature maps.

In: a tensor (points, features), one feature vector a row; `both` (2 points, features) holds the signal's rows and below
them the noise's, as propagation.py has them. Out: numbers. Names are those of Labatie 2019: nu_p is the mean over
features of the p-th moment over points, mu_p of the p-th central one. Noise is centred already, given the signal, so
that its mu_2 is its mean square.
"""

import math

from torch import Tensor


def second_moment(features: Tensor) -> float:
    """nu_2: the mean square."""
    return float(features.square().mean())


def variance(features: Tensor) -> float:
    """mu_2: the mean over features of their variance over points."""
    return float((features - features.mean(0)).square().mean())


def fourth_moment(features: Tensor) -> float:
    """mu_4: the mean over features of their fourth central moment."""
    return float((features - features.mean(0)).square_().square_().mean())


def mean_absolute(features: Tensor) -> float:
    """nu_1 of the absolute values."""
    return float(features.abs().mean())


def mean_of_halves(features: Tensor) -> float:
    """E_c[nu_{1,c}(y+) nu_{1,c}(y-)]: mean over features of the means of their positive and of their negative part."""
    positive = features.clamp(min=0).mean(0)
    negative = positive - features.mean(0)
    return float((positive * negative).mean())


def log_sensitivity(both: Tensor) -> float:
    """log chi of a layer, relative to that of an input whose signal and noise both have the variance 1.

    The sensitivity chi is sqrt(mu_2(noise) / mu_2(signal)); in logarithms it can be anything.
    """
    signal, noise = both.chunk(2)
    return (logarithm(second_moment(noise)) - logarithm(variance(signal))) / 2


def logarithm(value: float) -> float:
    """The natural logarithm of a moment; -inf where nothing is left of it."""
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan
