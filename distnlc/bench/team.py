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
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from typing import Any, Protocol

import torch

from distnlc.bench import variants
from distnlc.bench.cells import SHAPES, Cell, Job, make_job
from distnlc.bench.machine import THREADS, peak_bytes, seconds
from distnlc.bench.products import products
from distnlc.engine.executor import EngineError
from distnlc.files import CACHE_VARIABLE

VARIANTS = {"a": "population", "b": "plain loop", "c": "torch.func", "d": "products"}
SMALL = 1_000
"""parameters of the network that is trained first in every process: loads libraries, compiles what is compiled once"""
PRELOADED = ["distnlc.cli", __name__, "torch._dynamo"]
"""what the processes would import: the program, this file, and what torch imports for the first optimizer"""
PATIENCE_S = 60.0
"""after which a process that does not come to the barrier is given up"""


@dataclass(frozen=True)
class Prepared:
    """What is known of a variant in one process after its first epochs."""

    run_epochs: float
    """what one short epoch of all its runs is in whole epochs of one run"""
    epoch_s: float
    """one short epoch"""
    startup_s: float
    """once per process: what the first program of all took longer than the same once more"""
    program_s: float
    """once per architecture: what making its program and its first epoch took longer than the second epoch"""
    memory_bytes: int | None
    """peak growth above the job's data and initial state; None for the products and where the system does not tell"""
    how: str
    """the products' fastest route; '' for the others"""


class Team(Protocol):
    """One variant of one cell in one process or several."""

    @property
    def prepared(self) -> list[Prepared]:
        """By process."""

    def seconds(self, repeats: int) -> list[float]:
        """By process: the time of so many short epochs, begun together."""

    def close(self) -> None:
        """Lets go of processes and memory."""


def make_team(cell: Cell, variant: str, device: str, processes: int) -> Team:
    """Prepares a variant. Raises EngineError if one of its processes dies."""
    return _ProcessTeam(cell, variant, processes) if device == "cpu" else _LocalTeam(cell, variant, device)


def prepare(cell: Cell, variant: str, device: str) -> tuple[Callable[[], Any], Prepared]:
    """One short epoch of the variant as a function, and what was measured while it was made."""
    shape = SHAPES[device]
    first_s, again_s = (_small_program_s(cell, variant, device) for _ in range(2))
    job = make_job(cell, shape, device)
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
    make = {"a": variants.population, "b": variants.plain, "c": variants.stacked}[variant]
    return make(job), ""


def timed(epoch: Callable[[], Any], repeats: int, device: str) -> float:
    """Seconds that so many epochs take."""

    def epochs() -> None:
        for _ in range(repeats):
            epoch()

    return seconds(epochs, device)


def compilation_s() -> float:
    """What making the first program of all takes on a CPU whose cache holds nothing compiled."""
    with tempfile.TemporaryDirectory() as cache:
        here, there = _context().Pipe()
        process = _context().Process(target=_compile, args=(there, cache), daemon=True)
        process.start()
        there.close()
        try:
            seconds: float = here.recv()
        except EOFError:
            raise EngineError("the process that compiled died; its own words stand above") from None
        process.join()
    return seconds


def _compile(connection: Connection, cache: str) -> None:
    os.environ[CACHE_VARIABLE] = cache
    cell = Cell(0, 3, SMALL, "batch", skips=False)
    first_s, again_s = (_small_program_s(cell, "a", "cpu") for _ in range(2))
    connection.send(first_s - again_s)


def _context() -> ForkServerContext:
    """Processes of one thread, forked from a server that has imported what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    before = dict(os.environ)
    os.environ.update(THREADS)  # read once, by the server
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


class _LocalTeam:
    """The team of one on a GPU."""

    def __init__(self, cell: Cell, variant: str, device: str) -> None:
        self.device = device
        self.epoch, prepared = prepare(cell, variant, device)
        self.prepared = [prepared]

    def seconds(self, repeats: int) -> list[float]:
        return [timed(self.epoch, repeats, self.device)]

    def close(self) -> None:
        del self.epoch


class _ProcessTeam:
    """One process per core."""

    def __init__(self, cell: Cell, variant: str, processes: int) -> None:
        context = _context()
        self.what = f"{VARIANTS[variant]} of cell {cell}"
        self.connections: list[Connection] = []
        self.processes = []
        barrier = context.Barrier(processes)
        for _ in range(processes):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, barrier, cell, variant), daemon=True)
            process.start()
            there.close()
            self.connections.append(here)
            self.processes.append(process)
        self.prepared: list[Prepared] = self._receive()

    def seconds(self, repeats: int) -> list[float]:
        for connection in self.connections:
            connection.send(repeats)
        return self._receive()

    def _receive(self) -> list[Any]:
        try:
            return [connection.recv() for connection in self.connections]
        except EOFError:
            raise EngineError(
                f"a process that measured the {self.what} died, as when memory is too short; its own words stand above"
            ) from None

    def close(self) -> None:
        for process, connection in zip(self.processes, self.connections, strict=True):
            process.kill()
            process.join()
            connection.close()


def _serve(connection: Connection, barrier: Barrier, cell: Cell, variant: str) -> None:
    """The life of a process: prepare, say so, then measure whenever a number of repeats arrives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business, which kills this one
    torch.set_num_threads(1)
    epoch, prepared = prepare(cell, variant, "cpu")
    connection.send(prepared)
    while True:
        repeats = connection.recv()
        barrier.wait(PATIENCE_S)
        connection.send(timed(epoch, repeats, "cpu"))
