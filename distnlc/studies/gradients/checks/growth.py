"""Check 3: vanilla networks explode exponentially, at a rate that depth and width do not change (section 3).

Decomposability (proposition 5): the product of the steps GSC(l+1, l) beside GSC(L+1, 1). Fits: ordinary least squares
of ln GSC(l, 0) on the layers l = 1 .. L+1, of the networks' mean curve; targets are section 9's. Choices: rates are per
linear layer and less 1, so that growth itself is compared. Tolerances: 7 % of a rate, three standard errors of the
least certain one (batch-ReLU: networks differ by 3.3 %, and two are measured for twenty of others); architectures
differ by 8 % and more. 1 % of a step, whose value in single networks differs by 0.3 to 0.5 %; a squared step would miss
by 20 %. Depths and widths are compared on 100 points, like with like: 10 %, three standard errors of a difference. The
product's logarithm may differ by 15 %, since decomposability is approximate.
"""

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch

from distnlc.metrics.gradient_scale_between import gradient_scale_between
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check, of_mean
from distnlc.studies.gradients.checks.noise import (
    FEW,
    PER_BATCH,
    Measured,
    architecture,
    measured,
    networks,
    on_sphere,
    quadratic_mean_length,
)
from distnlc.studies.gradients.spec import Spec

EXPLODING = {
    "batch-ReLU": architecture("relu", "batch"),
    "batch-tanh": architecture("tanh", "batch"),
    "layer-tanh": architecture("tanh", "layer"),
    "SELU": architecture("selu"),
}
RATES = {"batch-ReLU": 1.194, "batch-tanh": 1.098, "layer-tanh": 1.091, "SELU": 1.038}
"""per linear layer (section 9)"""
STEPS = {
    "batch-ReLU": (0.981, 1.216, 1.0015),
    "batch-tanh": (0.975, 1.056, 1.066),
    "layer-tanh": (0.995, 1.010, 1.085),
    "SELU": (0.996, None, 1.043),
}
"""of a linear, normalization and activation layer, in the linear layers 10 to 40 (section 9)"""
COMPARED = ("batch-ReLU", "layer-tanh", "SELU")
COMPARED_POINTS = 100
RATE_TOLERANCE, STEP_TOLERANCE, COMPARISON_TOLERANCE = 0.07, 0.01, 0.1
KINDS = ("linear", "normalization", "activation")


def fit(measured: Sequence[Measured]) -> tuple[float, float]:
    """Rate per linear layer less 1, and R^2, of the mean curve."""
    curve = np.log(np.mean([each.scales for each in measured], axis=0))[::-1]
    layers = np.arange(1, len(curve) + 1)
    slope, intercept = np.polyfit(layers, curve, 1)
    residual = curve - intercept - slope * layers
    per_linear = len(measured[0].places("normalization")) / measured[0].layered.depth + 2
    return math.expm1(float(slope) * per_linear), 1 - float(residual.var() / curve.var())


def rates(measured: Sequence[Measured]) -> list[float]:
    """Rate per linear layer less 1 of each network."""
    return [fit([each])[0] for each in measured]


def step(measured: Measured, kind: str) -> float:
    """Geometric mean of GSC below / above the operations of a kind, in the linear layers 10 to 40."""
    places = measured.places(kind)[9:40]
    return float(np.exp(np.mean(np.log(measured.scales[np.array(places) - 1] / measured.scales[places]))))


def run(part: Spec, seed: int) -> list[Check]:
    """Four exploding architectures, and three of them at other depths and widths."""
    found = list[Check]()
    for name, different in EXPLODING.items():
        found += _as_printed(name, list(measured(part, seed, different)))
    for name in COMPARED:
        found += _depths_and_widths(part, seed, name)
        found.append(_decomposed(part, seed, name))
    return found


