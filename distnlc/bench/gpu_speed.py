"""Pieces of the part `gpu` that take time: the machine's ceilings, steps beside plain torch and the model, one unit by
stage, and the hours of the paper that follow.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from importlib import metadata
from statistics import geometric_mean
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from distnlc.bench.cells import Cell, Job
from distnlc.bench.gpu_size import PROGRAMS, Task, cells, counting, job_of, training
from distnlc.bench.variants import plain
from distnlc.networks.loss import loss_scale
from distnlc.search import SearchSpec
from distnlc.studies import resolve
from distnlc.studies.nlc.gpu_cost import Spent, recommended, sharing, unit_spent
from distnlc.studies.nlc.measurement import measure_initial, measure_trained
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import units
from distnlc.training.fused_layout import aligned
from distnlc.training.gpu_ceilings import in_a_graph, measured, median_s
from distnlc.training.gpu_model import ESTIMATED, Ceilings, count_step, step_seconds, train_step
from distnlc.training.programs import make_program
from distnlc.training.rates import smallest_rate
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import put_numbers, start_of
from distnlc.training.trainer import PopulationTrainer, train_population

ASKED = (
    "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,compute_mode,mig.mode.current,ecc.mode.current"
)
EVERY = 10
"""of the paper's units one is estimated for so many"""


