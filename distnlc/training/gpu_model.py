"""The time that a GPU takes for a step of the fused program, by a model. It is an estimate: nobody has measured it.

In: a layered network, how it is trained, members, the ceilings of a GPU. Out: the launches of a training step and of a
counting step, and their seconds. A launch takes the longest of three: the least time of a kernel in a graph; its bytes
at the memory's rate, or the cache's where all of them fit; its product, tile by tile on all processors at a share of
the peak, for the best of some tile sizes, whose operands come from the cache. Rows and minibatches are padded to 16
numbers, as the program pads them.

What several processes make of one GPU (`together`) is a closed queue: each takes turns between work that fills the GPU
and gaps that do not, and the gaps of one are filled by the work of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distnlc.networks.layered import Layered
from distnlc.training.fused_layout import aligned
from distnlc.training.spec import StepSpec

CACHE_SHARE = 0.8
"""of a cache that a launch's numbers may take and still be found there"""
TILES = ((128, 128), (128, 64), (64, 128), (64, 64), (64, 32), (32, 64), (32, 32))
"""rows and columns that one processor computes at a time"""
PROLOGUE = 32
"""steps of the inner dimension that a tile waits for its first numbers"""
READ_AGAIN = {"layer", "length"}
"""normalizations whose kernels go over a datapoint's neurons more than once: again from the cache, counted as once"""
UPDATED = {"sgd": 3, "momentum": 5, "adam": 7, "adam-tf1": 7, "rmsprop-tf1": 5}
"""numbers that the update of a parameter reads and writes: gradient, parameter, averages"""
COUNTED = {"adam", "adam-tf1"}
"""optimizers that know how many updates there were"""
ESTIMATED = "estimated by a model; nobody has measured it"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ceilings:
    """What a GPU can do at most."""

    name: str
    kernel_s: float
    """from one kernel of a graph to the next, where neither has work"""
    launch_s: float
    """the same where the host starts each"""
    memory_bytes_s: float
    cache_bytes_s: float
    cache_bytes: float
    """that a launch may touch and still find in the cache"""
    product_flops_s: float
    """of a large matrix product in the study's dtype"""
    processors: int
    """streaming multiprocessors"""
    share: float = 0.8
    """of the peak that the products of narrow layers reach when all processors have tiles"""


H200 = Ceilings(
    "NVIDIA H200",
    kernel_s=2.5e-6,
    launch_s=6.5e-6,
    memory_bytes_s=4.1e12,  # 4.8 in its data sheet
    cache_bytes_s=6.5e12,
    cache_bytes=CACHE_SHARE * 50e6,
    product_flops_s=67e12,
    processors=132,
)
"""peak and processors from its data sheet, the others as usual on its kind. No data sheet gives the rate of a cache, so
that other GPUs have no figures here; they are measured where there is one (gpu_ceilings.py)"""


@dataclass(frozen=True)
class Launch:
    """One kernel of a step, for any number of members."""

    what: str
    numbers: int
    """read and written for each member"""
    shared: int = 0
    """read and written once for all members"""
    product: tuple[int, int, int] | None = None
    """rows, columns and inner dimension of each member's matrix product"""


def train_step(network: Layered, spec: StepSpec) -> list[Launch]:
    """The launches of one training step, whose minibatch is the same for all members."""
    batch = aligned(spec.batch_size)
    in_place = spec.optimizer == "sgd" and not spec.weight_decay
    found = [_gather(network, batch), *_forward(network, batch, training=True)]
    found.append(Launch("loss", 2 * network.d_out * batch, batch))
    for number in range(network.depth, 0, -1):
        layer, (d_out, d_in, _) = network.layers[number - 1], network.sizes[number - 1]
        found += _backward_kernel(network, number, batch)
        ending = network.ending_in(number)
        if ending and ending.matrix:
            begun = network.widths[ending.start]
            found.append(_product("carried delta", begun, batch, d_out, first=d_out * begun, second=d_out * batch))
        if number > 1:
            weights = layer.width * aligned(d_in + 1)
            found.append(_product("delta below", d_in, batch, d_out, first=weights, second=d_out * batch))
        below, shared = (0, (d_in + 1) * batch) if number == 1 else ((d_in + 1) * batch, 0)
        moved = d_out * aligned(d_in + 1) * (2 if in_place else 1)
        found.append(Launch("weights", moved + d_out * batch + below, shared, (d_out, d_in + 1, spec.batch_size)))
    if not in_place:
        numbers = sum(d_out * aligned(d_in + 1) for d_out, d_in, _ in network.sizes)
        found.append(Launch("update", UPDATED[spec.optimizer] * numbers))
        found += [Launch("updates counted", 2)] * (spec.optimizer in COUNTED)
    return [*found, Launch("counter", 0, 2)]


def count_step(network: Layered, spec: StepSpec) -> list[Launch]:
    """The launches that count the errors of one minibatch."""
    batch = aligned(spec.batch_size)
    return [
        _gather(network, batch),
        *_forward(network, batch, training=False),
        Launch("count", network.d_out * batch, batch),
        Launch("counter", 0, 2),
    ]


