"""Check 6: networks that do not explode lose their domain instead (section 6, figures 1B and 1C).

Spread and sign diversity of what enters the activations 10, 20 and 49, on 300 points, beside section 9's values, which
are means over 200 networks (ReLU, layer-ReLU) or 20 (tanh), rounded to 0.01; both errors count beside those measured
here, and three standard errors decide. Exploding networks keep theirs: they have at least section 9's at the top, but
that a symmetric neuron shows a sign diversity of 0.5 - 0.4 / sqrt(n) on n points (section 2, item 5).
"""

import math
from typing import Any

import torch

from distnlc.metrics.preactivation_spread import spread
from distnlc.networks.mlp import MLP
from distnlc.networks.operations import operations
from distnlc.studies.gradients.checks.check import Check, beside_stated
from distnlc.studies.gradients.checks.noise import architecture, networks, on_sphere
from distnlc.studies.gradients.spec import Spec

MOST_POINTS, UNIT = 300, 0.01
LAYERS = (10, 20, 49)
QUANTITIES = ("spread", "sign diversity")
SYMMETRIC, OF_FINITE = 0.5, 0.4
COLLAPSING = {
    "ReLU": (architecture("relu"), ((0.39, 0.29, 0.20), (0.12, 0.08, 0.03)), 200),
    "layer-ReLU": (architecture("relu", "layer"), ((0.39, 0.22, 0.10), (0.12, 0.08, 0.03)), 200),
    "tanh": (architecture("tanh"), ((0.24, 0.16, 0.09),), 20),
}
"""architecture, its spread and its sign diversity (tanh keeps it) at LAYERS, of how many networks (section 4)"""
KEEPING = {
    "batch-ReLU": (architecture("relu", "batch"), (1.0, 0.42), 3),
    "batch-tanh": (architecture("tanh", "batch"), (1.0, SYMMETRIC), 3),
    "layer-tanh": (architecture("tanh", "layer"), (1.0, SYMMETRIC), 20),
    "SELU": (architecture("selu"), (0.96, 0.42), 20),
}
"""architecture, spread and sign diversity at the last of LAYERS on many points, of how many networks"""


@torch.no_grad()
def entering(part: Spec, seed: int, different: dict[str, Any]) -> list[list[tuple[float, float]]]:
    """Spread and sign diversity of what enters the activations LAYERS, of one network after another."""
    few = part.model_copy(update={"points": min(part.points, MOST_POINTS)})
    found = []
    for layered, parameters, own in networks(few, seed, different):
        inputs = on_sphere(few.points, layered.d_in, torch.Generator().manual_seed(own))
        places = [number for number, each in enumerate(operations(layered)) if each.kind == "activation"]
        signals = [inputs, *MLP(layered, parameters).signals(inputs)]
        found.append([spread(signals[places[layer - 1]]) for layer in LAYERS])
    return found


def run(part: Spec, seed: int) -> list[Check]:
    """Three collapsing architectures and four exploding ones."""
    found = list[Check]()
    for name, (different, stated, others) in COLLAPSING.items():
        each = entering(part, seed, different)
        for kind, targets in enumerate(stated):
            for index, target in enumerate(targets):
                values = [network[index][kind] for network in each]
                case = f"{name}: {QUANTITIES[kind]} at activation {LAYERS[index]}"
                found.append(beside_stated(case, values, target, networks=others, unit=UNIT))
    for name, (different, kept, others) in KEEPING.items():
        each = entering(part, seed, different)
        fewer = OF_FINITE / math.sqrt(min(part.points, MOST_POINTS)) if kept[1] == SYMMETRIC else 0
        for kind, target in enumerate((kept[0], kept[1] - fewer)):
            values = [network[-1][kind] for network in each]
            case = f"{name}: {QUANTITIES[kind]} at activation {LAYERS[-1]} is kept"
            found.append(beside_stated(case, values, target, "at least", networks=others, unit=UNIT))
    return found