def ceilings(task: Task) -> Iterator[dict[str, Any]]:
    """The GPU, how it is set, and what it does at most: large products, copies, kernels one by one and in a graph; then
    the products of the program's own shapes, of 40 members in a graph."""
    found: dict[str, Any] = {"gpu": _properties(), "cuda": torch.version.cuda, "settings": _settings()}
    for package in ("torch", "triton", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    yield found
    size = task.size
    amounts: dict[str, int] = {"product": size.product, "copied": size.copied, "kernels": size.kernels}
    for dtype in (torch.float64, torch.float32):
        name = str(dtype).removeprefix("torch.")
        yield (found := {**found, name: asdict(measured(dtype, **amounts))})
    members, shapes = max(size.members), dict[str, float]()
    for depth in size.depths:
        width = Cell(0, depth, size.parameters, "none", skips=False).architecture(size.short).width
        batch = aligned(TrainingSpec().batch_size)
        for name, (rows, inner, columns) in {
            "forward": (width, width + 1, batch),
            "delta below": (width, width, batch),
            "weights": (width, batch, width + 1),
        }.items():
            flops = 2 * members * rows * inner * columns
            shapes[f"{name}, {members} x {rows} x {inner} x {columns}"] = flops / _batched_s(
                members, rows, inner, columns
            )
        yield {**found, "products of the program, FLOP/s": dict(shapes)}


def _properties() -> dict[str, Any]:
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    names = ("name", "major", "minor", "multi_processor_count", "total_memory", "L2_cache_size")
    return {name: getattr(found, name, None) for name in names}


def _settings() -> str | None:
    """Clocks, limits and modes, as the driver's tool tells them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    asked = [tool, f"--query-gpu={ASKED}", "--format=csv"]
    return subprocess.run(asked, capture_output=True, encoding="utf-8", timeout=20, check=False).stdout.strip()


def _batched_s(members: int, rows: int, inner: int, columns: int) -> float:
    """The seconds of one product of many matrices whose rows begin at multiples of 16 numbers."""

    def matrices(height: int, width: int) -> torch.Tensor:
        return torch.zeros(members, height, aligned(width), dtype=torch.float64, device="cuda").normal_()[:, :, :width]

    first, second, result = matrices(rows, inner), matrices(inner, columns), matrices(rows, columns)
    return median_s(in_a_graph(lambda: torch.bmm(first, second, out=result), 10)) / 10


def steps(task: Task) -> Iterator[dict[str, Any]]:
    """Milliseconds of a training step and of a counting step, by depth, kind and members, of each program, of a plain
    eager loop with one network, and by the model with this GPU's ceilings."""
    size, rows = task.size, list[dict[str, Any]]()
    gpu = Ceilings(**task.found["ceilings"]["float64"])
    loops = dict[int, float]()
    for members in size.members:
        for cell in cells(size):
            if task.left_s < 0:
                return
            job = job_of(cell, size.short, members)
            if cell.number not in loops:
                loops[cell.number] = _loop_ms(job, size.repetitions)
            rows.append(_row(cell, job, members, gpu, loops[cell.number], size.repetitions))
            yield {"cells": list(rows), **_told(rows)}
    busy = dict[str, float | str]()
    for cell in cells(size):  # last, since kernels stay slower in a process whose profiler has run
        if task.left_s < 0:
            return
        job = job_of(cell, size.short, members)
        program = make_program(job.start.expanded(members), job.training)
        work = training(program, job)
        work()
        busy[f"depth {cell.depth}, {cell.normalization} norm x {members}"] = _busy_share(work)
        yield {"cells": list(rows), **_told(rows), "share of time in kernels": dict(busy)}


def _row(cell: Cell, job: Job, members: int, gpu: Ceilings, loop_ms: float, repetitions: int) -> dict[str, Any]:
    """One cell of the table. The eager loop's figure is of one run's training step with its share of the counting."""
    network, spec = job.network.layered, job.training
    model = [step_seconds(each(network, spec), [members], gpu) for each in (train_step, count_step)]
    row: dict[str, Any] = {
        "depth": cell.depth,
        "normalization": cell.normalization,
        "skips": cell.skips,
        "members": members,
        "model train ms": 1e3 * float(model[0].graph_s[0]),
        "model count ms": 1e3 * float(model[1].graph_s[0]),
        "eager loop ms": loop_ms,
    }
    for name, make in PROGRAMS.items():
        torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        program = make(job.start.expanded(members), spec)
        work = training(program, job), counting(program, job)
        for each in work:
            each()
        torch.cuda.synchronize()
        row[f"{name} first epoch ms"] = 1e3 * (time.perf_counter() - began)
        for what, each, batches in zip(("train", "count"), work, job.batches, strict=True):
            row[f"{name} {what} ms"] = 1e3 * median_s(each, repetitions) / batches
        row[f"{name} peak GB"] = torch.cuda.max_memory_allocated() / 1e9
        if name == "chosen":
            row["program"] = type(program).__name__
            row["share of time that fills the GPU, by the model"] = (
                1e3 * float(model[0].busy_s[0]) / row["chosen train ms"]
            )
        del program, work
    flops = sum(2 * members * _flops(each.product) for each in train_step(network, spec))
    row["share of peak"] = flops / (row["chosen train ms"] / 1e3) / gpu.product_flops_s
    trained, counted = job.batches
    ours_ms = (row["chosen train ms"] + row["chosen count ms"] * counted / trained) / members
    row["times the eager loop"] = loop_ms / ours_ms
    row["times plain torch"] = row["plain torch train ms"] / row["chosen train ms"]
    row["over the model"] = row["chosen train ms"] / row["model train ms"]
    return row


def _flops(product: tuple[int, int, int] | None) -> int:
    return 0 if product is None else product[0] * product[1] * product[2]


def _loop_ms(job: Job, repetitions: int) -> float:
    return 1e3 * median_s(plain(job), repetitions) / job.batches[0]


def _busy_share(work: Callable[[], Any]) -> float | str:
    """The part of the time in which kernels run, by the profiler; a text where that is not to be had."""
    try:
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        taken_s = time.perf_counter() - began
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            work()
            torch.cuda.synchronize()
        return sum(event.self_device_time_total for event in seen.key_averages()) / 1e6 / taken_s
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]


def _told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By depth and members: what decides whether the targets are met."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"depth {row['depth']} x {row['members']}", []).append(row)
    ratios = ("times the eager loop", "times plain torch", "share of peak", "over the model")
    return {
        "geometric means": {
            name: {ratio: geometric_mean(row[ratio] for row in group) for ratio in ratios}
            for name, group in groups.items()
        }
    }


