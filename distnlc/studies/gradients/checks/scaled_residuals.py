"""Check 10: residual functions times 1/sqrt(B) bound the GSC at any depth B (section 7).

Batch-ReLU with blocks of two linear layers, the last of which is scaled: with dilution k_b^2 >= B the GSC's growth has
the limit 2^((r^2 - 1) / 2) = 1.46 (r of check 7), while the plain network's is a power of B. Up to 2,000 points, on
which residual networks grow as on 10,000 (batch norm's dependence on their number is that of deep vanilla networks).
Tolerances: 10 %, three standard errors of two networks, which differ by 4 %; plain networks of B = 10 and 25 differ by
55 %, a scale of 1/B would give 1.04.
"""

import math

from distnlc.networks.initialization import Parameters
from distnlc.studies.gradients.checks.check import Check, of_mean
from distnlc.studies.gradients.checks.noise import measure, networks, residual
from distnlc.studies.gradients.spec import Spec

MOST_POINTS, TOLERANCE = 2000, 0.1
PRINTED = {10: (2.60, 1.39), 25: (4.07, 1.39), 60: (6.44, 1.42)}
"""B -> GSC at the input of the plain and of the scaled network (section 7)"""
LIMIT = 1.46


def scaled(parameters: Parameters, blocks: int) -> Parameters:
    """The last matrix of each block, which are linear layers 3, 5, ..., times 1/sqrt(B)."""
    weights = [
        weight / math.sqrt(blocks) if number % 2 and number > 1 else weight
        for number, weight in enumerate(parameters.weights, start=1)
    ]
    return Parameters(weights, parameters.biases, parameters.matrices)


def run(part: Spec, seed: int) -> list[Check]:
    """Three depths."""
    found, points = list[Check](), min(part.points, MOST_POINTS)
    for blocks, targets in PRINTED.items():
        scales: tuple[list[float], list[float]] = ([], [])
        for layered, parameters, own in networks(part, seed, residual("relu", "batch", blocks)):
            for values, numbers in zip(scales, (parameters, scaled(parameters, blocks)), strict=True):
                values.append(float(measure(layered, numbers, points, own).scales[0]))
        for name, values, target in zip(("plain", "scaled"), scales, targets, strict=True):
            found.append(of_mean(f"{name}, B = {blocks}: GSC at the input", values, target, tolerance=TOLERANCE))
        case = f"scaled, B = {blocks}: GSC below the limit of any depth"
        found.append(of_mean(case, scales[1], LIMIT, "at most", TOLERANCE / 2))
    return found
