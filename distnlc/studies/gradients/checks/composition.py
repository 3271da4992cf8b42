"""Check 9: dilution lessens only slowly when diluted functions follow one another (proposition 7).

A composition of B functions that are k-diluted is ((1 + 1/k^2)^B - 1)^(-1/2)-diluted in expectation, about k / sqrt(B).
First under the proposition's conditions: residual functions rho(v) = ||v|| u / k, u uniform on the sphere and new for
each vector, beside the identity or a random orthogonal matrix; three standard errors decide, which tell the formula
from k / sqrt(B). Then whole residual networks of 25 blocks, from the first linear layer to the last: the formula of
check 8's k_b gives (25 q)^(-1/2), 0.200 and 0.318, with what section 7 states of k_b as tolerance: 2 %, layer-ReLU 5.
"""

import math

import numpy as np
import torch

from distnlc.metrics.gradient_scale import quadratic_mean
from distnlc.networks.initialization import orthogonal
from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check, of_mean
from distnlc.studies.gradients.checks.dilution_depth import Q_TANH
from distnlc.studies.gradients.checks.noise import Measured, measured, on_sphere, residual
from distnlc.studies.gradients.spec import Spec

CASES = ((5.0, 25), (2.0, 10), (1.0, 5))
"""k, B"""
DIMENSION, POINTS = 100, 400
WHOLE = {
    "layer-ReLU": (residual("relu", "layer"), 1.0, 0.05),
    "layer-SELU": (residual("selu", "layer"), 1.0, 0.02),
    "layer-tanh": (residual("tanh", "layer"), Q_TANH, 0.02),
}
"""architecture, mean square of what its activation gives, tolerance"""
BLOCKS = 25


def composed(k: float, functions: int, seed: int, turned: bool) -> float:
    """Dilution of one draw of the functions, over POINTS vectors; `turned`: S_b are orthogonal, else the identity."""
    generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    linear = whole = on_sphere(POINTS, DIMENSION, generator)
    for _ in range(functions):
        matrix = orthogonal(DIMENSION, DIMENSION, random) if turned else torch.eye(DIMENSION, dtype=torch.float64)
        unit = on_sphere(POINTS, DIMENSION, generator) / math.sqrt(DIMENSION)
        linear, whole = linear @ matrix.T, whole @ matrix.T + unit * whole.norm(dim=1, keepdim=True) / k
    return quadratic_mean(linear) / quadratic_mean(whole - linear)


def formula(k: float, functions: int) -> float:
    """Dilution of the composition."""
    return float(((1 + 1 / k**2) ** functions - 1) ** -0.5)


def run(part: Spec, seed: int) -> list[Check]:
    """The formula under its conditions, and in whole networks."""
    found = list[Check]()
    for turned in (False, True):
        for k, functions in CASES:
            own = [derive_seed("composition", seed, number, turned) for number in range(max(2, part.networks))]
            values = [composed(k, functions, each, turned) for each in own]
            case = f"k = {k:g}, B = {functions}, {'orthogonal' if turned else 'identity'} skips"
            found.append(of_mean(case, values, formula(k, functions)))
    for name, (different, q, tolerance) in WHOLE.items():
        values = [_of_network(each) for each in measured(part, seed, different)]
        found.append(of_mean(f"{name}: {BLOCKS} blocks", values, (BLOCKS * q) ** -0.5, tolerance=tolerance))
    return found


def _of_network(each: Measured) -> float:
    blocks = each.blocks()
    below, above = each.signals[blocks[0][0]], each.signals[blocks[-1][1]]
    return quadratic_mean(below) / quadratic_mean(above - below)
