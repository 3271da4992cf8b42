"""Units done by Ray actors, on this machine or a cluster: one actor per GPU, or per core where no GPU is.

In and out as in executor.py; only the work (a function and plain data), units and results cross processes.
An actor whose process or node dies is replaced by a fresh one: the unit it worked on comes back as `lost`, a
unit queued behind it as `returned`. Ray itself retries nothing. A worker gets units once it has started.
"""

import logging
import math
import os
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from distnlc.engine.executor import EngineError, Finished, Work, attempt, best_device
from distnlc.spec import Unit

log = logging.getLogger(__name__)

IN_FLIGHT = 2
"""Units that a worker holds at most: one being worked on, one queued."""
START_TRIES = 3
"""Failed starts in a row after which a worker is given up."""
SLOW_START_S = 60.0
OBJECT_STORE_BYTES = 200 * 2**20
"""Of an instance started here: records are small."""
DRIVER_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # CPU_ENVIRONMENT hides GPUs; this spares Ray's warning
}
GPU_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
CPU_ENVIRONMENT = GPU_ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": ""}


class _Actor:
    """What runs in a worker process."""

    def __init__(self, work: Work, on_gpu: bool) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's business
        self._work = work
        self._device = best_device() if on_gpu else "cpu"

    def device(self) -> str:
        return self._device

    def run(self, unit: Unit) -> Finished:
        return attempt(self._work, unit, self._device)


@dataclass(eq=False)
class _Worker:
    """One actor as the driver sees it."""

    actor: Any
    starting: Any
    """reference to its device, None once it has started"""
    failed_starts: int = 0
    device: str = "cpu"
    queue: deque[tuple[Any, Unit]] = field(default_factory=deque)
    """(reference to the result, unit); the first is being worked on"""
    since: float = 0.0
    """when the work on the first unit of the queue began"""


