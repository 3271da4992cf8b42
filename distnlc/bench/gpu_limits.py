"""Pieces of the part `gpu` about limits: the memory over many populations, an error for lack of memory, and several
processes on one GPU."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch

from distnlc.bench.cells import Cell
from distnlc.bench.gpu_size import Size, Task, counting, job_of, training
from distnlc.bench.machine import environment, seconds
from distnlc.bench.team import team
from distnlc.training.programs import make_program
from distnlc.training.spec import TrainingSpec
from distnlc.training.trainer import train_population

GROWTH_BYTES = 64 * 2**20
"""that is no growth: pieces that an allocator keeps"""
MEASURED_S = 3.0
"""of one measurement of several processes"""
MPS = "nvidia-cuda-mps-control"
PIPES = "CUDA_MPS_PIPE_DIRECTORY"


def memory(task: Task) -> Iterator[dict[str, Any]]:
    """Populations one after the other, of other networks each time, whose members leave: the bytes that the process
    holds of the GPU after each."""
    size, used = task.size, list[int]()
    for number in range(size.populations):
        if task.left_s < 0:
            break
        cell = Cell(number, (3, 5, 15)[number % 3], size.few_parameters, ("none", "batch", "layer")[number % 3], False)
        job = job_of(cell, size.little, size.little.population)
        spec = TrainingSpec(first_patience=1, patience=1, divisions=1, epochs=4)
        train_population(job.start, job.data, [1e-3 * 3.0**-index for index in range(len(job.rates))], spec)
        torch.cuda.synchronize()
        free, whole = torch.cuda.mem_get_info()
        used.append(whole - free)
        grown = used[-1] - used[2 * len(used) // 3]  # the first ones load code
        wrong = [f"the memory in use has grown by {grown / 2**20:.0f} MiB"] if grown > GROWTH_BYTES else []
        yield {"used bytes": list(used), "reserved bytes": torch.cuda.memory_reserved(), "grown": grown, "wrong": wrong}


def out_of_memory(task: Task) -> Iterator[dict[str, Any]]:
    """A population that no memory holds is refused with torch's own error, and the next one is trained."""
    size = task.size
    if size.too_many is None:
        yield {"left out": "no number of members is too many here"}
        return
    job = job_of(Cell(0, size.depths[-1], size.parameters, "batch", False), size.short, 1)
    raised = False
    try:
        make_program(job.start.expanded(size.too_many), job.training)
    except torch.OutOfMemoryError:
        raised = True
    program = make_program(job.start.expanded(1), job.training)
    training(program, job)()
    wrong, finite = counting(program, job)()
    survived = bool(finite.all()) and 0 <= int(wrong[0]) <= len(job.data.validation_labels)
    missing = [] if raised else ["a population that is too large was made"]
    yield {"raised": raised, "survived": survived, "wrong": missing + ([] if survived else ["the next one is wrong"])}


def processes(task: Task) -> Iterator[dict[str, Any]]:
    """Run-epochs per second of one process and of several on the GPU, with 1, 8 and 40 members each, without and with
    MPS: what the tail of a sweep and its beginning gain by company."""
    if not task.size.processes:
        yield {"left out": "no numbers of processes to compare"}
        return
    found: dict[str, Any] = {"already running": _runs(), "wrong": []}
    for served in (False, True):
        name = "with MPS" if served else "without MPS"
        if served and not (_runs() or shutil.which(MPS)):
            found[name] = "there is no MPS here"
        elif not served and _runs():
            found[name] = "MPS runs already, and is not touched"
        else:
            try:
                with _served() if served else environment():
                    for rates in _rates(task):
                        yield (found := {**found, name: rates})
            except Exception as error:
                found["wrong"].append(f"{name}: {type(error).__name__}: {error}"[:500])
        yield dict(found)


def _rates(task: Task) -> Iterator[dict[str, Any]]:
    """Depth and members -> processes -> run-epochs per second of all together."""
    size, found = task.size, dict[str, dict[str, float]]()
    for depth in (size.depths[-1], size.depths[0]):
        cell = Cell(1, depth, size.parameters, "batch", skips=False)
        for members in sorted(size.members)[:1] + sorted(size.members)[-1:]:
            for count in size.processes:
                if task.left_s < 0:
                    return
                with team(count) as together:
                    together(make_ready, cell, size, members)
                    rate = sum(together(run_epochs_a_second, cell, size, members))
                found.setdefault(f"depth {depth} x {members}", {})[str(count)] = rate
                yield {name: dict(each) for name, each in found.items()}


def make_ready(cell: Cell, size: Size, members: int) -> None:
    """Captures what the process will repeat."""
    _ready(cell, size, members)


def run_epochs_a_second(cell: Cell, size: Size, members: int) -> float:
    """Short epochs in this process for a few seconds."""
    epoch = _ready(cell, size, members)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < MEASURED_S:
        seconds(epoch, "cuda")
        count += members
    return count / (time.perf_counter() - began)


@lru_cache(maxsize=1)
def _ready(cell: Cell, size: Size, members: int) -> Any:
    job = job_of(cell, size.short, members)
    program = make_program(job.start.expanded(members), job.training)
    epoch = training(program, job)
    for _ in range(2):
        seconds(epoch, "cuda")
    return epoch


def _runs() -> bool:
    """Whether processes that start now would find an MPS server. A daemon that has crashed leaves its files."""
    folder = os.environ.get(PIPES, "/tmp/nvidia-mps")
    if not os.path.exists(os.path.join(folder, "control")) or not shutil.which(MPS):
        return False
    try:
        asked = "get_server_list\n"
        subprocess.run([MPS], input=asked, encoding="utf-8", check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@contextmanager
def _served() -> Iterator[None]:
    """An MPS server of one's own, unless there is one. It needs no privileges and no change of the GPU's settings."""
    if _runs():
        yield
        return
    with (
        tempfile.TemporaryDirectory(prefix="mps") as folder,
        environment(**{PIPES: folder, "CUDA_MPS_LOG_DIRECTORY": folder}),
    ):
        subprocess.run([MPS, "-d"], check=True, capture_output=True, timeout=20)
        try:
            yield
        finally:
            subprocess.run([MPS], input="quit\n", encoding="utf-8", check=False, capture_output=True, timeout=20)