def hours(task: Task) -> Iterator[dict[str, Any]]:
    """The paper's hours on this GPU: by the model with its ceilings, then times what steps took over the model."""
    gpu = Ceilings(**task.found["ceilings"]["float64"])
    spec = resolve("paper", ())
    assert isinstance(spec, Spec)
    whole = Spent(0.0, 0.0, 0.0)
    for unit in units(spec)[::EVERY]:
        one = unit_spent(spec.part(unit.part), unit.index, gpu)
        whole += Spent(one.host_s * EVERY, one.graph_s * EVERY, one.busy_s * EVERY)
    yield (found := {"from ceilings alone": _hours(whole), "note": ESTIMATED})
    rows = task.found["steps"].get("cells", [])
    for name in PROGRAMS if rows else ():
        over = sum(row[f"{name} train ms"] for row in rows) / sum(row["model train ms"] for row in rows)
        scaled = Spent(whole.host_s, whole.graph_s * over, whole.busy_s * over)
        found = {**found, f"{name}, from its steps": {"over the model": over, **_hours(scaled)}}
    yield found


def _hours(whole: Spent) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for mps in (False, True):
        shared = sharing(whole, mps=mps)
        name = "with MPS" if mps else "without MPS"
        told[f"hours {name}"] = {str(count): seconds / 3600 for count, seconds in shared.items()}
        told[f"processes {name}"] = recommended(shared)
    return told


class _OutOfTimeError(Exception):
    """The piece's time is over."""


def unit(task: Task) -> Iterator[dict[str, Any]]:
    """Seconds of the stages of one unit of CIFAR10's shape, on random data: the sweep for as long as there is time."""
    size, cell = (
        task.size,
        Cell(4, task.size.depths[len(task.size.depths) // 2], task.size.parameters, "batch", skips=True),
    )
    runs = max(size.members)
    job, taken = job_of(cell, size.whole, runs), dict[str, float]()
    architecture, test = cell.architecture(size.whole), job.data.validation_inputs.clone()
    data = replace(job.data, test_inputs=test, test_labels=job.data.validation_labels.clone())
    spec = TrainingSpec(population=runs, epochs=size.epochs)
    found: dict[str, Any] = {"network": architecture.label(), "stages, s": taken, "random data": True}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        torch.cuda.synchronize()
        began = time.perf_counter()
        result = work()
        torch.cuda.synchronize()
        taken[name] = time.perf_counter() - began
        return result

    network = timed("build", lambda: architecture.build().to("cuda"))
    scale = timed("loss scale", lambda: loss_scale(network, data.train_inputs, batch_size=spec.batch_size))
    initial = timed("initial metrics", lambda: measure_initial(network, architecture, data, size.metrics, scale, spec))
    found["initial metrics"] = {name: value for name, value in initial.items() if name.endswith("seconds")}
    yield found
    start = start_of(network, loss_scale=scale, seed=1)
    search = SearchSpec()
    lowest = timed("smallest rate", lambda: smallest_rate(start, data, spec, search.smallest_update))
    yield found
    left: list[int] = []
    ends = time.monotonic() + 0.8 * task.left_s

    def after(trainer: PopulationTrainer) -> None:
        left.append(len(trainer.members))
        if time.monotonic() > ends:
            raise _OutOfTimeError

    def sweep() -> Any:
        rates = [lowest * search.factor**index for index in range(runs)]
        try:
            return train_population(start, data, rates, spec, after_epoch=after)
        except _OutOfTimeError:
            return None

    outcomes = timed("sweep", sweep)
    found |= {"sweep complete": outcomes is not None, "epochs": len(left) + (outcomes is not None), "runs left": left}
    yield found
    if outcomes is not None:
        best = min(outcomes, key=lambda outcome: outcome.val_error)
        put_numbers(network, best.row, best.buffers)
        timed("trained metrics", partial(measure_trained, network, 1, data, size.metrics, spec))
        yield found
