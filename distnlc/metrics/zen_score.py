"""`zen_score`: how strongly an architecture's features react to its input, with the scale that batch norm takes away
restored (M. Lin and others, "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", ICCV 2021, algorithm 1).

    Zen = log( mean over x of || f(x) - f(x + a e) || ) + sum over batch norms of log sqrt( mean over channels of s^2 )

with a = 0.01, x and e independent N(0, 1), all weights drawn anew from N(0, 1), biases 0 and gains 1, f the features
before global pooling, and s^2 the variance of a channel in the batch, by which batch norm divides. So it says nothing
of the network's own initialization or data. Its mean over several draws is returned. Choices:
    norm            the paper's Frobenius norm; public code adds absolute values
    s^2             the paper's batch variance; public code takes running variances after one step, a tenth of it
    f               what enters the last global pool that is a module, else what enters the last weight layer; a batch
                    norm behind that takes no scale from f, and is left out of the sum
    skips           the paper removes them. So do we in layered networks (MLP) and in `distnlc.Residual`, of which the
                    main branch is left; the code of other modules is not known, and their skips stay
    no batch norm   the sum is empty, as in the paper's log E||grad f||; the scale that other normalizations take away
                    is not restored
Larger is taken for better. Needs neither inputs nor labels. Always float64.
"""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from distnlc.metrics.batch_norms import BatchNorms
from distnlc.metrics.batches import gaussian
from distnlc.metrics.measurable import Measurable, Network, UnmeasurableError, undisturbed
from distnlc.metrics.weight_gradients import checked_number, weighted
from distnlc.networks.mlp import EPSILON, MLP
from distnlc.networks.residual import Residual
from distnlc.networks.shape_walk import ADAPTIVE, LAYERS
from distnlc.spec import derive_seed

STEP = 0.01
"""a"""


@undisturbed()
@torch.no_grad()
def zen_score(network: Network, inputs: Tensor, *, points: int = 16, draws: int = 4, seed: int = 0) -> float:
    """Return the Zen score, a number without a unit.

    network: (points, d_in...) -> (points, d_out), a torch module with at least two weight layers. inputs: (points,
    d_in...), of which only shape and device are used. points: of each draw. draws: of weights and points. Nothing that
    is given changes. Raises ValueError for a network that cannot be measured.
    """
    if points < 2 or draws < 1:
        raise ValueError(f"expected at least 2 points and 1 draw, found {points} and {draws}")
    measured = weighted(network, torch.zeros_like(inputs[:1], dtype=torch.float64))
    statistics = _Statistics()
    statistics.take_layered(measured.module)
    for module in measured.module.modules():
        if isinstance(module, MLP):
            module.layered = replace(module.layered, skips=())
        elif isinstance(module, Residual):
            module.forward = partial(_main, module)  # type: ignore[method-assign]
    features = _Features(measured.function, measured.module, statistics)
    random = torch.Generator().manual_seed(derive_seed("metrics", seed, "zen score"))
    shape, like = torch.Size((points, *inputs.shape[1:])), next(iter(measured.weights.values()))
    scores = []
    for _ in range(draws):
        _draw(measured.module, random)
        x, change = (gaussian(shape, random, like) for _ in range(2))
        with statistics:
            before, restored = features(x)
            after, _ = features(x + STEP * change)
            distance = (after - before).flatten(1).norm(dim=1).mean()
        if not float(distance) > 0:
            raise UnmeasurableError("the features do not change with the inputs, so the score has no logarithm")
        scores.append(math.log(checked_number(distance, "the change of the features")) + restored)
    return checked_number(sum(scores) / draws, "the Zen score")


def _draw(module: nn.Module, random: torch.Generator) -> None:
    for name, each in module.named_parameters():
        if each.ndim > 1:
            each.copy_(gaussian(each.shape, random, each))
        else:
            each.fill_(0.0 if name.rpartition(".")[2].endswith("bias") else 1.0)


def _main(module: Residual, signal: Tensor) -> Tensor:
    branch: Tensor = module.main(signal.clone())
    return branch


class _Features:
    """The features: what enters the last global pool of a network, else its last weight layer."""

    def __init__(self, function: Measurable, module: nn.Module, statistics: "_Statistics") -> None:
        self._function, self._statistics = function, statistics
        self._layers = 0
        self._last = dict[str, tuple[Tensor, float]]()
        for each in module.modules():
            if isinstance(each, LAYERS):
                each.register_forward_pre_hook(partial(self._enter, "layer"))
            elif _is_global(each):
                each.register_forward_pre_hook(partial(self._enter, "pool"))

    def _enter(self, kind: str, _: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._layers += kind == "layer"
        self._last[kind] = arguments[0], sum(self._statistics.logs)

    def __call__(self, inputs: Tensor) -> tuple[Tensor, float]:
        """(points, ...), and the logarithm of the scale that batch norms took from them. Raises UnmeasurableError."""
        self._layers = 0
        self._last.clear()
        self._statistics.logs.clear()
        self._function(inputs)
        if self._layers < 2:
            raise UnmeasurableError(f"features are what lies between weight layers, the network has {self._layers}")
        return self._last.get("pool", self._last["layer"])


def _is_global(module: nn.Module) -> bool:
    """Whether it is an average over all positions."""
    sizes = getattr(module, "output_size", None)
    return isinstance(module, ADAPTIVE) and all(each == 1 for each in (sizes if isinstance(sizes, tuple) else (sizes,)))


class _Statistics(BatchNorms):
    """Every batch norm uses the batch's own statistics, gain 1 and bias 0, and the log of its scale is kept."""

    bare = True

    def __init__(self) -> None:
        super().__init__()
        self.logs: list[float] = []

    def statistics(self, signal: Tensor, dimensions: list[int]) -> tuple[Tensor, Tensor]:
        """The batch's own."""
        variance, mean = torch.var_mean(signal, dimensions, correction=0)
        self.logs.append(float(variance.mean().log()) / 2)
        return variance, mean

    def normalized(self, signal: Tensor) -> Tensor:
        """By torch's batch norm, which asks for the statistics in turn."""
        return nn.functional.batch_norm(signal, None, None, training=True, eps=EPSILON)
