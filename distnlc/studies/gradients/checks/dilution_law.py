"""Check 7: what skip connections do to growth, block by block (theorem 3).

A block f(u) = u + rho(u) with the gradient g above it: k = Q||u|| / Q||rho(u)||, r = Q||g R|| Q||u|| / (Q||rho(u)||
Q||g||) with g R the part of the gradient below that came through the block. Theorem 3: the GSC grows over the block by
sqrt((k^2 + r^2) / (k^2 + 1)), in first order 1 + (r - 1) / (k^2 + 1). Both laws and what was measured are multiplied
over 25 blocks and compared with section 7's, which are of an unknown number of networks: of one, it is assumed. So is
the ratio of what was measured to the exact law, which leaves out correlations of block and skip connection. A block may
deviate from the law as far as section 7 says. Three standard errors decide.
"""

import math
from typing import NamedTuple

import numpy as np

from distnlc.metrics.gradient_scale import quadratic_mean
from distnlc.studies.gradients.checks.check import Check, beside_stated, of_mean
from distnlc.studies.gradients.checks.noise import Array, Measured, measured, residual
from distnlc.studies.gradients.spec import Spec

PRINTED = {
    "batch-ReLU": (residual("relu", "batch"), (3.34, 3.53, 2.97), 0.012),
    "layer-tanh": (residual("tanh", "layer"), (1.64, 1.65, 1.59), 0.004),
    "batch-tanh": (residual("tanh", "batch"), (1.54, 1.65, 1.58), 0.020),
}
"""architecture; product of measured, exact and linear growth over the blocks; largest deviation of a block from the
exact law (section 7)"""
UNIT = 0.01
"""to which products are stated"""
LAWS = {"outer": "measured", "exact": "exact law", "linear": "linear law"}


class Growth(NamedTuple):
    """Dilution and growth of each block, the lowest first."""

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
    """Dilution and growth of the blocks of a network with identity skip connections."""
    rows = []
    for below, above in each.blocks():
        u, g = each.signals[below], each.gradients[above]
        added, through = each.signals[above] - u, each.gradients[below] - g
        q_u, q_added, q_g, q_through = map(quadratic_mean, (u, added, g, through))
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
            found.append(beside_stated(case, values, target, unit=UNIT))
        ratios = [one / law for one, law in zip(outer, exact, strict=True)]
        case, stated = f"{name}: measured over exact product", products[0] / products[1]
        found.append(beside_stated(case, ratios, stated, unit=UNIT * math.hypot(1, stated) / products[1]))
        off = np.array([one.outer / one.exact - 1 for one in each])
        block = int(np.abs(off.mean(0)).argmax())
        signed = (off[:, block] * np.sign(off[:, block].mean())).tolist()
        found.append(of_mean(f"{name}: largest deviation of a block from the exact law", signed, deviation, "at most"))
    return found
