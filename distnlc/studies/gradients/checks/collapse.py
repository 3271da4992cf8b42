"""Check 6: networks that do not explode lose their domain instead (section 6, figures 1B and 1C).

Spread and sign diversity of what enters the activations 10, 20 and 49, on 300 points, beside section 9's values.
Tolerances: 20 %, the rounding of targets such as 0.08 included; at the top of ReLU networks, where single ones differ
by 60 %, three standard errors. Exploding networks keep theirs: a spread of 0.9, a sign diversity of 0.4.
"""

from typing import Any

import torch
from torch import Tensor

from distnlc.networks.mlp import MLP
from distnlc.networks.operations import operations
from distnlc.studies.gradients.checks.check import Check, of_mean
from distnlc.studies.gradients.checks.noise import architecture, networks, on_sphere
from distnlc.studies.gradients.spec import Spec

MOST_POINTS, TOLERANCE = 300, 0.2
LAYERS = (10, 20, 49)
COLLAPSING = {
    "ReLU": (architecture("relu"), (0.39, 0.29, 0.20), (0.12, 0.08, 0.03), None),
    "layer-ReLU": (architecture("relu", "layer"), (0.39, 0.22, 0.10), (0.12, 0.08, 0.03), None),
    "tanh": (architecture("tanh"), (0.24, 0.16, 0.09), None, TOLERANCE),
}
"""architecture, its spread and its sign diversity at LAYERS (None: it stays), tolerance at the last (None: three
standard errors)"""
KEEPING = {
    "batch-ReLU": architecture("relu", "batch"),
    "batch-tanh": architecture("tanh", "batch"),
    "layer-tanh": architecture("tanh", "layer"),
    "SELU": architecture("selu"),
}
KEPT_SPREAD, KEPT_DIVERSITY = 0.9, 0.4


def spread(entering: Tensor) -> float:
    """Quadratic mean over the neurons of the standard deviation over the points (points, width)."""
    return float(entering.var(0, correction=0).mean().sqrt())


def sign_diversity(entering: Tensor) -> float:
    """Mean over the neurons of the share of the rarer sign."""
    positive = (entering > 0).double().mean(0)
    return float(torch.minimum(positive, 1 - positive).mean())


@torch.no_grad()
def entering(part: Spec, seed: int, different: dict[str, Any]) -> list[list[Tensor]]:
    """What enters the activations LAYERS, of one network after another."""
    few = part.model_copy(update={"points": min(part.points, MOST_POINTS)})
    found = []
    for layered, parameters, own in networks(few, seed, different):
        inputs = on_sphere(few.points, layered.d_in, torch.Generator().manual_seed(own))
        places = [number for number, each in enumerate(operations(layered)) if each.kind == "activation"]
        signals = [inputs, *MLP(layered, parameters).signals(inputs)]
        found.append([signals[places[layer - 1]] for layer in LAYERS])
    return found


def run(part: Spec, seed: int) -> list[Check]:
    """Three collapsing architectures and four exploding ones."""
    found = list[Check]()
    for name, (different, spreads, diversities, at_top) in COLLAPSING.items():
        each = entering(part, seed, different)
        for index, layer in enumerate(LAYERS):
            tolerance = at_top if layer == LAYERS[-1] else TOLERANCE
            values = [spread(network[index]) for network in each]
            found.append(of_mean(f"{name}: spread at activation {layer}", values, spreads[index], tolerance=tolerance))
            if diversities:
                values = [sign_diversity(network[index]) for network in each]
                case = f"{name}: sign diversity at activation {layer}"
                found.append(of_mean(case, values, diversities[index], tolerance=tolerance))
    for name, different in KEEPING.items():
        top = [network[-1] for network in entering(part, seed, different)]
        case = f"at activation {LAYERS[-1]} is kept"
        found.append(of_mean(f"{name}: spread {case}", [spread(each) for each in top], KEPT_SPREAD, "at least"))
        diversity = [sign_diversity(each) for each in top]
        found.append(of_mean(f"{name}: sign diversity {case}", diversity, KEPT_DIVERSITY, "at least"))
    return found