def _as_printed(name: str, networks: list[Measured]) -> list[Check]:
    """Fit and steps of networks of 50 linear layers."""
    rate, r2 = fit(networks)
    error = of_mean("", rates(networks), 0).standard_error
    found = [
        Check(f"{name}: growth per linear layer, less 1", rate, RATES[name] - 1, "equal", error, RATE_TOLERANCE),
        Check(f"{name}: R^2 of the exponential", r2, 0.999, "at least"),
    ]
    for kind, target in zip(KINDS, STEPS[name], strict=True):
        if target is None:
            continue
        steps = [step(each, kind) for each in networks]
        found.append(of_mean(f"{name}: step of {kind} layers", steps, target, tolerance=STEP_TOLERANCE))
        if kind == "linear":
            found.append(of_mean(f"{name}: linear layers lower the GSC", steps, 1, "at most"))
        elif target > 1 + STEP_TOLERANCE / 2:
            found.append(of_mean(f"{name}: {kind} layers raise the GSC", steps, 1, "at least"))
    return found + (_halves(networks) if name == "batch-ReLU" else [])


def _halves(networks: list[Measured]) -> list[Check]:
    """What one ReLU does to the lengths of signal and gradient, in the linear layers 10 to 40.

    Half of a symmetric neuron's values would leave the root of 1/2; the sign diversity of 0.45 there, and the fewer
    that are positive, the smaller, move it by up to 2 %.
    """
    values, gradients = list[float](), list[float]()
    for each in networks:
        places = each.places("activation")[9:40]
        signals = [quadratic_mean_length(signal) for signal in each.signals]
        sizes = [quadratic_mean_length(gradient) for gradient in each.gradients]
        values.append(float(np.mean([signals[place] / signals[place - 1] for place in places])))
        gradients.append(float(np.mean([sizes[place - 1] / sizes[place] for place in places])))
    return [
        of_mean("batch-ReLU: length after a ReLU over that before", values, math.sqrt(0.5), tolerance=0.03),
        of_mean("batch-ReLU: gradient below a ReLU over that above", gradients, math.sqrt(0.5), tolerance=0.03),
    ]


def _depths_and_widths(part: Spec, seed: int, name: str) -> list[Check]:
    """Growth of other depths and widths beside that of 50 linear layers of width 100."""
    batch = EXPLODING[name]["normalization"] == "batch"
    count = max(2, part.networks // 2) * PER_BATCH if batch else max(2, part.networks)
    fewer = part.model_copy(update={"points": min(part.points, COMPARED_POINTS), "networks": count})

    def grown(number: int, **changes: Any) -> tuple[float, float]:
        found = rates(list(measured(fewer, derive_seed("compared", seed, number), EXPLODING[name] | changes)))
        return float(np.mean(found)), float(np.std(found, ddof=1)) / math.sqrt(len(found))

    usual, error = grown(0)
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("25 linear layers", "equal", {"linear_layers": 25}),
        ("100 linear layers", "equal", {"linear_layers": 100}),
        ("width 200, not above width 100", "at most", {"width": "200"}),
        ("widths 100 and 200 in turn", "equal", {"width": "100/200"}),
    ]
    found = list[Check]()
    for number, (case, relation, changes) in enumerate(cases, start=1):
        rate, own = grown(number, **changes)
        text = f"{name}, growth per linear layer, less 1: {case}"
        tolerance = COMPARISON_TOLERANCE if relation == "equal" else None
        found.append(Check(text, rate, usual, relation, math.hypot(own, error), tolerance))
    return found


def _decomposed(part: Spec, seed: int, name: str) -> Check:
    """Growth by the product of single steps over that by the whole, in a network of 15 linear layers."""
    few = part.model_copy(update={"points": min(part.points, FEW)})
    ratios = []
    for layered, parameters, own in islice(networks(few, seed, EXPLODING[name] | {"linear_layers": 15}), 3):
        inputs = on_sphere(few.points, layered.d_in, torch.Generator().manual_seed(own))
        network = MLP(layered, parameters).requires_grad_(False)
        between = gradient_scale_between(network, inputs, probes=2, seed=own).numpy()
        ratios.append(float(np.log(between.diagonal(1)).sum() / np.log(between[0, -1])))
    return of_mean(f"{name}: ln of the product of steps over ln GSC(L+1, 1)", ratios, 1, tolerance=0.15)
