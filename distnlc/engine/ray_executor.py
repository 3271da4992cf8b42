"""The executor on Ray actors, on this machine or a cluster: several to a GPU, or one per core where there is none.

In and out as in executor.py; only the work (a function and plain data), units and results cross processes.
An actor whose process or node dies is replaced: the unit it worked on comes back as `lost`, those queued behind it as
`returned`. Ray itself retries nothing. A worker gets units once it has started.

Which unit killed a worker is not quite certain, since a dying worker loses the results that it has not yet sent. So
every unit that was in its queue is a suspect: it is done next with nothing else in the worker's queue.
"""

import logging
import math
import os
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from distnlc.engine.executor import EngineError, Finished, Loss, UnitWork
from distnlc.engine.ray_cluster import lives, short, why_died
from distnlc.engine.ray_connection import connect, disconnect
from distnlc.engine.ray_fleet import Fleet, Worker
from distnlc.spec import Unit

log = logging.getLogger(__name__)

IN_FLIGHT = 2
"""units that a worker holds at most: one being worked on, one queued; more of very short ones, see QUEUE_S"""
MOST_IN_FLIGHT = 64
QUEUE_S = 0.2
"""seconds of work that a worker's queue may hold, so that it is not idle while the driver commits"""
RECENT_UNITS = 32
"""the longest of so many recent units stands for those to come"""
START_S = 10.0
"""while a worker has been starting for less than this, no unit is queued behind another: that worker may take it"""
DRIVER_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers on cores hide GPUs; this spares Ray's warning
}


class RayExecutor:
    """An executor with more than one process; see the Executor protocol for its methods."""

    def __init__(self, work: UnitWork, *, workers: int | None = None, address: str | None = None) -> None:
        """Starts `workers` actors; by default WORKERS_PER_GPU on each GPU of the cluster, unless its machine has fewer
        cores for them, or where there is no GPU one per core.

        Joins the cluster at `address` or at that of the variable RAY_ADDRESS; with neither, Ray is started on this
        machine and stopped again by `close`. A process that has joined Ray before keeps its instance. Raises
        EngineError if Ray is not installed or can be neither started nor joined.
        """
        self._ray = _import_ray()
        self._connected_here = connect(self._ray, workers, address)
        self._fleet = Fleet(self._ray, work, workers)
        self._returned: list[Finished] = []
        self._suspects: set[str] = set()
        """ids of the units that were in the queue of a worker when it died"""
        self._held: Unit | None = None
        """a suspect waiting for a worker with an empty queue"""
        self._recent_s: deque[float] = deque(maxlen=RECENT_UNITS)
        self._fleet.follow()

    @property
    def slots(self) -> int:
        return sum(bool(worker.node) for worker in self._fleet.workers)

    @property
    def capacity(self) -> int:
        depth = self._depth()
        return 0 if self._held else sum(max(0, depth - len(worker.queue)) for worker in self._open())

    def submit(self, unit: Unit) -> None:
        worker = min(self._open(), key=lambda worker: len(worker.queue))
        if worker.queue and unit.unit_id in self._suspects:
            self._held = unit
            return
        if not worker.queue:
            worker.since = time.monotonic()
        worker.queue.append((worker.actor.run.remote(unit), unit))

    def wait(self, timeout_s: float) -> list[Finished]:
        self._fleet.follow()
        if self._held and any(not worker.queue for worker in self._open()):
            unit, self._held = self._held, None
            self.submit(unit)
        finished, self._returned = self._returned, []
        timeout_s = 0.0 if finished else timeout_s
        workers = [worker for worker in self._fleet.workers if worker.starting or worker.queue]
        if not workers:
            time.sleep(timeout_s)
            return finished
        self._ray.wait([w.starting or w.queue[0][0] for w in workers], num_returns=1, timeout=timeout_s)
        every = [reference for worker in workers for reference, _ in worker.queue]
        every += [worker.starting for worker in workers if worker.starting]
        ready = set(self._ray.wait(every, num_returns=len(every), timeout=0.0)[0])
        for worker in workers:
            if worker.starting in ready:
                self._fleet.welcome(worker)
            before = len(finished)
            while worker.queue and worker.queue[0][0] in ready:
                finished.append(self._collect(worker))
            if worker.leaving and len(finished) > before:  # between two units
                self._replace(worker)
        return finished

    def running(self) -> Mapping[str, float]:
        now = time.monotonic()
        return {worker.queue[0][1].unit_id: now - worker.since for worker in self._fleet.workers if worker.queue}

    def cancel(self, unit_id: str) -> None:
        for worker in self._fleet.workers:
            if any(unit.unit_id == unit_id for _, unit in worker.queue):
                worker.queue = deque(item for item in worker.queue if item[1].unit_id != unit_id)
                self._replace(worker)

    def lives(self, node: str) -> bool:
        return lives(self._ray, node)

    def close(self) -> None:
        self._fleet.close()
        if self._connected_here:
            self._connected_here = False
            disconnect(self._ray)

    def _open(self) -> list[Worker]:
        """The workers that have started, are not working on a suspect, and are not about to move to another GPU."""
        return [
            worker
            for worker in self._fleet.workers
            if worker.node
            and not worker.leaving
            and not (worker.queue and worker.queue[0][1].unit_id in self._suspects)
        ]

    def _depth(self) -> int:
        """The number of units that a worker may hold."""
        now = time.monotonic()
        if any(worker.starting and now - worker.start_at < START_S for worker in self._fleet.workers):
            return 1
        longest_s = max(self._recent_s, default=math.inf)
        return max(IN_FLIGHT, min(MOST_IN_FLIGHT, int(QUEUE_S / max(longest_s, 1e-6))))

    def _collect(self, worker: Worker) -> Finished:
        """The result of the first unit in a worker's queue, whose reference is ready."""
        reference, unit = worker.queue.popleft()
        now = time.monotonic()
        seconds, worker.since = now - worker.since, now
        try:
            finished: Finished = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # such as records that cannot be pickled
            finished = Finished(unit, error=short(error), seconds=seconds)
        except self._ray.exceptions.RayError as error:
            log.info("the worker of unit %s died: %s", unit.unit_id, short(error))
            finished = Finished(unit, lost=Loss(worker.node, why_died(self._ray, error)), seconds=seconds)
        if finished.unfit:  # which is not the unit's fault: another machine may do it
            self._returned += [Finished(behind, returned=True) for _, behind in worker.queue]
            self._fleet.refuse(worker, finished.unfit)
            return Finished(unit, returned=True)
        if finished.lost:
            self._suspects |= {unit.unit_id, *(behind.unit_id for _, behind in worker.queue)}
        else:
            self._suspects.discard(unit.unit_id)
            self._recent_s.append(finished.seconds)
        rest_s = self._fleet.rest_s(worker, went_wrong=finished.records is None)
        if finished.lost or rest_s or (finished.error is not None and worker.gpu):
            self._replace(worker, rest_s)  # an error can leave a process's GPU unusable
        return finished

    def _replace(self, worker: Worker, rest_s: float = 0.0) -> None:
        self._returned += [Finished(unit, returned=True) for _, unit in worker.queue]
        self._fleet.replace(worker, rest_s)


def _import_ray() -> Any:
    for name, value in DRIVER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise EngineError("Ray is not installed here: install it, or use the serial executor") from None
    return ray
