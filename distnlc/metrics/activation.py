"""The nonlinearity of one activation function (section 5, section E.4 and table 1 of the NLC study).

In: a torch function that maps a tensor element by element, and the points where it has kinks. Out: its
NLC under N(0, sigma^2), and its linear approximation error under N(0, 1). Both by quadrature, exact to
about 12 digits.
"""

import math
from collections.abc import Callable, Sequence

import torch

from distnlc.networks.quadrature import gaussian_mean

ROUNDING = 1e-20
"""a mean square that is smaller than another's by this factor is the quadrature's error, not a function's"""

Activation = Callable[[torch.Tensor], torch.Tensor]


def activation_nlc(function: Activation, sigma: float = 1.0, *, kinks: Sequence[float] = (0.0,)) -> float:
    """Return sigma * Q tau'(s) / S tau(s) for s ~ N(0, sigma^2); nan if tau is constant there.

    `kinks` are the points where tau or tau' jumps. Raises ValueError for a sigma that is not positive.
    """
    mean = gaussian_mean(function, sigma=sigma, kinks=kinks)
    variance = gaussian_mean(lambda s: (function(s) - mean) ** 2, sigma=sigma, kinks=kinks)
    squared_slope = gaussian_mean(lambda s: _derivative(function, s) ** 2, sigma=sigma, kinks=kinks)
    return sigma * math.sqrt(squared_slope / variance) if variance > 0 else math.nan


def linear_approximation_error(function: Activation, *, kinks: Sequence[float] = (0.0,)) -> float:
    """Return E (tau - T)^2 / E T^2 for s ~ N(0, 1), with T the best affine fit of tau.

    inf if T is zero, as for an even function without mean; nan if tau is.
    """
    intercept = gaussian_mean(function, kinks=kinks)
    slope = gaussian_mean(lambda s: s * function(s), kinks=kinks)
    residual = gaussian_mean(lambda s: (function(s) - intercept - slope * s) ** 2, kinks=kinks)
    fitted = intercept**2 + slope**2
    if fitted <= ROUNDING * residual:
        return math.inf if residual > 0 else math.nan
    return residual / fitted


@torch.enable_grad()
def _derivative(function: Activation, points: torch.Tensor) -> torch.Tensor:
    points = points.detach().requires_grad_()
    (derivative,) = torch.autograd.grad(function(points).sum(), points)
    return derivative
