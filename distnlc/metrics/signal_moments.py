"""Moments of a layer's signal and noise, over points (images and positions) and feature maps.

In: a tensor (points, features), one feature vector a row; `both` (2 points, features) holds the signal's rows and below
them the noise's, as propagation.py has them. Out: numbers. Names are those of Labatie 2019: nu_p is the mean over
features of the p-th moment over points, mu_p of the p-th central one. Noise is centred already, given the signal, so
that its mu_2 is its mean square. `moments` gives all at once, on a CPU in two passes of C (native/propagation.c).
"""

import math
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from distnlc.metrics.native_functions import ADDRESS, COUNT, fits, functions


class Moments(NamedTuple):
    """Those of a layer's signal, and two of its noise."""

    second: float
    """nu_2"""
    variance: float
    """mu_2"""
    fourth: float
    """mu_4"""
    mean_absolute: float
    """nu_1 of the absolute values"""
    halves: float
    """`mean_of_halves`"""
    noise: float
    """mu_2 of the noise"""
    noise_ratio: float
    """E_c[mu_{2,c}(noise) / mu_{2,c}(signal)]; infinite or nan where a feature of the signal does not vary"""

    @property
    def log_sensitivity(self) -> float:
        """log chi, as of the function of that name."""
        return (logarithm(self.noise) - logarithm(self.variance)) / 2


def moments(both: Tensor) -> Moments:
    """All moments of a layer."""
    signal, noise = both.chunk(2)
    library = _functions(both.dtype) if fits(both) else None
    if library is None:
        return Moments(*plain_moments(signal, noise).tolist())
    out = torch.empty(len(Moments._fields), dtype=torch.float64)
    library.moments(signal.data_ptr(), noise.data_ptr(), *signal.shape, out.data_ptr())
    return Moments(*out.tolist())


def plain_moments(signal: Tensor, noise: Tensor) -> Tensor:
    """Those of `moments` by torch, on any device, which then is waited for once."""
    mean, positive, noise_by_feature = signal.mean(0), signal.clamp(min=0).mean(0), noise.square().mean(0)
    squares = (signal - mean).square_()
    variances = squares.mean(0)
    by_feature = (
        *(variances + mean.square(), variances, squares.square_().mean(0), 2 * positive - mean),
        *(positive * (positive - mean), noise_by_feature, noise_by_feature / variances),
    )
    return torch.stack(by_feature).mean(1)


@cache
def _functions(dtype: torch.dtype) -> Any:
    if library := functions("propagation", dtype):
        library.moments.argtypes, library.moments.restype = [ADDRESS, ADDRESS, COUNT, COUNT, ADDRESS], None
    return library


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
