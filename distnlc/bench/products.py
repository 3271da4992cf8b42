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

Products = Callable[[], Any]
"""Computes one product, or those of one epoch of all members."""
Array = NDArray[np.float64]
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112  # CBLAS's numbers


def flops(widths: list[int], train_batches: int, validation_batches: int) -> int:
    """Floating-point operations (a multiplication and an addition count as two) of one run's epoch."""
    sizes = [d_in * d_out for d_in, d_out in pairwise(widths)]
    training, validation = 3 * sum(sizes) - sizes[0], sum(sizes)
    return 2 * BATCH_SIZE * (train_batches * training + validation_batches * validation)


def torch_bmm(job: Job) -> Products:
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

    return _epoch(job, minibatch)


def torch_bmm_graph(job: Job) -> Products:
    """The same as one CUDA graph, so that nothing waits for the host."""
    epoch = torch_bmm(job)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # libraries allocate their workspaces before the capture
        epoch()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        epoch()
    replay: Products = graph.replay
    return replay


def numpy_matmul(job: Job) -> Products:
    """numpy.matmul, one member after the other."""
    return _by_member(job, lambda a, b, out: partial(np.matmul, a, b, out=out))


def openblas(job: Job) -> Products:
    """The BLAS of the native program, one member after the other. Raises NoLibrary."""
    dgemm = native_library.openblas().scipy_cblas_dgemm
    one, zero = ctypes.c_double(1), ctypes.c_double(0)

    def product(a: Array, b: Array, out: Array) -> Products:
        # data_as keeps the array alive; of a matrix's two strides one is that of neighbours
        pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in (a, b, out)]
        leading = [max(each.strides) // each.itemsize for each in (a, b, out)]
        orders = [PLAIN if each.flags.c_contiguous else TRANSPOSED for each in (a, b)]
        sizes = len(a), b.shape[1], len(b)
        inputs = pointers[0], leading[0], pointers[1], leading[1]
        return partial(dgemm, ROW_MAJOR, *orders, *sizes, one, *inputs, zero, pointers[2], leading[2])

    return _by_member(job, product)


def _by_member(job: Job, product: Callable[[Array, Array, Array], Products]) -> Products:
    """One member's minibatch after the other's, so that its signals stay in the cache; `product(a, b, out)` makes the
    function that computes `out = a b`."""
    widths, rng = job.start.architecture.widths, np.random.default_rng(0)
    gradients = [np.empty((d_out, d_in)) for d_in, d_out in pairwise(widths)]
    signals = [rng.standard_normal((width, BATCH_SIZE)) for width in widths]
    deltas = [rng.standard_normal(signal.shape) for signal in signals]
    forward: list[list[Products]] = []
    backward: list[list[Products]] = []
    for _ in job.rates:
        weights = [rng.standard_normal(each.shape) / each.shape[1] ** 0.5 for each in gradients]
        forward.append([product(each, signals[layer], signals[layer + 1]) for layer, each in enumerate(weights)])
        backward.append([])
        for layer in reversed(range(len(weights))):
            backward[-1].append(product(deltas[layer + 1], signals[layer].T, gradients[layer]))
            if layer > 0:
                backward[-1].append(product(weights[layer].T, deltas[layer + 1], deltas[layer]))

    def minibatch(training: bool) -> None:
        for forward_calls, backward_calls in zip(forward, backward, strict=True):
            for call in forward_calls:
                call()
            for call in backward_calls if training else ():
                call()

    return _epoch(job, minibatch)


def _epoch(job: Job, minibatch: Callable[[bool], None]) -> Products:
    """`minibatch` takes whether it is one of the training part."""
    train_batches, validation_batches = job.batches

    def epoch() -> None:
        for _ in range(train_batches):
            minibatch(True)
        for _ in range(validation_batches):
            minibatch(False)

    return epoch


ROUTES: dict[str, list[Callable[[Job], Products]]] = {
    "cpu": [torch_bmm, numpy_matmul, openblas],
    "cuda": [torch_bmm, torch_bmm_graph],
}
"""device -> ways to compute the products; the fastest counts"""


def fastest(job: Job) -> tuple[Products, str]:
    """The fastest way on the job's device, and its name; each is timed thrice after an epoch to warm up."""
    device = job.rates.device.type
    timings: list[tuple[float, str, Products]] = []
    for route in ROUTES[device]:
        try:
            epoch = route(job)
        except native_library.NoLibrary:
            continue
        epoch()
        timings.append((min(seconds(epoch, device) for _ in range(3)), route.__name__, epoch))
    _, name, epoch = min(timings, key=lambda timing: timing[0])
    return epoch, name
