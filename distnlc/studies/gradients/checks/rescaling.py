"""Check 1: multiplicative rescalings leave the GSC, and with it the training, as it was (propositions 1 and 4).

A network f_l(theta_l, f_{l+1}) of linear, normalization and tanh layers with a softmax error is rescaled:
f'_l(theta_l, f) = c_l f_l(gamma_l theta_l, f / c_{l+1}) with theta'_l = theta_l / gamma_l. All Jacobians of both are
exact. Equal means to rounding: 1e-10, where one Jacobian has errors of 1e-14 and a network 14 of them. What must change
is checked too, so that a rescaling that does nothing would be seen.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from distnlc.spec import derive_seed
from distnlc.studies.gradients.checks.check import Check
from distnlc.studies.gradients.checks.noise import Array
from distnlc.studies.gradients.spec import Spec

ROUNDING = 1e-10
WIDTH, LINEAR_LAYERS, POINTS = 8, 5, 6
RATE = 1.7
"""R of proposition 1; not a power of two, which would leave no rounding at all"""
STEPS, STEP_SIZE = 30, 0.1
MOST = 10.0
"""by which a layer or its parameter is multiplied or divided"""

Layer = Callable[[Tensor, Tensor], Tensor]
"""f_l(theta_l, f_{l+1}), batches of rows"""


class Chain:
    """Layers from the top, l = 1 .. L, each with a parameter (a number that is not used, where it has none)."""

    def __init__(self, layers: list[Layer], parameters: list[Tensor], inputs: Tensor, labels: Tensor) -> None:
        self.layers, self.parameters, self.inputs, self.labels = layers, parameters, inputs, labels

    def signals(self, parameters: list[Tensor] | None = None) -> list[Tensor]:
        """f_1 .. f_L and the input, from the top; each (points, width)."""
        found = [self.inputs]
        for layer, parameter in zip(reversed(self.layers), reversed(parameters or self.parameters), strict=True):
            found.append(layer(parameter, found[-1]))
        return found[::-1]

    def errors(self, predictions: Tensor) -> Tensor:
        """f_0 of each point."""
        return torch.nn.functional.cross_entropy(predictions, self.labels, reduction="none")

    def jacobians(self) -> list[Tensor]:
        """J of each layer with respect to its input, f_0 first, one point after another: (points, d_l, d_{l+1})."""
        signals = self.signals()
        found = [_jacobian(lambda f: self.errors(f)[:, None], signals[0])]
        for layer, parameter, below in zip(self.layers, self.parameters, signals[1:], strict=True):
            found.append(_jacobian(partial(layer, parameter), below))
        return found

    def norms(self) -> Array:
        """qm norms of J_k^l, (points, L + 2, L + 2): [:, k, l], NaN where k < l; k = L + 1 is the input."""
        steps = self.jacobians()
        found = np.full((POINTS, len(steps) + 1, len(steps) + 1), math.nan)
        for above in range(len(steps)):
            product = torch.eye(steps[above].shape[1], dtype=torch.float64).expand(POINTS, -1, -1)
            for below, step in enumerate(steps[above:], start=above + 1):
                product = product @ step
                found[:, below, above] = product.square().sum((1, 2)).div(product.shape[2]).sqrt()
        return found

    def gsc(self) -> Array:
        """GSC(k, l) as `norms`."""
        signals = self.signals()
        lengths = np.stack([self.errors(signals[0]).abs(), *(signal.norm(dim=1) for signal in signals)], axis=1)
        return self.norms() * lengths[:, :, None] / lengths[:, None, :]

    def trained(self, scale: list[float]) -> "Chain":
        """After STEPS steps of gradient descent, for which gradients and then updates are multiplied by `scale`."""
        parameters = self.parameters
        for _ in range(STEPS):
            tracked = [parameter.detach().requires_grad_() for parameter in parameters]
            gradients = torch.autograd.grad(
                self.errors(self.signals(tracked)[0]).mean(), tracked, materialize_grads=True
            )
            parameters = [
                p - each * (STEP_SIZE * (each * g)) for p, g, each in zip(parameters, gradients, scale, strict=True)
            ]
        return Chain(self.layers, parameters, self.inputs, self.labels)


def _jacobian(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The Jacobian of each row by itself, (points, outputs, width), for a function that keeps rows apart."""
    at = at.detach().requires_grad_()
    outputs = function(at)
    rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in outputs.unbind(1)]
    return torch.stack(rows, dim=1)


