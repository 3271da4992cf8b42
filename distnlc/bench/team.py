"""Short epochs of the four variants, timed in processes of one thread: one per core, or one alone on a GPU.

All processes do the same at the same time, as the workers of a study do, and their rates add up.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing.synchronize import Barrier
from typing import Any

import torch

from distnlc.bench.cells import SHAPES, Cell, make_job
from distnlc.bench.machine import environment, seconds
from distnlc.bench.products import products
from distnlc.bench.variants import plain, population, stacked
from distnlc.engine.executor import EngineError

VARIANTS: dict[str, Callable[..., Callable[[], Any]]] = {
    "population": population,
    "plain loop": plain,
    "torch.func": stacked,
    "products": products,
}
TARGET_S = 0.3
"""of one measurement, which is as many short epochs as come nearest to it, at least one"""
PATIENCE_S = 300.0
"""after which a process that does not come to the barrier, or does not answer, is given up"""
Team = Callable[..., list[Any]]
"""(work, arguments...) -> the results of all processes, which begin it together. Raises EngineError if one fails"""


@contextmanager
def team(processes: int) -> Iterator[Team]:
    """Processes that live as long as the context."""
    context = multiprocessing.get_context("spawn")
    with (
        environment(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),  # read when they start
        ProcessPoolExecutor(processes, context, _begin, (context.Barrier(processes),)) as pool,
    ):

        def together(work: Callable[..., Any], *arguments: Any) -> list[Any]:
            futures = [pool.submit(_begin_together, work, *arguments) for _ in range(processes)]
            try:
                return [future.result(PATIENCE_S) for future in futures]
            except Exception as error:
                raise EngineError(
                    f"a process that measured {arguments} failed ({type(error).__name__}: {error})"
                ) from error

        yield together


_barrier: list[Barrier] = []
"""in a process of a team: where it meets the others"""


def _begin(barrier: Barrier) -> None:
    """Begins the life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business, which ends this one
    torch.set_num_threads(1)
    _barrier.append(barrier)


def _begin_together(work: Callable[..., Any], *arguments: Any) -> Any:
    """The barrier also keeps any process from answering twice."""
    _barrier[0].wait(PATIENCE_S)
    return work(*arguments)


def make_ready(cell: Cell, device: str) -> None:
    """Makes the variants of a cell in this process."""
    _ready(cell, device)


def rate(cell: Cell, device: str, variant: str) -> float:
    """Run-epochs per second of one variant in this process; it was made ready before."""
    epoch, run_epochs, repeats = _ready(cell, device)[variant]
    return repeats * run_epochs / seconds(lambda: [epoch() for _ in range(repeats)], device)


@lru_cache(maxsize=1)
def _ready(cell: Cell, device: str) -> dict[str, tuple[Callable[[], Any], float, int]]:
    """Variant -> its short epoch, how many run-epochs of the dataset's size that is, and how often to repeat it."""
    job = make_job(cell, SHAPES[device], device)
    found = {}
    for variant, make in VARIANTS.items():
        epoch, runs = make(job), 1 if variant == "plain loop" else len(job.rates)
        epoch()  # whatever is compiled or captured once
        found[variant] = epoch, runs * job.share, max(1, round(TARGET_S / seconds(epoch, device)))
    return found
