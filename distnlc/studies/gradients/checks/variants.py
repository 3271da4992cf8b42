"""Check 11: normalization between blocks, the scale of weights, and matrices of dynamical systems (7.2, B.1).

Normalization between the blocks instead of inside: layer-tanh with 25 blocks of two linear layers, activations inside
and one layer norm where a block ends. Every block then has the same dilution (the highest five as the lowest), and the
GSC is exponential in depth again (R^2 of 0.999 of the mean curve between blocks, as of the exploding networks of check
3), faster than with normalization inside and slower than in vanilla networks. Scale of weights: tanh without bias of
standard deviation sigma_w / sqrt(width): the GSC of 50 layers is at most table 1's 1.26, which is that of sigma_w = 1,
up to 1 and above it beyond; ReLU's does not depend on it, to rounding. Table 3: (ii) below (i); (iii) above it by
orders, 2 at least; (iv) within 0.05 of (i), as section 11 asks of table 3, its dilution-corrected value above (i)'s.
Three standard errors decide where no other number is named.
"""

import math
from typing import Any

import numpy as np

from distnlc.metrics.growth import exponential_fit
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import Parameters, gaussian
from distnlc.networks.layered import Layer, Layered, Skip
from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check, of_mean
from distnlc.studies.gradients.checks.dilution_law import growth
from distnlc.studies.gradients.checks.noise import (
    FEW,
    Measured,
    architecture,
    measure,
    measured,
    networks,
    residual,
)
from distnlc.studies.gradients.spec import Spec

WIDTH, BLOCKS, ENDS = 100, 25, 5
STABLE, EXPLODING = (0.5, 0.9, 1.0), (1.2, 1.5, 2.0)
"""sigma_w"""
MOST_STABLE = 1.26
"""GSC at the input of 50 layers at sigma_w = 1, the border (table 1)"""
RELU_ROUNDING = 1e-8
"""normalization-free, so that only sums are rounded; labels and error are the same"""
SYSTEMS = {
    "(i)": "gaussian",
    "(ii)": "skew-symmetric",
    "(iii)": "negative-definite",
    "(iv)": "autoregressive",
}
ALIKE = 0.05
"""log10, of (iv) and (i) (section 11)"""


def between_blocks() -> Layered:
    """Linear, norm; then blocks (tanh, linear, tanh, linear), each added to what left the last norm, and a norm."""
    tanh = plain_activation("tanh")
    ends = Layer(width=WIDTH, bias=False, normalization="layer", activation=tanh)
    inside = Layer(width=WIDTH, bias=False, activation=tanh)
    last = Layer(width=WIDTH, bias=False, normalization="layer")
    layers = (ends, *(inside if number % 2 else ends for number in range(1, 2 * BLOCKS)), last)
    starts = range(1, 2 * BLOCKS, 2)
    skips = tuple(Skip(start=start, end=start + 2, begins_after="normalization") for start in starts)
    return Layered(WIDTH, layers, skips)


def run(part: Spec, seed: int) -> list[Check]:
    """The three groups."""
    return [*_between(part, seed), *_scales_of_weights(part, seed), *_systems(part, seed)]


def _between(part: Spec, seed: int) -> list[Check]:
    layered, count = between_blocks(), max(2, part.networks)
    dilutions, curves = [], []
    for number in range(count):
        own = derive_seed("between blocks", seed, number)
        parameters = gaussian(layered, [1 / WIDTH] * layered.depth, own)
        each = measure(layered, parameters, min(part.points, FEW), own)
        normalized, linear = each.lengths.places("normalization"), each.lengths.places("linear")[2::2]
        sizes = [each.signals[place].square().sum(1).mean().sqrt() for place in normalized[:-1]]
        added = [
            (each.signals[above] - each.signals[below]).square().sum(1).mean().sqrt()
            for below, above in zip(normalized[:-1], linear, strict=True)
        ]
        dilutions.append([float(size / more) for size, more in zip(sizes, added, strict=True)])
        curves.append(each.scales[normalized])
    lower, upper = (np.mean(np.array(dilutions)[:, chosen], axis=1) for chosen in (slice(ENDS), slice(-ENDS, None)))
    _, _, r2 = exponential_fit(range(BLOCKS + 1), np.mean(curves, axis=0).tolist())
    totals = [float(np.log(each[0])) for each in curves]
    inside, vanilla = (
        float(np.log(np.mean([each.scales[0] for each in measured(part, seed, different)])))
        for different in (residual("tanh", "layer"), architecture("tanh", "layer"))
    )
    label = "norm between blocks, layer-tanh"
    return [
        of_mean(f"{label}: k of the highest blocks over the lowest", (upper / lower).tolist(), 1),
        Check(f"{label}: R^2 of the exponential", r2, 0.999, "at least"),
        of_mean(f"{label}: ln GSC, above that with norms inside", totals, inside, "at least"),
        of_mean(f"{label}: ln GSC, below that without skip connections", totals, vanilla, "at most"),
    ]


