"""Units done by Ray actors, on this machine or a cluster: one actor per GPU, or per core where no GPU is.

In and out as in executor.py; only the work (a function and plain data), units and results cross processes.
An actor whose process or node dies is replaced by a fresh one: the unit it worked on comes back as `lost`, a
unit queued behind it as `returned`. Ray itself retries nothing. A worker gets units once it has started.

Nodes may come and go. With `workers` given, that many are kept, waiting for places where there are none; without,
their number follows the cluster. A study computes either on GPUs or on cores, decided by the first machines there are:
with a GPU among them, on GPUs. A head that is to wait for GPU nodes is started without cores (--num-cpus=0).
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

from distnlc.engine.executor import EngineError, Finished, Loss, Work, attempt, best_device
from distnlc.engine.ray_cluster import is_own_failure, lives, living_nodes, why_died
from distnlc.engine.ray_connection import connect
from distnlc.spec import Unit

log = logging.getLogger(__name__)

IN_FLIGHT = 2
"""Units that a worker holds at most: one being worked on, one queued. Of very short units more, see QUEUE_S."""
MOST_IN_FLIGHT = 64
QUEUE_S = 0.2
"""A worker's queue may hold so many seconds of work, so that it does not stand still while the driver commits."""
RECENT_UNITS = 32
"""The longest of so many units before stands for those to come."""
START_TRIES = 3
"""Failed starts in a row after which a worker waits START_PAUSE_S; if none has ever started, the study ends."""
START_PAUSE_S = 60.0
START_S = 10.0
"""While a worker has been starting for less than this, no unit is queued behind another: it might get it."""
SLOW_START_S = 60.0
LOOK_S = 3.0
"""Between two looks at what the cluster has."""
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

    def whereabouts(self) -> tuple[str, str]:
        """The id of the node, the torch device."""
        import ray

        return ray.get_runtime_context().get_node_id(), self._device

    def run(self, unit: Unit) -> Finished:
        return attempt(self._work, unit, self._device)


