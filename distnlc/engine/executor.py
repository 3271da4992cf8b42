"""The protocol of executors, which do the work of units, and the executor that does it in this process.

In: `work`, a picklable function (unit, torch device) -> records, and the units, handed over one by one.
Out: a `Finished` for each unit: its records, or why there are none. A unit's exceptions become text.

On a CPU a unit computes with one thread, since the number of threads changes how results are rounded.
"""

import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from distnlc.plugged import check_plugins
from distnlc.plugins import Work, kind_of, loaded, plugins_in_use, use_plugins
from distnlc.records import Records
from distnlc.spec import SpecError, StudySpec, Unit
from distnlc.studies import from_fields

UnitWork = Callable[[Unit, str], Records]

TRACEBACK_LINES = 30
REASON_CHARACTERS = 500


class EngineError(RuntimeError):
    """No unit can be done here at all; the message says why and what to do."""


@dataclass(frozen=True)
class Loss:
    """The death of the process or machine that worked on a unit, whose result is unknown."""

    node: str
    """id of the machine, for `Executor.lives`"""
    why: str = ""
    """the cause, where it is known, such as 'out of memory: ...'"""


@dataclass(frozen=True)
class Finished:
    """One unit back from the executor: exactly one of `records`, `error`, `lost` and `returned` is set."""

    unit: Unit
    records: Records | None = None
    error: str | None = None
    """type and message of the exception, on one line"""
    traceback: str = ""
    """the last lines of the error's traceback"""
    lost: Loss | None = None
    returned: bool = False
    """it was never begun, because its worker is gone: hand it over again"""
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
    plugins: Sequence[str] = ()
    """modules that a worker imports first"""

    def load(self) -> None:
        """Imports the plug-ins and finds the installed ones. Raises SpecError that names the one this machine lacks."""
        try:
            use_plugins(self.plugins)
            check_plugins(self._spec())
        except SpecError as error:
            raise SpecError(f"on machine {socket.gethostname()}: {error}") from None

    def _spec(self) -> StudySpec:
        return from_fields(self.fields, where="the study sent to this worker")

    def __call__(self, unit: Unit, device: str) -> Records:
        spec = self._spec()
        own = self.checkpoints / unit.unit_id if self.checkpoints else None
        records: Records = loaded(kind_of(spec.kind).run)(spec, unit, Work(device, own))
        return records


def study_work(spec: StudySpec, checkpoints: Path | None = None) -> StudyWork:
    """The work of a study's units, with the plug-ins in use here."""
    return StudyWork(spec.model_dump(mode="json"), checkpoints, plugins_in_use())


def attempt(work: UnitWork, unit: Unit, device: str) -> Finished:
    """Does one unit; an exception becomes text, since not every exception can be pickled."""
    started = time.perf_counter()
    try:
        records = work(unit, device)
        if not isinstance(records, Mapping):
            raise TypeError(f"expected the unit's records by table, but got {type(records).__name__}")
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:REASON_CHARACTERS]
        tail = "\n".join(traceback.format_exc().splitlines()[-TRACEBACK_LINES:])
        return Finished(unit, error=reason, traceback=tail, seconds=time.perf_counter() - started)
    return Finished(unit, records=records, seconds=time.perf_counter() - started)


def best_device() -> str:
    """'cuda' if this process sees a usable GPU, else 'cpu'."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


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
    that crashes the process ends the study, which can then be continued.
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
