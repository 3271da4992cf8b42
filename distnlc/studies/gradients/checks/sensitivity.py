"""Check 2: the GSC is a relative sensitivity, to a layer's value and to its weights (propositions 2 and 3).

Random directions of a relative step of 1e-6 are tried at one point of a network of 10 linear layers; their quadratic
mean is to be the exact GSC, or proposition 3's multiple of it. The step leaves a relative error of 1e-6, far below the
standard error of the directions, so three of these decide. Then proposition 3's factor itself: the root of its
inverse's mean square over random weight matrices is 1; a square orthogonal matrix keeps every length, so that the
factor is 1 for each one, to rounding.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from distnlc.metrics.gradient_scale_between import gradient_scale_between
from distnlc.networks import matrices
from distnlc.networks.initialization import Parameters, orthogonal
from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from distnlc.networks.operations import operations
from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check, of_quadratic_mean
from distnlc.studies.gradients.checks.noise import architecture, on_sphere
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.spec import Spec

STEP = 1e-6
DIRECTIONS = 200
"""of a layer's value for each network of the part, 4,000 for 20, and half as many of its weights"""
MATRICES = 40
WIDTH = 100
LINEAR_LAYERS, CHANGED = 10, 3
"""the linear layer, from the bottom, whose value and weights are changed"""
ROUNDING = 1e-12
ARCHITECTURES = {
    "layer-tanh": architecture("tanh", "layer", linear_layers=LINEAR_LAYERS),
    "SELU": architecture("selu", linear_layers=LINEAR_LAYERS),
    "layer-ReLU": architecture("relu", "layer", linear_layers=LINEAR_LAYERS),
}


def run(part: Spec, seed: int) -> list[Check]:
    """Both propositions for three architectures, and the factor for three sorts of matrices."""
    found = [check for name in ARCHITECTURES for check in _propositions(part, seed, name)]
    return [*found, *_factors(part, seed)]


def _propositions(part: Spec, seed: int, name: str) -> Iterator[Check]:
    """Propositions 2 and 3 on one network at one point: f_k is the output of layer CHANGED, f_l the predictions."""
    changed = part.model_copy(update=ARCHITECTURES[name])
    layered, own = layered_of(changed), derive_seed("sensitivity", seed, name)
    parameters, generator = parameters_of(changed, own, layered), torch.Generator().manual_seed(own)
    network = MLP(layered, parameters).requires_grad_(False)
    point = on_sphere(1, layered.d_in, generator)
    place = next(i for i, each in enumerate(operations(layered), 1) if (each.kind, each.layer) == ("linear", CHANGED))
    signals = [point, *network.signals(point)]
    weight, incoming, value = parameters.weights[CHANGED - 1], signals[place - 1][0], signals[place][0]
    gsc = float(gradient_scale_between(network, point, above=-1)[place, -1])
    factor = float(weight.norm() * incoming.norm() / value.norm()) / math.sqrt(len(incoming))
    above = _above(layered, parameters)

    def changes(moves: Tensor) -> list[float]:
        """Squares of f_l's relative changes, over that of the step, for changes of f_k (directions, width)."""
        return ((above(value + moves) - signals[-1]).norm(dim=1) / signals[-1].norm() / STEP).square().tolist()

    of_value, of_weights = list[float](), list[float]()
    for _ in range(part.networks):
        unit = on_sphere(DIRECTIONS, len(value), generator) / math.sqrt(len(value))
        of_value += changes(STEP * value.norm() * unit)
        moves = torch.randn(DIRECTIONS // 2, *weight.shape, generator=generator, dtype=torch.float64)
        moves = moves @ incoming / moves.flatten(1).norm(dim=1, keepdim=True)  # the weights' change has length 1
        of_weights += changes(STEP * weight.norm() * moves)
    yield of_quadratic_mean(f"proposition 2, {name}: changes of a layer", of_value, gsc)
    yield of_quadratic_mean(f"proposition 3, {name}: changes of its weights", of_weights, gsc * factor)


def _above(layered: Layered, parameters: Parameters) -> MLP:
    """f_l as a function of f_k: the first linear operation is the identity."""
    width = layered.widths[CHANGED]
    weights = [torch.eye(width, dtype=torch.float64), *parameters.weights[CHANGED:]]
    upper = Layered(width, layered.layers[CHANGED - 1 :])
    return MLP(upper, Parameters(weights, [None] * len(weights), [])).requires_grad_(False)


def _factors(part: Spec, seed: int) -> Iterator[Check]:
    """The factor ||W|| ||v|| / (||W v|| sqrt(d)) for a fixed v, over random W."""
    random = np.random.default_rng(derive_seed("factor", seed))
    draws: dict[str, Callable[[], Tensor]] = {
        "Gaussian": lambda: matrices.standard(WIDTH, WIDTH, random),
        "half an orthogonal": lambda: orthogonal(WIDTH // 2, WIDTH, random),
        "orthogonal": lambda: orthogonal(WIDTH, WIDTH, random),
    }
    vector = matrices.standard(WIDTH, 1, random)
    for name, draw in draws.items():
        inverse = []
        for _ in range(MATRICES * part.networks):
            weight = draw()
            inverse.append(float((weight @ vector).norm() / vector.norm() / weight.norm()) ** 2 * WIDTH)
        root = of_quadratic_mean(f"proposition 3, factor of {name} matrices", inverse, 1.0)
        measured, error = 1 / root.measured, (root.standard_error or 0) / root.measured**2
        exact = name == "orthogonal"
        yield root._replace(
            measured=measured, standard_error=None if exact else error, tolerance=ROUNDING if exact else None
        )