def _gather(network: Layered, batch: int) -> Launch:
    return Launch("gather", 0, 2 * (network.d_in + 1) * batch)


def _forward(network: Layered, batch: int, *, training: bool) -> list[Launch]:
    """Per layer a product, that of the matrix of a skip connection, and the kernel of everything else."""
    found = []
    for number, layer in enumerate(network.layers, start=1):
        d_out, d_in, _ = network.sizes[number - 1]
        below, shared = (0, (d_in + 1) * batch) if number == 1 else ((d_in + 1) * batch, 0)
        numbers = d_out * aligned(d_in + 1) + below + d_out * batch
        found.append(Launch("forward", numbers, shared, (d_out, batch, d_in + 1)))
        ending, begins = network.ending_in(number), network.beginning_in(number) is not None
        if ending and ending.matrix:
            begun = network.widths[ending.start]
            found.append(_product("carried", d_out, batch, begun, first=d_out * begun, second=begun * batch))
        if _has_kernel(network, number):
            ends, normalized = ending is not None, layer.normalization != "none"
            signals = 2 + ends + begins + (training and (ends or normalized)) + (layer.normalization in READ_AGAIN)
            found.append(Launch("normalization and activation", signals * d_out * batch))
    return found


def _backward_kernel(network: Layered, number: int, batch: int) -> list[Launch]:
    """Slope, normalization and what skip connections carry, unless the layer has none of these."""
    if not _has_kernel(network, number):
        return []
    layer = network.layers[number - 1]
    signals = 3 + (network.ending_in(number) is not None) + (network.beginning_in(number) is not None)
    return [Launch("slope and normalization", (signals + (layer.normalization in READ_AGAIN)) * layer.width * batch)]


def _has_kernel(network: Layered, number: int) -> bool:
    """Whether a layer is more than its product."""
    layer, skips = network.layers[number - 1], (network.ending_in(number), network.beginning_in(number))
    return layer.activation is not None or layer.normalization != "none" or any(skips)


def _product(what: str, rows: int, columns: int, inner: int, *, first: int, second: int) -> Launch:
    return Launch(what, first + second + rows * columns, 0, (rows, columns, inner))


@dataclass(frozen=True)
class Taken:
    """Seconds on a GPU, one for each of several numbers of members."""

    graph_s: Floats
    """from the first launch to the end of the last"""
    busy_s: Floats
    """in which the work would fill the whole GPU; the rest are gaps that another process may use"""
    launches: int


def step_seconds(launches: Sequence[Launch], members: Sequence[int], gpu: Ceilings, number_bytes: int = 8) -> Taken:
    """The seconds of the launches, one after the other, for each of these numbers of members."""
    count = np.asarray(members, dtype=np.float64)[:, None]
    numbers, shared = (np.array([getattr(each, name) for each in launches], float) for name in ("numbers", "shared"))
    touched = (count * numbers + shared) * number_bytes
    moved_s = touched / np.where(touched <= gpu.cache_bytes, gpu.cache_bytes_s, gpu.memory_bytes_s)
    rows, columns, inner = np.array([each.product or (0, 0, 0) for each in launches], float).T
    taken_s, busy_s = np.full_like(moved_s, np.inf), moved_s
    for tall, wide in TILES:
        tiles = count * np.ceil(rows / tall) * np.ceil(columns / wide)
        operands_s = tiles * (tall + wide) * inner * number_bytes / gpu.cache_bytes_s
        tile_s = 2 * tall * wide * (inner + PROLOGUE) * gpu.processors / (gpu.product_flops_s * gpu.share)
        tiled_s = np.maximum(operands_s, np.ceil(tiles / gpu.processors) * tile_s)
        filled_s = np.maximum(operands_s, tiles / gpu.processors * tile_s)
        busy_s = np.where(tiled_s < taken_s, np.maximum(filled_s, moved_s), busy_s)
        taken_s = np.minimum(taken_s, tiled_s)
    taken_s = np.maximum(np.maximum(taken_s, moved_s), gpu.kernel_s)
    return Taken(taken_s.sum(1), np.minimum(busy_s, taken_s).sum(1), len(launches))


def together(processes: int, *, alone_s: float, filling_s: float) -> float:
    """The seconds a unit when so many processes share a GPU, each of whose units takes `alone_s` alone, of which
    `filling_s` keep the others off the GPU (mean value analysis of a closed queue).

    With MPS kernels of several processes run side by side, and `filling_s` is the time in which the work fills the GPU;
    without, they take turns, and it is all the time in graphs.
    """
    waiting, unit_s = 0.0, alone_s
    for count in range(1, processes + 1):
        answered_s = filling_s * (1 + waiting)
        unit_s = (alone_s - filling_s + answered_s) / count
        waiting = answered_s / unit_s
    return unit_s
