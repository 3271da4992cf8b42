"""The protocol of executors, which do the work of units, and the executor that does it in this process.

In: `work`, a picklable function (unit, torch device) -> records, and the units, handed over one by one.
Out: a `Finished` for each unit: its records, or why there are none. A unit's exceptions become text.

On a CPU a unit computes with one thread, since the number of threads changes how results are rounded.
"""

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from distnlc.plugged import check_plugins
from distnlc.plugins import DataRecord, Work, data_differences, kind_of, loaded, plugins_in_use, use_plugins
from distnlc.records import Records
from distnlc.spec import SpecError, StudySpec, Unit
from distnlc.studies import from_fields

UnitWork = Callable[[Unit, str], Records]

TRACEBACK_LINES = 30
REASON_CHARACTERS = 500
MEMORY_HINT = "; fewer workers on a GPU (--workers) leave more memory to each"
GO_ON = "What is done is kept; the same command goes on"


class EngineError(RuntimeError):
    """No unit can be done here at all; the message says why and what to do."""


class UnfitError(RuntimeError):
    """This machine cannot do a unit that another may do; the message names the machine and says why."""


@dataclass(frozen=True)
class Loss:
    """The death of the process or machine that worked on a unit, whose result is unknown."""

    node: str
    """id of the machine, for `Executor.lives`"""
    why: str = ""
    """the cause, where it is known, such as 'out of memory: ...'"""


@dataclass(frozen=True)
class Finished:
    """One unit back from the executor: exactly one of `records`, `error`, `lost`, `unfit` and `returned` is set."""

    unit: Unit
    records: Records | None = None
    error: str | None = None
    """type and message of the exception, on one line"""
    traceback: str = ""
    """the last lines of the error's traceback"""
    lost: Loss | None = None
    unfit: str = ""
    """it was refused, because this machine is not fit for it: why"""
    returned: bool = False
    """it was never begun: hand it over again"""
    seconds: float = 0.0
    """spent on the unit"""


class Executor(Protocol):
    """Takes units by `submit` while it has `capacity`, and gives their results from `wait`."""

    @property
    def slots(self) -> int:
        """The number of workers now; 0 while it waits for machines."""

    @property
    def capacity(self) -> int:
        """The number of units that may be handed over now."""

    def submit(self, unit: Unit) -> None:
        """Hands over one unit; only while there is capacity."""

    def wait(self, timeout_s: float) -> list[Finished]:
        """The finished units; waits at most `timeout_s` for the first. Raises EngineError if no worker can start."""

    def running(self) -> Mapping[str, float]:
        """Unit id -> seconds since its work began, for the units being worked on (not those queued)."""

    def cancel(self, unit_id: str) -> None:
        """Kills the worker of the unit and replaces it. The unit itself does not come back."""

    def lives(self, node: str) -> bool:
        """Whether the machine of a `Loss` is still there; if so, only the process died."""

    def close(self) -> None:
        """Abandons the units in flight and releases all resources; may be called again."""


@dataclass(frozen=True)
class StudyWork:
    """The work of a study's units as plain data, which can be sent to other machines."""

    fields: Mapping[str, Any]
    """the spec"""
    checkpoints: Path | None = None
    """absolute path of the folder in which each unit may have its own folder of checkpoints"""
    data: DataRecord = field(default_factory=dict)
    """what the driver found; a unit is done with these data or not at all"""
    plugins: Sequence[str] = ()
    """modules that a worker imports first"""
    folder: Path | None = None
    """absolute path of the folder in which they are looked for first"""

    def load(self) -> None:
        """Imports the plug-ins and finds the installed ones. Raises SpecError that names the one this machine lacks."""
        try:
            use_plugins(self.plugins, self.folder)
            check_plugins(self._spec())
        except SpecError as error:
            raise SpecError(f"on machine {socket.gethostname()}: {error}") from None

    def _spec(self) -> StudySpec:
        return from_fields(self.fields, where="the study sent to this worker")

    def __call__(self, unit: Unit, device: str) -> Records:
        spec = self._spec()
        self._check_data(spec, unit.part)
        own = self.checkpoints / unit.unit_id if self.checkpoints else None
        records: Records = loaded(kind_of(spec.kind).run)(spec, unit, Work(device, own))
        return records

    def _check_data(self, spec: StudySpec, part: str) -> None:
        """Raises UnfitError unless this machine has the data that the driver found."""
        if part not in self.data:
            return
        where = f"on machine {socket.gethostname()}"
        try:
            found = loaded(kind_of(spec.kind).prepare)(spec, [part])
        except Exception as error:
            raise UnfitError(f"{where}: the data of part {part} cannot be used: {_on_one_line(error)}") from error
        if lines := data_differences(self.data[part], found.get(part, {})):
            raise UnfitError(
                f"{where}: part {part} was begun with other data (there -> found now):\n  " + "\n  ".join(lines)
            )