def rescaled(chain: Chain, c: list[float], gamma: list[float]) -> Chain:
    """f', with c_l and gamma_l of the layers l = 1 .. L; c_1 must be 1, so that the error is not changed."""

    def layer(number: int) -> Layer:
        above, below = c[number], [*c, 1.0][number + 1]
        return lambda theta, f: above * chain.layers[number](gamma[number] * theta, f / below)

    layers = [layer(number) for number in range(len(chain.layers))]
    parameters = [theta / factor for theta, factor in zip(chain.parameters, gamma, strict=True)]
    return Chain(layers, parameters, chain.inputs, chain.labels)


def drawn(seed: int) -> Chain:
    """A random network of linear, normalization and tanh layers, the last one linear."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    none = torch.ones(1, dtype=torch.float64)
    layers, parameters = list[Layer](), list[Tensor]()
    for number in range(LINEAR_LAYERS):  # from the top
        if number:
            layers += [lambda _, f: f.tanh(), lambda _, f: f / f.square().mean(1, keepdim=True).sqrt()]
            parameters += [none, none]
        layers.append(lambda theta, f: f @ theta.T)
        parameters.append(normal(WIDTH, WIDTH) / math.sqrt(WIDTH))
    labels = torch.randint(WIDTH, (POINTS,), generator=generator)
    return Chain(layers, parameters, normal(POINTS, WIDTH), labels)


def run(part: Spec, seed: int) -> list[Check]:
    """The largest deviations among `part.networks` networks."""
    found = [_deviations(derive_seed("rescaling", seed, number)) for number in range(part.networks)]
    largest = {case: max(each[case] for each in found) for case in found[0]}
    smallest = {case: min(each[case] for each in found) for case in found[0]}
    return [
        *(Check(case, value, ROUNDING, "at most") for case, value in largest.items() if case not in MUST_CHANGE),
        *(Check(case, smallest[case], least, "at least") for case, least in MUST_CHANGE.items()),
    ]


MUST_CHANGE = {
    "proposition 4: norms of Jacobians, largest factor": 2.0,
    "proposition 1: trained without scaled updates, predictions, largest difference": 0.01,
}
"""case -> by how much at least: what is not invariant"""


def _deviations(seed: int) -> dict[str, float]:
    """Largest relative deviation of each case, of one network."""
    chain, random = drawn(seed), np.random.default_rng(seed)
    count = len(chain.layers)
    factors = MOST ** random.uniform(-1, 1, (2, count))
    free = rescaled(chain, [1.0, *factors[0, 1:]], list(factors[1]))
    rates = RATE ** np.arange(1.0, count + 1)
    c = [1.0, *(1 / rates[1:])]
    growing = rescaled(chain, c, list(rates))
    outer = np.array([1.0, *c, 1.0])  # c_0 and the input's
    gsc, norms = chain.gsc(), chain.norms()
    backwards = list(1 / rates)
    trained, trained_growing = chain.trained([1.0] * count), growing.trained(backwards)
    predictions = trained.signals()[0]
    return {
        "proposition 4: GSC(k, l) of all k, l": _largest(free.gsc() / gsc),
        "proposition 4: norms of Jacobians, largest factor": float(np.nanmax(free.norms() / norms)),
        "proposition 1: norms of Jacobians over R^(k-l)": _largest(growing.norms() / norms / (outer / outer[:, None])),
        "proposition 1: GSC(k, l) of all k, l": _largest(growing.gsc() / gsc),
        "proposition 1: predictions": _difference(growing.signals()[0], chain.signals()[0]),
        "proposition 1: trained, predictions": _difference(trained_growing.signals()[0], predictions),
        "proposition 1: trained, parameters": max(
            _difference(rate * ours, theirs)
            for rate, ours, theirs in zip(rates, trained_growing.parameters, trained.parameters, strict=True)
        ),
        "proposition 1: trained without scaled updates, predictions, largest difference": _difference(
            growing.trained([1.0] * count).signals()[0], predictions
        ),
    }


def _largest(ratio: Array) -> float:
    """The largest |ratio - 1|."""
    return float(np.nanmax(np.abs(ratio - 1)))


def _difference(found: Tensor, expected: Tensor) -> float:
    """Relative, of two tensors as a whole."""
    return float((found - expected).norm() / expected.norm())
