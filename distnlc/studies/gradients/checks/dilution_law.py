"""Check 7: what skip connections do to growth, block by block (theorem 3).

A block f(u) = u + rho(u) with the gradient g above it: k = Q||u|| / Q||rho(u)||, r = Q||g R|| Q||u|| / (Q||rho(u)||
Q||g||) with g R the part of the gradient below that came through the block. Theorem 3: the GSC grows over the block by
sqrt((k^2 + r^2) / (k^2 + 1)), in first order 1 + (r - 1) / (k^2 + 1). Both laws and what was measured are multiplied
over 25 blocks. Tolerances: 8 % of a product, three standard errors of two networks with batch norm, which differ by 4
%; the law with r for k^2, or without the 1, misses by 20 % and more. A block may deviate from the law by twice what
section 7 found, since the largest of 25 deviations is compared. Measured and exact products may differ by 10 %, as
section 7's do by up to 7 %: the law leaves out correlations of block and skip connection.
"""

from typing import NamedTuple

import numpy as np

from distnlc.studies.gradients.checks.check import Check, of_mean
from distnlc.studies.gradients.checks.noise import Array, Measured, measured, quadratic_mean_length, residual
from distnlc.studies.gradients.spec import Spec

PRINTED = {
    "batch-ReLU": (residual("relu", "batch"), (3.34, 3.53, 2.97), 0.012),
    "layer-tanh": (residual("tanh", "layer"), (1.64, 1.65, 1.59), 0.004),
    "batch-tanh": (residual("tanh", "batch"), (1.54, 1.65, 1.58), 0.020),
}
"""architecture; product of measured, exact and linear growth over the blocks; largest deviation of a block from the
exact law (section 7)"""
PRODUCT_TOLERANCE, RATIO_TOLERANCE, BLOCK_TOLERANCE = 0.08, 0.1, 1.0
LAWS = {"outer": "measured", "exact": "exact law", "linear": "linear law"}


class Growth(NamedTuple):
    """Of each block, the lowest first."""

    dilution: Array
    inner: Array
    """r"""
    outer: Array
    """r_b, as measured"""

    @property
    def exact(self) -> Array:
        return np.sqrt((self.dilution**2 + self.inner**2) / (self.dilution**2 + 1))

    @property
    def linear(self) -> Array:
        return 1 + (self.inner - 1) / (self.dilution**2 + 1)


def growth(each: Measured) -> Growth:
    """Of a network with identity skip connections."""
    rows = []
    for below, above in each.blocks():
        u, g = each.signals[below], each.gradients[above]
        added, through = each.signals[above] - u, each.gradients[below] - g
        q_u, q_added, q_g, q_through = map(quadratic_mean_length, (u, added, g, through))
        outer = each.scales[below] / each.scales[above]
        rows.append((q_u / q_added, q_through * q_u / (q_added * q_g), outer))
    return Growth(*np.array(rows).T)


def run(part: Spec, seed: int) -> list[Check]:
    """Three architectures of 25 blocks."""
    found = list[Check]()
    for name, (different, products, deviation) in PRINTED.items():
        each = [growth(network) for network in measured(part, seed, different)]
        outer, exact, linear = ([float(np.prod(getattr(one, law))) for one in each] for law in LAWS)
        for law, values, target in zip(LAWS, (outer, exact, linear), products, strict=True):
            case = f"{name}, product over 25 blocks: {LAWS[law]}"
            found.append(of_mean(case, values, target, tolerance=PRODUCT_TOLERANCE))
        ratios = [one / law for one, law in zip(outer, exact, strict=True)]
        found.append(of_mean(f"{name}: measured over exact product", ratios, 1, tolerance=RATIO_TOLERANCE))
        mean = np.mean([one.outer / one.exact for one in each], axis=0)
        case, largest = f"{name}: largest deviation of a block from the exact law", float(np.abs(mean - 1).max())
        found.append(Check(case, largest, deviation, "at most", tolerance=BLOCK_TOLERANCE))
    return found
