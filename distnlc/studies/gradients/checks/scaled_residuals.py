"""Check 10: residual functions times 1/sqrt(B) bound the GSC at any depth B (section 7).

Batch-ReLU with blocks of two linear layers, the last of which is scaled: with dilution k_b^2 >= B the GSC's growth has
the limit 2^((r^2 - 1) / 2) = 1.46 (r of check 7), while the plain network's is a power of B. Section 7 does not say of
how many networks and points its values are: of one network of 2,000, the fewest that the spec has with batch norm. The
labels of n points, which are not measured here, are an error of 0.71 / sqrt(n) of a GSC. Three standard errors decide;
plain networks of B = 10 and 25 differ by 55 %, a scale of 1/B would give 1.04. The noise units' fast pass measures
these deep networks in a fourth of the time.
"""

import math

from distnlc.metrics.layer_gradients import layer_gradients
from distnlc.networks.initialization import Parameters
from distnlc.networks.layered import Layered
from distnlc.studies.gradients.checks.check import Check, beside_stated, of_mean
from distnlc.studies.gradients.checks.noise import networks, noise, points_of, residual
from distnlc.studies.gradients.spec import Spec

PRINTED = {10: (2.60, 1.39), 25: (4.07, 1.39), 60: (6.44, 1.42)}
"""B -> GSC at the input of the plain and of the scaled network (section 7)"""
LIMIT, UNIT, LABELS = 1.46, 0.01, math.sqrt(0.5 / 2000)


def scaled(parameters: Parameters, blocks: int) -> Parameters:
    """The last matrix of each block, which are linear layers 3, 5, ..., times 1/sqrt(B)."""
    weights = [
        weight / math.sqrt(blocks) if number % 2 and number > 1 else weight
        for number, weight in enumerate(parameters.weights, start=1)
    ]
    return Parameters(weights, parameters.biases, parameters.matrices)


def at_input(layered: Layered, parameters: Parameters, points: int, seed: int) -> float:
    """GSC(L+1, 0) / GSC(1, 0)."""
    found = layer_gradients(layered, parameters, *noise(layered, points, seed))
    return found.scale(0) / found.scale(len(found.widths) - 1)


def run(part: Spec, seed: int) -> list[Check]:
    """Three depths."""
    found = list[Check]()
    for blocks, targets in PRINTED.items():
        scales: tuple[list[float], list[float]] = ([], [])
        for layered, parameters, own in networks(part, seed, residual("relu", "batch", blocks)):
            for values, numbers in zip(scales, (parameters, scaled(parameters, blocks)), strict=True):
                values.append(at_input(layered, numbers, points_of(part, layered), own))
        for name, values, target in zip(("plain", "scaled"), scales, targets, strict=True):
            found.append(
                beside_stated(
                    f"{name}, B = {blocks}: GSC at the input", values, target, unit=UNIT, error=LABELS * target
                )
            )
        case = f"scaled, B = {blocks}: GSC below the limit of any depth"
        found.append(of_mean(case, scales[1], LIMIT, "at most"))
    return found
