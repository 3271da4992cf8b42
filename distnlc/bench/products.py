"""(d) of the training benchmark: the matrix products of an epoch and nothing else, by the fastest way there is here.

Per training minibatch and layer: the forward product, the weight gradient, and the delta of the layer below (which the
first layer does not need); per validation minibatch the forward products. No bias, normalization, activation, loss or
update, and the projection of skip connections is left out. A population trainer can come near this rate, never above.
To consider one more library, add a function to ROUTES.
"""

import ctypes
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distnlc.bench.cells import BATCH_SIZE, Job
from distnlc.bench.machine import seconds
from distnlc.training import native_library

Minibatch = Callable[[bool], None]
"""computes the products of one minibatch for all members; the flag: it is one of the training part"""
Call = Callable[[], Any]
Array = NDArray[np.float64]
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112  # CBLAS's numbers


def flops(widths: list[int], train_batches: int, validation_batches: int) -> int:
    """Floating-point operations (a multiplication and an addition count as two) of one run's epoch."""
    sizes = [d_in * d_out for d_in, d_out in pairwise(widths)]
    training, validation = 3 * sum(sizes) - sizes[0], sum(sizes)
    return 2 * BATCH_SIZE * (train_batches * training + validation_batches * validation)


def torch_bmm(job: Job) -> Minibatch:
    """torch.bmm over all members, layer by layer."""
    widths, like = job.start.architecture.widths, job.rates
    members = len(like)
    weights = [torch.randn(members, d_out, d_in).to(like) / d_in**0.5 for d_in, d_out in pairwise(widths)]
    gradients = [torch.empty_like(weight) for weight in weights]
    signals = [torch.randn(members, width, BATCH_SIZE).to(like) for width in widths]
    signals[0] = signals[0][:1].expand(members, -1, -1)  # all members see the same inputs
    deltas = [torch.randn_like(signal) for signal in signals]

    def minibatch(training: bool) -> None:
        for layer, weight in enumerate(weights):
            torch.bmm(weight, signals[layer], out=signals[layer + 1])
        for layer in reversed(range(len(weights) if training else 0)):
            torch.bmm(deltas[layer + 1], signals[layer].mT, out=gradients[layer])
            if layer > 0:
                torch.bmm(weights[layer].mT, deltas[layer + 1], out=deltas[layer])

    return minibatch


def torch_bmm_graph(job: Job) -> Minibatch:
    """The same as CUDA graphs, so that nothing waits for the host."""
    minibatch = torch_bmm(job)
    graphs = {training: torch.cuda.CUDAGraph() for training in (True, False)}
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        minibatch(True)  # libraries allocate their workspaces before the capture
    torch.cuda.current_stream().wait_stream(stream)
    for training, graph in graphs.items():
        with torch.cuda.graph(graph):
            minibatch(training)
    return lambda training: graphs[training].replay()


def openblas(job: Job) -> Minibatch:
    """The BLAS of the native program, one member after the other, so that its signals stay in the cache.

    Raises NoLibrary.
    """
    product, widths, rng = blas_product(), job.start.architecture.widths, np.random.default_rng(0)
    gradients = [np.empty((d_out, d_in)) for d_in, d_out in pairwise(widths)]
    signals = [rng.standard_normal((width, BATCH_SIZE)) for width in widths]
    deltas = [rng.standard_normal(signal.shape) for signal in signals]
    members: list[tuple[list[Call], list[Call]]] = []
    for _ in job.rates:
        weights = [rng.standard_normal(each.shape) / each.shape[1] ** 0.5 for each in gradients]
        forward = [product(each, signals[layer], signals[layer + 1]) for layer, each in enumerate(weights)]
        backward: list[Call] = []
        for layer in reversed(range(len(weights))):
            backward.append(product(deltas[layer + 1], signals[layer].T, gradients[layer]))
            if layer > 0:
                backward.append(product(weights[layer].T, deltas[layer + 1], deltas[layer]))
        members.append((forward, backward))

    def minibatch(training: bool) -> None:
        for forward, backward in members:
            for call in (*forward, *backward) if training else forward:
                call()

    return minibatch


def blas_product() -> Callable[[Array, Array, Array], Call]:
    """A function (a, b, out) that prepares the call `out = a b`; a and b may be transposed views. Raises NoLibrary."""
    dgemm = native_library.openblas().scipy_cblas_dgemm
    one, zero = ctypes.c_double(1), ctypes.c_double(0)

    def product(a: Array, b: Array, out: Array) -> Call:
        # data_as keeps the array alive; of a matrix's two strides one is that of neighbours
        pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in (a, b, out)]
        leading = [max(each.strides) // each.itemsize for each in (a, b, out)]
        orders = [PLAIN if each.flags.c_contiguous else TRANSPOSED for each in (a, b)]
        inputs = pointers[0], leading[0], pointers[1], leading[1]
        return partial(
            dgemm, ROW_MAJOR, *orders, len(a), b.shape[1], len(b), one, *inputs, zero, pointers[2], leading[2]
        )

    return product


ROUTES: dict[str, list[Callable[[Job], Minibatch]]] = {
    "cpu": [torch_bmm, openblas],
    "cuda": [torch_bmm, torch_bmm_graph],
}
"""device -> ways to compute the products; the fastest counts"""


def products(job: Job) -> tuple[Callable[[], None], str]:
    """The products of an epoch by the fastest way on the job's device, and that way's name; each is tried on three
    minibatches after one to warm up."""
    device = job.rates.device.type
    timings: list[tuple[float, str, Minibatch]] = []
    for route in ROUTES[device]:
        try:
            minibatch = route(job)
        except native_library.NoLibrary:
            continue
        minibatch(True)
        timings.append((min(seconds(partial(minibatch, True), device) for _ in range(3)), route.__name__, minibatch))
    _, name, fastest = min(timings, key=lambda timing: timing[0])
    return partial(epoch, job, fastest), name


def epoch(job: Job, minibatch: Minibatch) -> None:
    """All minibatches of the training part, then of the validation part."""
    for training, count in zip((True, False), job.batches, strict=True):
        for _ in range(count):
            minibatch(training)
