"""Check 8: how dilution and the GSC depend on depth in residual networks (section 7).

With every block's output as large as q times that of the first linear layer, k_b^2 = b' + 1/q - 1 for block b' from the
bottom, q the mean square of what the activation gives, relative to the weights' scale. Tolerances are section 7's, 2 %
(layer-ReLU 5 %); five networks with batch norm, which differ by 2.6 % in block 25, may miss that by chance. Then r_b^2
= 1 + (r^2 - 1) / (b' + 1/q), so that the GSC from block 5 on is nearly a power of b' + 1/q with exponent (r^2 - 1) / 2.
The exponent that is fitted to the GSC at these depths is divided by the one that is fitted to this law, next orders of
r - 1 included: the target is the ratio of section 7's measured and exact products in their logarithms, 0.96, 0.99 and
0.86. An exponential would have no exponent that stays: that of the upper half is compared too. Three standard errors
decide, in which section 7's product counts as one of a single network.
"""

import math

import numpy as np

from distnlc.studies.gradients.checks.check import Check, beside_stated, of_mean
from distnlc.studies.gradients.checks.dilution_law import PRINTED, UNIT, Growth, growth
from distnlc.studies.gradients.checks.noise import Array, measured, residual
from distnlc.studies.gradients.spec import Spec

Q_TANH = 0.3943
"""E tanh(z)^2, z ~ N(0, 1)"""
DILUTION = {
    "batch-ReLU": (residual("relu", "batch"), 1.0, 0.02),
    "layer-ReLU": (residual("relu", "layer"), 1.0, 0.05),
    "batch-tanh": (residual("tanh", "batch"), Q_TANH, 0.02),
    "layer-tanh": (residual("tanh", "layer"), Q_TANH, 0.02),
    "layer-SELU": (residual("selu", "layer"), 1.0, 0.02),
}
"""architecture, mean square of what its activation gives, tolerance (section 7)"""
SHOWN = (1, 2, 5, 10, 25)
"""blocks, from the bottom"""


def run(part: Spec, seed: int) -> list[Check]:
    """Dilution of five architectures, and the power law of those that explode without skip connections."""
    found = list[Check]()
    for name, (different, q, tolerance) in DILUTION.items():
        each = [growth(network) for network in measured(part, seed, different)]
        for block in SHOWN:
            values, target = [float(one.dilution[block - 1]) for one in each], float(np.sqrt(block + 1 / q - 1))
            found.append(of_mean(f"{name}: k of block {block} from the bottom", values, target, tolerance=tolerance))
        if name in PRINTED:
            found += _power(name, each, q)
    return found


def _power(name: str, each: list[Growth], q: float) -> list[Check]:
    measured_product, exact_product, _ = PRINTED[name][1]
    logarithms = math.log(measured_product), math.log(exact_product)
    stated = logarithms[0] / logarithms[1]
    unit = stated * UNIT * math.hypot(1 / measured_product / logarithms[0], 1 / exact_product / logarithms[1])
    found = []
    for first in (5, 13):
        ratios = [_slope(np.log(one.outer), q, first) / _slope(_law(one, q, first), q, first) for one in each]
        case = f"{name}: power of depth at which the GSC grows over the law's, blocks {first} to {len(each[0].outer)}"
        found.append(beside_stated(case, ratios, stated, unit=unit))
    return found


def _law(each: Growth, q: float, first: int) -> Array:
    """ln r_b of every block by its number alone, with the mean r of the blocks from `first` on."""
    excess = np.mean(each.inner[first - 1 :]) ** 2 - 1
    law: Array = np.log1p(excess / (np.arange(1, len(each.inner) + 1) + 1 / q)) / 2
    return law


def _slope(logarithms: Array, q: float, first: int) -> float:
    """The slope of ln GSC in ln(b' + 1/q), for blocks from `first` on, whose growth has these logarithms."""
    depth = np.log(np.arange(1, len(logarithms) + 1) + 1 / q)
    return float(np.polyfit(depth[first - 1 :], logarithms.cumsum()[first - 1 :], 1)[0])
