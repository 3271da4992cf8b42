"""Expectations under a Gaussian by deterministic quadrature (activation functions; table 1 of the NLC study).

In: a function from a float64 tensor of points to a tensor of the same shape, the standard deviation of
the Gaussian and the points where the function has kinks. Out: the mean of the function, as a Python
float. Composite Gauss-Legendre quadrature over 12 standard deviations to either side (beyond, the
Gaussian holds less than 1e-32) with panel borders on the kinks, so that every panel sees a smooth
function: accurate to rounding, and the same number every time.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

REACH = 12.0  # standard deviations covered on either side of the mean
PANEL = 0.25  # a panel's greatest length, in standard deviations
NODES = 16  # Gauss-Legendre points per panel


def gaussian_mean(
    function: Callable[[torch.Tensor], torch.Tensor], *, sigma: float = 1.0, kinks: Sequence[float] = (0.0,)
) -> float:
    """Return E function(s) for s ~ N(0, sigma^2).

    `function` gets one float64 tensor of shape (points,) and returns the same shape. `kinks` are the s
    at which it is not smooth. Raises ValueError for a sigma that is not positive, and for a function
    that changes the shape.
    """
    if not sigma > 0:
        raise ValueError(f"gaussian_mean: sigma must be positive, found {sigma}")
    points, weights = _rule(tuple(kink / sigma for kink in kinks))
    values = function(torch.from_numpy(sigma * points))
    if values.shape != points.shape:
        raise ValueError(
            f"gaussian_mean: the function must keep the shape {tuple(points.shape)}, "
            f"but it returned {tuple(values.shape)}"
        )
    return float(values.detach().double() @ torch.from_numpy(weights))


def _rule(kinks: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights for N(0, 1): Gauss-Legendre on each panel times the Gaussian density."""
    regular = np.linspace(-REACH, REACH, round(2 * REACH / PANEL) + 1)
    borders = np.union1d(regular, [kink for kink in kinks if abs(kink) < REACH])
    middle, half = (borders[1:] + borders[:-1]) / 2, (borders[1:] - borders[:-1]) / 2
    nodes, node_weights = np.polynomial.legendre.leggauss(NODES)
    points = (middle[:, None] + half[:, None] * nodes).ravel()
    density = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
    return points, (half[:, None] * node_weights).ravel() * density
