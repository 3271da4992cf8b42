"""Check 3: vanilla networks explode exponentially, at a rate that depth and width do not change (section 3).

Decomposability (proposition 5): the product of the steps GSC(l+1, l) beside GSC(L+1, 1). Fits: ordinary least squares
of ln GSC(l, 0) on the layers l = 1 .. L+1, of the networks' mean curve. Rates, per linear layer, and the steps that
they are made of are section 9's, to 1 % as section 11 asks. Elsewhere the text states no tolerance, and three standard
errors decide. Depths and widths are compared by rates less 1, on 100 points, like with like; widths in turn are to be
as alike as table 1 prints them. Where the product of steps misses, the network is not decomposable at a width of 100.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch

from distnlc.metrics.gradient_scale_between import gradient_scale_between
from distnlc.metrics.growth import exponential_fit
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check, of_mean, of_quadratic_mean
from distnlc.studies.gradients.checks.noise import (
    FEW,
    PER_BATCH,
    Lengths,
    architecture,
    measured,
    networks,
    on_sphere,
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
IN_TURN = {"batch-ReLU": math.log(5527) / math.log(5728), "layer-tanh": 1.0, "SELU": math.log(6.09) / math.log(6.36)}
"""ln GSC of widths 100 and 200 in turn over that of width 100, as table 1 prints them; it has none of layer-tanh"""
DECOMPOSED = 5
"""networks"""
TOLERANCE = 0.01
KINDS = ("linear", "normalization", "activation")


def fit(measured: Sequence[Lengths]) -> tuple[float, float]:
    """Rate per linear layer, and R^2, of the mean curve."""
    curve = np.mean([each.scales for each in measured], axis=0)[::-1]
    rate, _, r2 = exponential_fit(range(1, len(curve) + 1), curve.tolist())
    per_linear = len(measured[0].places("normalization")) / measured[0].layered.depth + 2
    return rate**per_linear, r2


def rates(measured: Iterable[Lengths]) -> list[float]:
    """Rate per linear layer less 1 of each network."""
    return [fit([each])[0] - 1 for each in measured]


def step(measured: Lengths, kind: str) -> float:
    """Geometric mean of GSC below / above the operations of a kind, in the linear layers 10 to 40."""
    places = measured.places(kind)[9:40]
    return float(np.exp(np.mean(np.log(measured.scales[np.array(places) - 1] / measured.scales[places]))))


def run(part: Spec, seed: int) -> list[Check]:
    """Four exploding architectures, and three of them at other depths and widths."""
    found = list[Check]()
    for name, different in EXPLODING.items():
        found += _as_printed(name, [each.lengths for each in measured(part, seed, different)])
    for name in COMPARED:
        found += _depths_and_widths(part, seed, name)
        found.append(_decomposed(part, seed, name))
    return found


def _as_printed(name: str, networks: list[Lengths]) -> list[Check]:
    """Fit and steps of networks of 50 linear layers."""
    rate, r2 = fit(networks)
    error = of_mean("", rates(networks), 0).standard_error
    found = [
        Check(f"{name}: growth per linear layer", rate, RATES[name], "equal", error, TOLERANCE),
        Check(f"{name}: R^2 of the exponential", r2, 0.999, "at least"),
    ]
    for kind, target in zip(KINDS, STEPS[name], strict=True):
        if target is None:
            continue
        steps = [step(each, kind) for each in networks]
        found.append(of_mean(f"{name}: step of {kind} layers", steps, target, tolerance=TOLERANCE))
        if kind == "linear":
            found.append(of_mean(f"{name}: linear layers lower the GSC", steps, 1, "at most"))
        elif target > 1 + TOLERANCE / 2:
            found.append(of_mean(f"{name}: {kind} layers raise the GSC", steps, 1, "at least"))
    return found + (_halves(networks) if name == "batch-ReLU" else [])


def _halves(networks: list[Lengths]) -> list[Check]:
    """What one ReLU does to the lengths of signal and gradient, in the linear layers 10 to 40.

    A neuron and its negative are equally likely whatever is below, so that the squares are 1/2 in expectation and those
    of different layers tell independently.
    """
    values, gradients = list[float](), list[float]()
    for each in networks:
        for place in each.places("activation")[9:40]:
            values.append(float(each.signals[place] / each.signals[place - 1]) ** 2)
            gradients.append(float(each.gradients[place - 1] / each.gradients[place]) ** 2)
    return [
        of_quadratic_mean("batch-ReLU: length after a ReLU over that before", values, math.sqrt(0.5)),
        of_quadratic_mean("batch-ReLU: gradient below a ReLU over that above", gradients, math.sqrt(0.5)),
    ]


def _depths_and_widths(part: Spec, seed: int, name: str) -> list[Check]:
    """Growth of other depths and widths beside that of 50 linear layers of width 100."""
    batch = EXPLODING[name]["normalization"] == "batch"
    count = max(2, part.networks // 2) * (PER_BATCH if batch else 1)
    fewer = part.model_copy(update={"points": min(part.points, COMPARED_POINTS), "networks": count})

    def grown(number: int, **changes: Any) -> tuple[float, float]:
        networks = measured(fewer, derive_seed("compared", seed, number), EXPLODING[name] | changes)
        found = rates(each.lengths for each in networks)
        return float(np.mean(found)), float(np.std(found, ddof=1)) / math.sqrt(len(found))

    usual, error = grown(0)
    cases: list[tuple[str, str, float, dict[str, Any]]] = [
        ("25 linear layers", "equal", 1.0, {"linear_layers": 25}),
        ("100 linear layers", "equal", 1.0, {"linear_layers": 100}),
        ("width 200, not above it", "at most", 1.0, {"width": "200"}),
        ("widths 100 and 200 in turn", "equal", IN_TURN[name], {"width": "100/200"}),
    ]
    found = list[Check]()
    for number, (case, relation, target, changes) in enumerate(cases, start=1):
        rate, own = grown(number, **changes)
        text = f"{name}, growth less 1 over that of 50 layers of width 100: {case}"
        found.append(Check(text, rate / usual, target, relation, math.hypot(own / usual, error * rate / usual**2)))
    return found


def _decomposed(part: Spec, seed: int, name: str) -> Check:
    """Growth by the product of single steps over that by the whole, in a network of 15 linear layers."""
    few = part.model_copy(update={"points": min(part.points, FEW)})
    ratios = []
    for layered, parameters, own in islice(networks(few, seed, EXPLODING[name] | {"linear_layers": 15}), DECOMPOSED):
        inputs = on_sphere(few.points, layered.d_in, torch.Generator().manual_seed(own))
        network = MLP(layered, parameters).requires_grad_(False)
        between = gradient_scale_between(network, inputs, probes=2, seed=own).numpy()
        ratios.append(float(np.log(between.diagonal(1)).sum() / np.log(between[0, -1])))
    return of_mean(f"{name}: ln of the product of steps over ln GSC(L+1, 1)", ratios, 1)
