"""For the tests of the engine: a study kind without work, its store and sink, and work with mishaps.

Workers import this module: it must not need anything slow.
"""

import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distnlc.engine.executor import UnfitError
from distnlc.plugins import Kind
from distnlc.progress import Progress
from distnlc.records import FAILED, OK, Records
from distnlc.spec import StudySpec, Unit

SPEC = StudySpec(kind="toy")


@dataclass(frozen=True, kw_only=True)
class ToyRow:
    unit_id: str
    part: str = "toy"
    index: int = 0
    status: str
    reason: str | None = None
    attempts: int = 1
    seconds: float = 0.0
    device: str | None = None
    value: float | None = None


def units(costs: Sequence[float]) -> list[Unit]:
    return [Unit(f"u{i}", "toy", i, cost, f"toy {i}") for i, cost in enumerate(costs)]


def row(unit: Unit, value: float) -> Records:
    return {"toys": [ToyRow(unit_id=unit.unit_id, index=unit.index, status=OK, value=value)]}


def never(*_: Any) -> Any:
    raise AssertionError("the toys' work is given to the executor by each test")


KIND = Kind(name="toy", spec=StudySpec, tables={"toys": ToyRow}, units=never, run=never)


class MemoryStore:
    """Keeps rows in memory; refuses what a real store would only be given by mistake."""

    def __init__(self) -> None:
        self.rows: dict[str, ToyRow] = {}
        self.order: list[str] = []

    def commit(self, entries: Sequence[tuple[str, str, Records]]) -> None:
        for unit_id, status, records in entries:
            assert unit_id not in self.rows, f"{unit_id} committed twice"
            (only,) = records["toys"]
            assert only.status == status
            self.rows[unit_id] = only
            self.order.append(unit_id)

    def failed(self) -> dict[str, ToyRow]:
        return {unit_id: row for unit_id, row in self.rows.items() if row.status == FAILED}


class Watcher:
    """Keeps what it is told."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store
        self.units: list[str] = []
        self.states: list[Progress] = []

    def committed(self, unit: Unit, records: Records) -> None:
        if self.store:
            assert unit.unit_id in self.store.rows, "told before it was committed"
        assert records["toys"][0].unit_id == unit.unit_id
        self.units.append(unit.unit_id)

    def progress(self, progress: Progress) -> None:
        self.states.append(progress)


def square(unit: Unit, device: str) -> Records:  # noqa: ARG001
    return row(unit, unit.index**2)


def naps(seconds: float, unit: Unit, device: str) -> Records:
    """Takes so long per cost."""
    time.sleep(seconds * unit.cost)
    return square(unit, device)


FREE = 3
"""units that are done before those that are held"""


def mishap(kind: str, once: bool, folder: Path, unit: Unit, device: str) -> Records:
    """Squares, but unit 1 meets with a mishap: the first time or every time. Leaves a file with the pid per attempt.

    Kind `held`: all but the first units wait until the folder has a file `released`, so that the study cannot be over
    before the test has seen what it waits for.
    """
    attempts = len(list(folder.glob(f"{unit.unit_id}-*")))
    (folder / f"{unit.unit_id}-{attempts}").write_text(str(os.getpid()))
    if kind == "held":
        time.sleep(0.15)  # so that no long queue is made of them
        while unit.index >= FREE and not (folder / "released").exists():
            time.sleep(0.02)
    elif unit.index == 1 and not (once and attempts):
        match kind:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exits":
                os._exit(1)
            case "hangs":
                time.sleep(600)
            case "spins":  # in C, without ever letting go of the interpreter
                re.match("(a+)+$", "a" * 100 + "b")
            case "memory":  # 4 GB within seconds, if nobody stops it
                held = [bytearray(b"x") * (100 * 2**20) for _ in range(40) if not time.sleep(0.03)]
                time.sleep(600)  # it may take some time to be noticed
                del held
            case "unfit":
                raise UnfitError("on machine m: other data")
            case "unpicklable":
                return {"toys": [lambda: None, threading.Lock()]}
    return square(unit, device)


def dies_once_with_a_checkpoint(fields: dict[str, Any], folder: Path, unit: Unit, device: str) -> Records:
    """A true unit, whose worker is killed at its third checkpoint. Leaves a file per attempt, one byte per save."""
    from distnlc.engine.executor import study_work
    from distnlc.studies import from_fields
    from distnlc.training import checkpoint

    os.environ["DISTNLC_CACHE"] = str(folder / "cache")
    attempts = len(list(folder.glob(f"{unit.unit_id}-*")))
    offer = checkpoint.Checkpoints.offer

    def counting(checkpoints: checkpoint.Checkpoints, state: Any) -> None:
        offer(checkpoints, state)
        saves = folder / f"{unit.unit_id}-{attempts}"
        with saves.open("a") as file:
            file.write(".")
        if attempts == 0 and saves.stat().st_size == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.EVERY_S, checkpoint.Checkpoints.offer = 0.0, counting  # type: ignore[method-assign]
    work = study_work(from_fields(fields, where="test"), folder / "study" / "checkpoints")
    return work(unit, device)


def process_state(unit: Unit, device: str) -> Records:  # noqa: ARG001
    state = {
        "device": device,
        "ignores Ctrl-C": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "threads": (os.environ.get("OMP_NUM_THREADS"), os.environ.get("MKL_NUM_THREADS")),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }
    return {"toys": [state]}


def placed(folder: Path, unit: Unit, device: str) -> Records:
    """Squares once the folder has a file `released<cost>`, or raises at cost 0. Leaves a file that says where."""
    import ray

    where = f"{device} {ray.get_runtime_context().get_node_id()} {os.environ.get('CUDA_VISIBLE_DEVICES')} {os.getpid()}"
    (folder / f".{unit.unit_id}").write_text(where)
    (folder / f".{unit.unit_id}").rename(folder / unit.unit_id)
    while not (folder / f"released{unit.cost:.0f}").exists():
        time.sleep(0.02)
    if unit.cost == 0:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    return square(unit, device)


class OnPretendedGpus:
    """Work for workers on GPUs that are not there, and that work as far as anybody can tell."""

    def __init__(self, work: Any) -> None:
        self.work = work

    def __reduce__(self) -> tuple[Any, ...]:
        return pretend_gpus, (self.work,)


def pretend_gpus(work: Any) -> Any:
    from distnlc.engine import ray_actor

    ray_actor.gpu_fault = lambda: ""
    return work


class Unloadable:
    """Work that a worker cannot load."""

    def __call__(self, unit: Unit, device: str) -> Records:
        return square(unit, device)

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no package here",)
