"""Check 8: how dilution and the GSC depend on depth in residual networks (section 7).

With every block's output as large as q times that of the first linear layer, k_b^2 = b' + 1/q - 1 for block b' from the
bottom, q the mean square of what the activation gives, relative to the weights' scale. Tolerances are section 7's, 2 %
(layer-ReLU 5 %); with batch norm 5 %, since two networks are measured and single ones differ by 2 %. Then r_b is nearly
1 + (r^2 - 1) / (2 (b' + 1/q)), so that the GSC from block 5 on is a power of b' + 1/q with exponent (r^2 - 1) / 2:
equal up to 15 %, the next order of r - 1. An exponential would have no exponent that stays: that of the upper half is
compared too.
"""

import numpy as np

from distnlc.studies.gradients.checks.check import Check, of_mean
from distnlc.studies.gradients.checks.dilution_law import Growth, growth
from distnlc.studies.gradients.checks.noise import Array, measured, residual
from distnlc.studies.gradients.spec import Spec

Q_TANH = 0.3943
"""E tanh(z)^2, z ~ N(0, 1)"""
DILUTION = {
    "batch-ReLU": (residual("relu", "batch"), 1.0, 0.05),
    "layer-ReLU": (residual("relu", "layer"), 1.0, 0.05),
    "batch-tanh": (residual("tanh", "batch"), Q_TANH, 0.05),
    "layer-tanh": (residual("tanh", "layer"), Q_TANH, 0.02),
    "layer-SELU": (residual("selu", "layer"), 1.0, 0.02),
}
"""architecture, mean square of what its activation gives, tolerance (section 7)"""
SHOWN = (1, 2, 5, 10, 25)
"""blocks, from the bottom"""
POWERS = ("batch-ReLU", "layer-tanh", "batch-tanh")
POWER_TOLERANCE = 0.15


def run(part: Spec, seed: int) -> list[Check]:
    """Dilution of five architectures, and the power law of those that explode without skip connections."""
    found = list[Check]()
    for name, (different, q, tolerance) in DILUTION.items():
        each = [growth(network) for network in measured(part, seed, different)]
        for block in SHOWN:
            values, target = [float(one.dilution[block - 1]) for one in each], float(np.sqrt(block + 1 / q - 1))
            found.append(of_mean(f"{name}: k of block {block} from the bottom", values, target, tolerance=tolerance))
        if name in POWERS:
            found += _power(name, each, q)
    return found


def _power(name: str, each: list[Growth], q: float) -> list[Check]:
    curve = np.cumsum(np.log(np.mean([one.outer for one in each], axis=0)))
    blocks = np.log(np.arange(1, len(curve) + 1) + 1 / q)
    inner = np.mean([one.inner for one in each], axis=0)
    found = []
    for first in (5, 13):
        chosen = slice(first - 1, None)
        target = float(np.mean(inner[chosen]) ** 2 - 1) / 2
        case = f"{name}: power of depth at which the GSC grows, blocks {first} to {len(curve)}"
        found.append(Check(case, _slope(blocks[chosen], curve[chosen]), target, tolerance=POWER_TOLERANCE))
    return found


def _slope(x: Array, y: Array) -> float:
    return float(np.polyfit(x, y, 1)[0])