class RayExecutor:
    """The executor of more than one process; see the Executor protocol for its methods."""

    def __init__(self, work: Work, *, workers: int | None = None, address: str | None = None) -> None:
        """`workers` actors; left out, one per GPU of the cluster or, where it has none, one per core.

        Joins the cluster at `address` or at the variable RAY_ADDRESS; with neither, Ray is started on this
        machine and stopped again by `close`. A process that has joined Ray before keeps its instance. Raises
        EngineError if Ray is not installed or can be neither started nor joined.
        """
        self._ray = _import_ray()
        self._connected_here = _connect(self._ray, workers, address)
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        count = workers or gpus or max(1, int(resources.get("CPU", 1)))
        self._work = work
        self._on_gpu = gpus > 0
        self._options: dict[str, Any] = {
            "num_cpus": 0 if self._on_gpu else 1,
            "num_gpus": 1 / math.ceil(count / gpus) if self._on_gpu else 0,
            "max_restarts": 0,
            "max_task_retries": 0,
            "runtime_env": {"env_vars": GPU_ENVIRONMENT if self._on_gpu else CPU_ENVIRONMENT},
        }
        self._workers = [_Worker(*self._start()) for _ in range(count)]
        self._returned: list[Finished] = []
        self._slow_start_at: float | None = time.monotonic() + SLOW_START_S

    @property
    def slots(self) -> int:
        return max(1, sum(worker.starting is None for worker in self._workers))

    @property
    def capacity(self) -> int:
        """While a worker is still starting, no unit is queued behind another."""
        depth = IN_FLIGHT if all(worker.starting is None for worker in self._workers) else 1
        return sum(max(0, depth - len(w.queue)) for w in self._workers if w.starting is None)

    def submit(self, unit: Unit) -> None:
        worker = min((w for w in self._workers if w.starting is None), key=lambda w: len(w.queue))
        if not worker.queue:
            worker.since = time.monotonic()
        worker.queue.append((worker.actor.run.remote(unit), unit))

    def wait(self, timeout_s: float) -> list[Finished]:
        finished, self._returned = self._returned, []
        timeout_s = 0.0 if finished else timeout_s
        while worker := self._next_ready(timeout_s):
            if worker.starting is not None:
                self._welcome(worker)
            else:
                finished.append(self._collect(worker))
            timeout_s = 0.0
        return finished

    def running(self) -> Mapping[str, float]:
        now = time.monotonic()
        return {worker.queue[0][1].unit_id: now - worker.since for worker in self._workers if worker.queue}

    def cancel(self, unit_id: str) -> None:
        for worker in self._workers:
            if any(unit.unit_id == unit_id for _, unit in worker.queue):
                worker.queue = deque(item for item in worker.queue if item[1].unit_id != unit_id)
                self._replace(worker)

    def close(self) -> None:
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._workers = []
        if self._connected_here:
            self._connected_here = False
            self._ray.shutdown()

    def _start(self) -> tuple[Any, Any]:
        """A new actor, and the reference that becomes ready when it has started."""
        actor = self._ray.remote(_Actor).options(**self._options).remote(self._work, self._on_gpu)
        return actor, actor.device.remote()

    def _next_ready(self, timeout_s: float) -> _Worker | None:
        """A worker that has started, finished a unit or died."""
        waiting = {w.starting or w.queue[0][0]: w for w in self._workers if w.starting or w.queue}
        if not waiting:
            return None
        ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=timeout_s)
        if not ready and self._slow_start_at is not None and time.monotonic() > self._slow_start_at:
            self._slow_start_at = None
            log.warning("no Ray worker has started in %.0f s: is the cluster busy?", SLOW_START_S)
        return waiting[ready[0]] if ready else None

    def _welcome(self, worker: _Worker) -> None:
        """A worker has started, or failed to."""
        try:
            worker.device = self._ray.get(worker.starting)
        except self._ray.exceptions.RayError as error:
            worker.failed_starts += 1
            if worker.failed_starts < START_TRIES:
                self._replace(worker)
                return
            self._workers.remove(worker)
            reason = _short(error)
            if not self._workers:
                raise EngineError(f"no Ray worker can be started, the last failed with {reason}") from None
            log.warning("a Ray worker failed to start %d times and is given up: %s", START_TRIES, reason)
        else:
            worker.starting = None
            worker.failed_starts = 0
            self._slow_start_at = None

    def _collect(self, worker: _Worker) -> Finished:
        """The result of a worker's first unit, whose reference is ready."""
        reference, unit = worker.queue.popleft()
        now = time.monotonic()
        seconds, worker.since = now - worker.since, now
        try:
            finished: Finished = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            log.info("the worker of unit %s died: %s", unit.unit_id, _short(error))
            finished = Finished(unit, lost=True, seconds=seconds)
        except self._ray.exceptions.RayError as error:  # such as records that cannot be pickled
            finished = Finished(unit, error=_short(error), seconds=seconds)
        if finished.lost or (finished.error is not None and worker.device == "cuda"):
            self._replace(worker)  # an error can leave a process's GPU unusable
        return finished

    def _replace(self, worker: _Worker) -> None:
        self._returned += [Finished(unit, returned=True) for _, unit in worker.queue]
        worker.queue.clear()
        self._ray.kill(worker.actor)
        worker.actor, worker.starting = self._start()


def _import_ray() -> Any:
    for name, value in DRIVER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise EngineError("Ray is not installed here: install it, or use the serial executor") from None
    return ray


def _connect(ray: Any, workers: int | None, address: str | None) -> bool:
    """Whether Ray was started or joined by this call."""
    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                **quiet,
            )
    except Exception as error:
        what = f"Ray at {address} cannot be joined" if address else "Ray cannot be started on this machine"
        hint = (
            "If this is about a token or the home folder: Ray keeps a token in ~/.ray/auth_token, which must "
            "be writable, and the same on all nodes; RAY_AUTH_MODE=disabled does without."
        )
        raise EngineError(f"{what}: {_short(error)}\n{hint}") from error
    return True


def _short(error: BaseException) -> str:
    """Type and last line of a Ray error, whose messages run over many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"