def _scales_of_weights(part: Spec, seed: int) -> list[Check]:
    found = list[Check]()
    few = part.model_copy(update={"networks": max(2, part.networks // 2)})
    for deviation in (*STABLE, *EXPLODING):
        values = _at_input(few, seed, architecture("tanh"), deviation)
        case = f"tanh, sigma_w = {deviation:g}: GSC at the input"
        exploding = deviation in EXPLODING
        found.append(of_mean(case, values, MOST_STABLE, "at least" if exploding else "at most"))
    one = few.model_copy(update={"networks": 2})
    usual = _at_input(one, seed, architecture("relu"), 1.0)
    for deviation in (0.7, 3.0):
        values = _at_input(one, seed, architecture("relu"), deviation)
        largest = max(abs(value / other - 1) for value, other in zip(values, usual, strict=True))
        case = f"ReLU, weights times {deviation:g}: relative change of the GSC at the input"
        found.append(Check(case, largest, RELU_ROUNDING, "at most"))
    return found


def _at_input(part: Spec, seed: int, different: dict[str, Any], scale: float) -> list[float]:
    """GSC at the input of networks whose weights are multiplied."""
    found = []
    for layered, parameters, own in networks(part, seed, different):
        weights = Parameters([scale * weight for weight in parameters.weights], parameters.biases, [])
        found.append(float(measure(layered, weights, min(part.points, FEW), own).scales[0]))
    return found


def _systems(part: Spec, seed: int) -> list[Check]:
    """log10 GSC at the input and its dilution-corrected value, of batch-ReLU and layer-tanh."""
    found = list[Check]()
    for name, nonlinearity, normalization in (("batch-ReLU", "relu", "batch"), ("layer-tanh", "tanh", "layer")):
        few = part.model_copy(update={"networks": max(2, part.networks // 2)})
        scales, errors, corrected = dict[str, float](), dict[str, float](), dict[str, float]()
        for sort, matrices in SYSTEMS.items():
            different = residual(nonlinearity, normalization, BLOCKS, matrices=matrices, block_layers=1)
            each = list(measured(few, seed, different))
            scales[sort], errors[sort] = _log10([float(one.scales[0]) for one in each])
            corrected[sort] = _corrected(each)
        label = f"table 3, {name}: log10 GSC at the input"
        off = {sort: (scales[sort] - scales["(i)"], math.hypot(errors[sort], errors["(i)"])) for sort in SYSTEMS}
        off_iv, error_iv = off["(iv)"]
        found += [
            Check(f"{label}, (ii) less (i), not above it", off["(ii)"][0], 0, "at most", off["(ii)"][1]),
            Check(f"{label}, (iii) above (i) by 2 and more", off["(iii)"][0], 2, "at least", off["(iii)"][1]),
            Check(f"{label}, (iv) less (i), absolute", abs(off_iv), ALIKE, "at most", error_iv),
            Check(f"{label}, dilution-corrected, (iv) above (i)", corrected["(iv)"], corrected["(i)"], "at least"),
        ]
    return found


def _log10(values: list[float]) -> tuple[float, float]:
    """The decimal logarithm of the mean, with its standard error."""
    mean = float(np.mean(values))
    return math.log10(mean), float(np.std(values, ddof=1)) / math.sqrt(len(values)) / mean / math.log(10)


def _corrected(each: list[Measured]) -> float:
    """log10 by the paper's formula, of growth and dilution averaged over the networks; with the final norm's step."""
    blocks = [growth(one) for one in each]
    dilution, outer = (np.mean([getattr(one, name) for one in blocks], axis=0) for name in ("dilution", "outer"))
    top = np.mean([one.scales[one.blocks()[-1][1]] for one in each])
    return float(np.log10(top) + np.log10(1 + (dilution**2 + 1) * (outer - 1)).sum())