def study_work(spec: StudySpec, checkpoints: Path | None = None, data: DataRecord = MappingProxyType({})) -> StudyWork:
    """The work of a study's units, with the plug-ins in use here. `data`: what `Kind.prepare` has found."""
    return StudyWork(spec.model_dump(mode="json"), checkpoints, dict(data), plugins_in_use(), Path.cwd())


def attempt(work: UnitWork, unit: Unit, device: str) -> Finished:
    """Does one unit; an exception becomes text, since not every exception can be pickled."""
    started = time.perf_counter()
    try:
        records = work(unit, device)
        if not isinstance(records, Mapping):
            raise TypeError(f"expected the unit's records by table, but got {type(records).__name__}")
    except UnfitError as error:
        return Finished(unit, unfit=str(error))
    except (Exception, SystemExit) as error:
        hint = MEMORY_HINT if _lacks_gpu_memory(error, device) else ""
        reason = _on_one_line(error)[: REASON_CHARACTERS - len(hint)] + hint
        tail = "\n".join(traceback.format_exc().splitlines()[-TRACEBACK_LINES:])
        return Finished(unit, error=reason, traceback=tail, seconds=time.perf_counter() - started)
    return Finished(unit, records=records, seconds=time.perf_counter() - started)


def _on_one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _lacks_gpu_memory(error: BaseException, device: str) -> bool:
    if device == "cpu":
        return False
    import torch

    return isinstance(error, torch.OutOfMemoryError)


def best_device() -> str:
    """'cuda' if this process sees a usable GPU, else 'cpu'."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def gpu_fault() -> str:
    """Why this process cannot compute on its GPU, on one line; '' if it can.

    A few numbers are added there, the sum is read back, memory is given back: that fails without a driver, with one too
    old, with no device visible, on a GPU for which torch has no kernels, and after an error that a process cannot
    recover from (an illegal memory access, an assertion on the device, a device that was lost).
    """
    import torch

    try:
        torch.ones(2, device="cuda").sum().item()
        torch.cuda.empty_cache()  # which a capture that was broken off can have made impossible, and with it any other
    except Exception as error:
        if not torch.backends.cuda.is_built():
            return f"its torch {torch.__version__} is built without CUDA"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        shown = "" if visible is None else f" (CUDA_VISIBLE_DEVICES={visible})"
        return f"torch {torch.__version__}: {_on_one_line(error)[:REASON_CHARACTERS]}{shown}"
    return ""


@contextmanager
def one_thread() -> Iterator[None]:
    """A context in which torch computes with one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class SerialExecutor:
    """Does one unit after the other in this process; needs neither Ray nor a second process.

    `wait` returns when the unit is done, however long that takes: a time limit cannot stop a unit here, and a unit
    that crashes the process ends the study, which can then be continued. So does one after which the GPU no longer
    works in this process: every unit that followed would fail for nothing.
    """

    slots = 1

    def __init__(self, work: UnitWork) -> None:
        self._work = work
        self._device = best_device()
        self._unit: Unit | None = None

    @property
    def capacity(self) -> int:
        return 0 if self._unit else 1

    def submit(self, unit: Unit) -> None:
        self._unit = unit

    def wait(self, timeout_s: float) -> list[Finished]:
        if self._unit is None:
            return []
        with one_thread():
            finished = attempt(self._work, self._unit, self._device)
        if finished.unfit:
            raise EngineError(f"{finished.unfit}\n{GO_ON}")
        if finished.error and self._device != "cpu" and (fault := gpu_fault()):
            raise EngineError(
                f"unit {self._unit.unit_id} ended with {finished.error}, and since then the GPU does not work in this "
                f"process ({fault}). {GO_ON}; if the unit does this every time, workers on Ray (--executor ray) record "
                "it as failed and do the others"
            )
        self._unit = None
        return [finished]

    def running(self) -> Mapping[str, float]:
        return {self._unit.unit_id: 0.0} if self._unit else {}  # it begins with the next `wait`

    def cancel(self, unit_id: str) -> None:
        self._unit = None

    def lives(self, node: str) -> bool:
        return True

    def close(self) -> None:
        self._unit = None
