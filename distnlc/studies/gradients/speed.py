"""What `distnlc bench gradients` measures: networks of the paper's size beside a plain loop and their bare products.

The plain loop is the network as a torch module, one after another on all cores; autograd gives the gradient at every
operation, from which it computes the same coefficients. The study measures one network in each of as many processes of
one thread as there are cores.
"""

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from typing import Any

import torch
from torch import Tensor

from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.noise import measure as measure_network
from distnlc.studies.gradients.noise import points_of
from distnlc.studies.gradients.spec import Spec
from distnlc.versions import cores

REPETITIONS = 3
NETWORKS: dict[str, dict[str, Any]] = {
    "batch-tanh": {"normalization": "batch", "nonlinearity": "tanh", "linear_layers": 51},
    "layer-tanh": {"normalization": "layer", "nonlinearity": "tanh", "linear_layers": 51},
}


def measure() -> dict[str, Any]:
    """Seconds, shares and ratios: medians of REPETITIONS in turn, for 10,000 points and 51 linear layers."""
    before = torch.get_num_threads()
    with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:
        found = {name: _beside(Spec.parse({"kind": "gradients", **NETWORKS[name]}), pool) for name in NETWORKS}
    torch.set_num_threads(before)
    return found


def _beside(part: Spec, pool: ProcessPoolExecutor) -> dict[str, float]:
    """One network in each process, in one process, in the plain loop, and its products alone."""
    count = cores()
    taken: dict[str, list[float]] = {"plain": [], "ours": [], "one": [], "product": []}
    _together(pool, part)  # starts the processes, whose memory is still theirs alone
    for _ in range(REPETITIONS):
        torch.set_num_threads(count)
        taken["plain"].append(_seconds(lambda: plain(part, 0)))
        taken["ours"].append(_seconds(lambda: _together(pool, part)) / count)
        torch.set_num_threads(1)
        taken["one"].append(_seconds(lambda: measure_network(part, 0)))
        taken["product"].append(_products(part))
    each = {key: median(values) for key, values in taken.items()}
    return {
        f"s per network: plain loop, {count} threads": each["plain"],
        f"s per network: study, {count} processes": each["ours"],
        "s per network: study, one process": each["one"],
        "plain loop / study": each["plain"] / each["ours"],
        "share of matrix products": each["product"] / each["one"],
        "MB of a process": max(pool.map(_peak_mb, range(count))),
    }


def plain(part: Spec, seed: int) -> list[float]:
    """The coefficient at the inputs and behind every operation, by autograd."""
    layered = layered_of(part)
    inputs, labels = points_of(part, seed)
    places = [inputs.requires_grad_(), *_outputs(layered, MLP(layered, parameters_of(part, seed, layered)), inputs)]
    errors = (places[-1] * labels).sum(1)
    gradients = torch.autograd.grad(errors.sum(), places)
    size = float(errors.detach().square().mean().sqrt())
    return [
        _length(gradient) / gradient.shape[1] ** 0.5 * _length(place.detach()) / size
        for place, gradient in zip(places, gradients, strict=True)
    ]


def _outputs(layered: Layered, network: MLP, inputs: Tensor) -> list[Tensor]:
    """What every operation of a network without skip connections gives."""
    signal, found = inputs, list[Tensor]()
    for linear, layer in zip(network.linears, layered.layers, strict=True):
        found.append(signal := linear(signal))
        found.append(signal := network.normalize(signal, layer.normalization))
        if layer.activation is not None:
            found.append(signal := layer.activation(signal))
    return found


def _length(values: Tensor) -> float:
    return float(values.square().sum(1).mean().sqrt())


def _products(part: Spec) -> float:
    """The time of the bare products of one network, on one thread, in pieces that stay in the cache."""
    rows, layers = 500, part.linear_layers
    some, weight = torch.randn(rows, 100, dtype=torch.float64), torch.randn(100, 100, dtype=torch.float64)
    out = torch.empty_like(some)
    torch.mm(some, weight, out=out)
    times = 2 * layers * part.points // rows
    return _seconds(lambda: [torch.mm(some, weight, out=out) for _ in range(times)])


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _together(pool: ProcessPoolExecutor, part: Spec) -> None:
    """A network in each process."""
    list(pool.map(_one, [part] * cores(), range(cores())))


def _one(part: Spec, seed: int) -> None:
    torch.set_num_threads(1)
    measure_network(part, seed)


def _peak_mb(_: int) -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
