"""What `distnlc bench moments` measures: FC3-64 of the study beside a plain loop and beside its bare matrix products.

The plain loop draws its weights by torch.randn and does one simulation at a time on all cores; it measures the same, in
the same way. The study does one simulation in each of as many processes of one thread as there are cores.
"""

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from statistics import median
from typing import Any

import torch
from torch import Tensor

from distnlc.metrics.effective_rank import effective_rank
from distnlc.metrics.gaussians import Gaussians
from distnlc.studies import resolve
from distnlc.studies.moments.simulation import propagated, simulate, start
from distnlc.studies.moments.spec import Spec
from distnlc.versions import cores

REPETITIONS = 5


class TorchRandn(Gaussians):
    """The numbers that a plain loop would draw."""

    def draw(self, *shape: int, deviation: float = 1.0) -> Tensor:
        return torch.randn(shape) * deviation


def measure() -> dict[str, Any]:
    """Seconds, shares and ratios: medians of REPETITIONS in turn."""
    part, images = _part(), _images()
    count, before = cores(), torch.get_num_threads()
    found: dict[str, list[float]] = {"plain": [], "ours": [], "one": [], "product": [], "drawing": [], "randn": []}
    wide, both = torch.randn(part.width, part.width), torch.randn(2 * part.batch, part.width)
    gaussians = Gaussians(0)
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        _together(pool, count)  # starts the processes
        for _ in range(REPETITIONS):
            torch.set_num_threads(count)
            found["plain"].append(_seconds(lambda: _plain(part, images)))
            found["ours"].append(_seconds(lambda: _together(pool, count)) / count)
            torch.set_num_threads(1)
            found["one"].append(_seconds(lambda: simulate(part, images, 0)))
            found["product"].append(_seconds(lambda: [both @ wide for _ in range(part.depth)]))
            found["drawing"].append(
                _seconds(lambda: [gaussians.draw(part.width, part.width) for _ in range(part.depth)])
            )
            found["randn"].append(_seconds(lambda: [torch.randn(part.width, part.width) for _ in range(part.depth)]))
        peak_mb = max(pool.map(_peak_mb, range(count)))
    features = torch.randn(4 * part.width, part.width)
    rank_s = median(_seconds(lambda: effective_rank(features)) for _ in range(REPETITIONS))
    svd_s = median(_seconds(lambda: _svd(features)) for _ in range(REPETITIONS))
    torch.set_num_threads(before)
    taken = {name: median(each) for name, each in found.items()}
    return {
        "s per simulation": {
            f"plain loop, {count} threads": taken["plain"],
            f"study, {count} processes": taken["ours"],
            "study, one process": taken["one"],
        },
        "plain loop / study": taken["plain"] / taken["ours"],
        "share of matrix products": taken["product"] / taken["one"],
        "share of drawing weights": taken["drawing"] / taken["one"],
        "torch.randn / drawing weights": taken["randn"] / taken["drawing"],
        "SVD / effective rank, 2048 x 512": svd_s / rank_s,
        "MB of a process": peak_mb,
    }


def _part() -> Spec:
    part = resolve("moments-quick").part("FC3-64")
    assert isinstance(part, Spec)
    return part


@cache
def _images() -> Tensor:
    return torch.randn(1000, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@torch.inference_mode()
def _plain(part: Spec, images: Tensor) -> None:
    both, grid, _ = start(part, images, 0, "cpu")
    list(propagated(part, both, grid, TorchRandn(0)))


def _together(pool: ProcessPoolExecutor, count: int) -> None:
    """A simulation in each process."""
    list(pool.map(_one, range(count)))


def _one(seed: int) -> None:
    torch.set_num_threads(1)
    simulate(_part(), _images(), seed)


def _peak_mb(_: int) -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _svd(features: Tensor) -> float:
    _, values, _ = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    return float(values.square().sum() / values[0].square())
