"""The matrix products of an epoch and nothing else, by the faster of two libraries.

Per training minibatch and layer: the forward product, the weight gradient, and the delta of the layer below (which the
first layer does not need); per validation minibatch the forward products. No bias, normalization, activation, loss or
update, and the projection of skip connections is left out. A population trainer on a CPU can come near this rate,
never above. (On a GPU it may go above where products are small: it launches them as one CUDA graph, here each is
launched alone.)
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from distnlc.bench.cells import BATCH_SIZE, Job
from distnlc.bench.machine import seconds

Minibatch = Callable[[bool], None]
"""computes the products of one minibatch for all members; the flag: it is one of the training part"""


def by_torch(job: Job) -> Minibatch:
    """All members at once, layer by layer."""

    def array(*shape: int) -> torch.Tensor:
        return torch.randn(len(job.rates), *shape).to(job.rates)

    return _minibatch(job.network.layered.widths, 1, torch.bmm, array)


def by_numpy(job: Job) -> Minibatch:
    """One member after the other, so that its signals stay in the cache."""
    random = np.random.default_rng(0)
    return _minibatch(
        job.network.layered.widths, len(job.rates), np.matmul, lambda *shape: random.standard_normal(shape)
    )


def _minibatch(widths: list[int], members: int, multiply: Any, array: Callable[..., Any]) -> Minibatch:
    """`multiply(a, b, out=c)` over layers of these widths; `array` gives a random one of a shape."""
    signals, deltas = ([array(width, BATCH_SIZE) for width in widths] for _ in range(2))
    gradients = [array(d_out, d_in) for d_in, d_out in pairwise(widths)]
    calls: list[tuple[list[Any], list[Any]]] = []
    for _ in range(members):
        weights = [array(d_out, d_in) / d_in**0.5 for d_in, d_out in pairwise(widths)]
        forward = [
            partial(multiply, each, signals[layer], out=signals[layer + 1]) for layer, each in enumerate(weights)
        ]
        backward = []
        for layer in reversed(range(len(weights))):
            backward.append(partial(multiply, deltas[layer + 1], signals[layer].mT, out=gradients[layer]))
            if layer > 0:
                backward.append(partial(multiply, weights[layer].mT, deltas[layer + 1], out=deltas[layer]))
        calls.append((forward, backward))

    def minibatch(training: bool) -> None:
        for forward, backward in calls:
            for call in (*forward, *backward) if training else forward:
                call()

    return minibatch


def products(job: Job) -> Callable[[], None]:
    """The products of an epoch; each library is tried on three minibatches after one to warm up."""
    device = job.rates.device.type

    def cost_s(minibatch: Minibatch) -> float:
        minibatch(True)
        return min(seconds(partial(minibatch, True), device) for _ in range(3))

    minibatch = min([by_torch(job), by_numpy(job)] if device == "cpu" else [by_torch(job)], key=cost_s)
    return partial(epoch, job, minibatch)


def epoch(job: Job, minibatch: Minibatch) -> None:
    """All minibatches of the training part, then of the validation part."""
    for training, count in zip((True, False), job.batches, strict=True):
        for _ in range(count):
            minibatch(training)
