"""One variant of one cell made ready and timed: in one single-threaded process per core, or in this process on a GPU.

On a CPU all processes of a variant work at the same time, as the workers of a study do, and their rates add up. A
process serves one variant of one cell, so that its memory can be told; it is forked from a server that has imported
torch already. On a GPU there is one population at a time, and the clock waits for the device.
"""

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from typing import Any

import torch

from distnlc.bench import variants
from distnlc.bench.cells import SHAPES, Cell, Job, make_job
from distnlc.bench.machine import environment, peak_bytes, seconds
from distnlc.bench.products import products
from distnlc.engine.executor import EngineError
from distnlc.files import CACHE_VARIABLE

VARIANTS = {"a": "population", "b": "plain loop", "c": "torch.func", "d": "products"}
SMALL = 1_000
"""parameters of the network that is trained first in every process: loads libraries, compiles what is compiled once"""
PRELOADED = ["distnlc.cli", __name__, "torch._dynamo"]
"""what the processes would import: the program, this file, and what torch imports for the first optimizer"""
PATIENCE_S = 300.0
"""after which a process that does not come to the barrier is given up"""


@dataclass(frozen=True)
class Prepared:
    """A variant in one process after its first epochs."""

    run_epochs: float
    """what one short epoch of all its runs is in whole epochs of one run"""
    epoch_s: float
    """one short epoch"""
    startup_s: float
    """once per process: the time that the first program of all took beyond that of the same once more"""
    program_s: float
    """once per architecture: the time of making its program and of its first epoch, less the second epoch"""
    memory_bytes: int | None
    """peak growth above the job's data and initial state; None for the products and where the system does not tell"""
    how: str
    """the products' fastest route; '' for the others"""


def prepare(cell: Cell, variant: str, device: str) -> tuple[Callable[[], Any], Prepared]:
    """One short epoch of the variant as a function, and what was measured while it was made."""
    first_s, again_s = (_small_program_s(cell, variant, device) for _ in range(2))
    job = make_job(cell, SHAPES[device], device)
    before = peak_bytes(device, restart=True)
    began = time.perf_counter()
    epoch, how = _make(variant, job)
    made_s = time.perf_counter() - began + seconds(epoch, device)
    epoch_s = seconds(epoch, device)
    peak = None if variant == "d" else peak_bytes(device)  # several ways were tried, each with its own arrays
    return epoch, Prepared(
        run_epochs=job.share * (1 if variant == "b" else len(job.rates)),
        epoch_s=epoch_s,
        startup_s=max(0.0, first_s - again_s),
        program_s=max(0.0, made_s - epoch_s),
        memory_bytes=None if before is None or peak is None else max(0, peak - before),
        how=how,
    )


def _small_program_s(cell: Cell, variant: str, device: str) -> float:
    """Making a program for a small network like the cell's, and an epoch of it."""
    job = make_job(replace(cell, depth=3, parameters=SMALL), SHAPES[device], device)

    def program_and_epoch() -> None:
        epoch, _ = _make(variant, job)
        epoch()

    return seconds(program_and_epoch, device)


def _make(variant: str, job: Job) -> tuple[Callable[[], Any], str]:
    """The variant's short epoch, and how it is done if there is a choice."""
    if variant == "d":
        return products(job)
    return {"a": variants.population, "b": variants.plain, "c": variants.stacked}[variant](job), ""


class LocalTeam:
    """The team of one on a GPU."""

    def __init__(self, cell: Cell, variant: str, device: str) -> None:
        self.device = device
        self.epoch, prepared = prepare(cell, variant, device)
        self.prepared = [prepared]

    def seconds(self, repeats: int) -> list[float]:
        return [_timed(self.epoch, repeats, self.device)]

    def close(self) -> None:
        """Lets go of the memory."""
        del self.epoch


class ProcessTeam:
    """One process per core. Raises EngineError if one of them dies."""

    def __init__(self, cell: Cell, variant: str, processes: int) -> None:
        context, self.processes = _context(), processes
        self.what = f"the {VARIANTS[variant]} of cell {cell}"
        self.pool = ProcessPoolExecutor(processes, context, _serve, (cell, variant, context.Barrier(processes)))
        self.prepared: list[Prepared] = self._each(0)

    def seconds(self, repeats: int) -> list[float]:
        """Each process's time for so many short epochs, begun together."""
        return self._each(repeats)

    def _each(self, repeats: int) -> list[Any]:
        """The answer of each process: the barrier keeps any of them from answering twice."""
        try:
            return list(self.pool.map(_answer, [repeats] * self.processes))
        except BrokenProcessPool:
            raise EngineError(
                f"a process that measured {self.what} died, as when memory is too short; its own words stand above"
            ) from None

    def close(self) -> None:
        """Ends the processes."""
        self.pool.shutdown(cancel_futures=True)


_served: list[Any] = []
"""in a process of a team: the barrier where it meets the others, its short epoch, what was measured of that"""


def _serve(cell: Cell, variant: str, barrier: Barrier) -> None:
    """Begins the life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business, which ends this one
    torch.set_num_threads(1)
    _served.extend((barrier, *prepare(cell, variant, "cpu")))


def _answer(repeats: int) -> Any:
    """Seconds of so many epochs; for none, what is known of the process."""
    barrier, epoch, prepared = _served
    barrier.wait(PATIENCE_S)
    return _timed(epoch, repeats, "cpu") if repeats else prepared


def _timed(epoch: Callable[[], Any], repeats: int, device: str) -> float:
    """Seconds of so many epochs."""
    return seconds(lambda: [epoch() for _ in range(repeats)], device)


def compilation_s() -> float:
    """Seconds that the first program of all takes on a CPU whose cache holds nothing compiled."""
    with tempfile.TemporaryDirectory() as cache, ProcessPoolExecutor(1, _context()) as process:
        try:
            return process.submit(_compile, cache).result()
        except BrokenProcessPool:
            raise EngineError("the process that compiled died; its own words stand above") from None


def _compile(cache: str) -> float:
    os.environ[CACHE_VARIABLE] = cache
    first_s, again_s = (_small_program_s(Cell(0, 3, SMALL, "batch", skips=False), "a", "cpu") for _ in range(2))
    return first_s - again_s


def _context() -> ForkServerContext:
    """Processes of one thread, forked from a server that has imported what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with environment(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):  # read once, by the server
        forkserver.ensure_running()
    return context