@dataclass(eq=False)
class _Worker:
    """One actor as the driver sees it: starting, started, or (neither) waiting to be started again."""

    actor: Any = None
    starting: Any = None
    """reference to its whereabouts, None once it has started"""
    start_at: float = 0.0
    """when its start was asked for, or is to be"""
    failed_starts: int = 0
    node: str = ""
    """the id of the node where it runs, '' unless it has started"""
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
        self._connected_here = connect(self._ray, workers, address)
        self._work = work
        self._given = workers
        self._on_gpu: bool | None = None
        """None until there is a machine that can hold a worker"""
        self._options: dict[str, Any] = {}
        self._workers: list[_Worker] = []
        self._returned: list[Finished] = []
        self._recent_s: deque[float] = deque(maxlen=RECENT_UNITS)
        self._looked_at = -math.inf
        self._ever_started = False
        self._waiting_since = time.monotonic()
        """when the last worker was seen"""
        self._said_waiting = False
        self._follow_cluster()

    @property
    def slots(self) -> int:
        return sum(bool(worker.node) for worker in self._workers)

    @property
    def capacity(self) -> int:
        depth = self._depth()
        return sum(max(0, depth - len(worker.queue)) for worker in self._workers if worker.node)

    def submit(self, unit: Unit) -> None:
        worker = min((worker for worker in self._workers if worker.node), key=lambda worker: len(worker.queue))
        if not worker.queue:
            worker.since = time.monotonic()
        worker.queue.append((worker.actor.run.remote(unit), unit))

    def wait(self, timeout_s: float) -> list[Finished]:
        self._follow_cluster()
        finished, self._returned = self._returned, []
        first = [w.starting or w.queue[0][0] for w in self._workers if w.starting or w.queue]
        if not first:
            time.sleep(0.0 if finished else timeout_s)
            return finished
        self._ray.wait(first, num_returns=1, timeout=0.0 if finished else timeout_s)
        every = [reference for worker in self._workers for reference, _ in worker.queue]
        every += [worker.starting for worker in self._workers if worker.starting]
        ready = set(self._ray.wait(every, num_returns=len(every), timeout=0.0)[0])
        for worker in self._workers:
            if worker.starting in ready:
                self._welcome(worker)
            while worker.queue and worker.queue[0][0] in ready:
                finished.append(self._collect(worker))
        return finished

    def running(self) -> Mapping[str, float]:
        now = time.monotonic()
        return {worker.queue[0][1].unit_id: now - worker.since for worker in self._workers if worker.queue}

    def cancel(self, unit_id: str) -> None:
        for worker in self._workers:
            if any(unit.unit_id == unit_id for _, unit in worker.queue):
                worker.queue = deque(item for item in worker.queue if item[1].unit_id != unit_id)
                self._replace(worker)

    def lives(self, node: str) -> bool:
        return lives(self._ray, node)

    def close(self) -> None:
        for worker in self._workers:
            self._stop(worker)
        self._workers = []
        if self._connected_here:
            self._connected_here = False
            self._ray.shutdown()

    def _depth(self) -> int:
        """How many units a worker may hold."""
        now = time.monotonic()
        if any(worker.starting and now - worker.start_at < START_S for worker in self._workers):
            return 1
        longest_s = max(self._recent_s, default=math.inf)
        return max(IN_FLIGHT, min(MOST_IN_FLIGHT, int(QUEUE_S / max(longest_s, 1e-6))))

    def _follow_cluster(self) -> None:
        """Every few seconds: starts the workers that the cluster has new places for, lets go of those it lost."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        nodes = living_nodes(self._ray)
        gpus, cores = (int(sum(node.get(name, 0) for node in nodes.values())) for name in ("GPU", "CPU"))
        if self._on_gpu is None and (gpus or cores):
            self._decide_device(gpus)
        places = gpus if self._on_gpu else cores
        for worker in self._workers:
            if worker.node and worker.node not in nodes and not worker.queue:  # an idle one does not tell otherwise
                self._stop(worker)
        wanted = (self._given or places) if self._on_gpu is not None else 0
        surplus = max(0, len(self._workers) - wanted)
        for worker in [worker for worker in self._workers if not worker.node][:surplus]:
            self._stop(worker)
            self._workers.remove(worker)
        self._workers += [_Worker(start_at=now) for _ in range(wanted - len(self._workers))]
        for worker in self._workers:
            if not worker.node and worker.starting is None and now >= worker.start_at:
                self._start(worker)
        self._say_if_waiting(places)

    def _decide_device(self, gpus: int) -> None:
        self._on_gpu = gpus > 0
        self._options = {
            "num_cpus": 0 if self._on_gpu else 1,
            "num_gpus": 1 / math.ceil((self._given or gpus) / gpus) if self._on_gpu else 0,
            "max_restarts": 0,
            "max_task_retries": 0,
            "runtime_env": {"env_vars": GPU_ENVIRONMENT if self._on_gpu else CPU_ENVIRONMENT},
        }

    def _say_if_waiting(self, places: int) -> None:
        """A warning when there is no worker and no place for one (or a place, but none starts), and when it is over."""
        now = time.monotonic()
        wanted = f"{self._given} workers" if self._given else "one worker per " + ("GPU" if self._on_gpu else "core")
        if self.slots:
            if self._said_waiting:
                log.warning("work goes on")
            self._said_waiting, self._waiting_since = False, now
        elif not self._said_waiting and not places:
            self._said_waiting = True
            log.warning("no worker left: waiting for machines to join, %s wanted", wanted)
        elif not self._said_waiting and now - self._waiting_since > SLOW_START_S:
            self._said_waiting = True
            log.warning("no worker has started in %.0f s, %s wanted: is the cluster busy?", SLOW_START_S, wanted)

    def _start(self, worker: _Worker) -> None:
        worker.actor = self._ray.remote(_Actor).options(**self._options).remote(self._work, self._on_gpu)
        worker.starting = worker.actor.whereabouts.remote()
        worker.start_at = time.monotonic()

    def _stop(self, worker: _Worker) -> None:
        if worker.actor is not None:
            self._ray.kill(worker.actor)
        worker.actor, worker.starting, worker.node = None, None, ""

    def _replace(self, worker: _Worker) -> None:
        self._returned += [Finished(unit, returned=True) for _, unit in worker.queue]
        worker.queue.clear()
        self._stop(worker)
        self._start(worker)

    def _welcome(self, worker: _Worker) -> None:
        """A worker has started, or failed to."""
        try:
            worker.node, worker.device = self._ray.get(worker.starting)
        except self._ray.exceptions.RayError as error:
            worker.failed_starts += is_own_failure(self._ray, error)
            if worker.failed_starts < START_TRIES:
                self._replace(worker)
            else:
                self._pause(worker, _short(error))
        else:
            worker.starting = None
            worker.failed_starts = 0
            self._ever_started = True

    def _pause(self, worker: _Worker, reason: str) -> None:
        self._stop(worker)
        worker.start_at = time.monotonic() + START_PAUSE_S
        if not self._ever_started and all(other.failed_starts >= START_TRIES for other in self._workers):
            raise EngineError(f"no Ray worker can be started, the last failed with {reason}")
        log.warning("a Ray worker cannot be started, the next try is in %.0f s: %s", START_PAUSE_S, reason)

    def _collect(self, worker: _Worker) -> Finished:
        """The result of a worker's first unit, whose reference is ready."""
        reference, unit = worker.queue.popleft()
        now = time.monotonic()
        seconds, worker.since = now - worker.since, now
        try:
            finished: Finished = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # such as records that cannot be pickled
            finished = Finished(unit, error=_short(error), seconds=seconds)
        except self._ray.exceptions.RayError as error:
            log.info("the worker of unit %s died: %s", unit.unit_id, _short(error))
            finished = Finished(unit, lost=Loss(worker.node, why_died(self._ray, error)), seconds=seconds)
        self._recent_s.append(finished.seconds)
        if finished.lost or (finished.error is not None and worker.device == "cuda"):
            self._replace(worker)  # an error can leave a process's GPU unusable
        return finished


def _import_ray() -> Any:
    for name, value in DRIVER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise EngineError("Ray is not installed here: install it, or use the serial executor") from None
    return ray


def _short(error: BaseException) -> str:
    """Type and last line of a Ray error, whose messages run over many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"
