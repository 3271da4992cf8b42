"""The Ray actors that do the units: how many, on GPUs or on cores, started and replaced as the cluster changes.

In: the ray module, connected; the work. Out: `Fleet.workers`; those that have a `node` can be given units.

Nodes may come and go. If a number of workers is given, that many are kept, waiting where there is no place for them;
otherwise their number follows the cluster. A study computes either on GPUs or on cores: on GPUs if one is among the
first machines. A head that is to wait for GPU nodes is started without cores (--num-cpus=0). Workers are spread evenly
over the GPUs that there are now (`ray_gpus.py`); one that has to move for that does so between two units.

A worker that imports other code than the driver, finds other data, or cannot compute on the GPU that it was given, is
refused: it rests, longer each time, and the study ends when there is no other.
"""

import logging
import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from distnlc.engine.executor import GO_ON, EngineError, UnitWork
from distnlc.engine.ray_actor import Actor, environment
from distnlc.engine.ray_cluster import address_of, head_answers, is_own_failure, living_nodes, own_node, short
from distnlc.engine.ray_gpus import Gpu, Gpus, options_on
from distnlc.plugins import packages_in_use
from distnlc.spec import Unit
from distnlc.versions import code_of

log = logging.getLogger(__name__)

LOOK_S = 3.0
"""time between two looks at the cluster's resources"""
START_TRIES = 3
"""failed starts in a row after which a worker waits START_PAUSE_S; if none has ever started, the study ends"""
START_PAUSE_S = 60.0
SLOW_START_S = 60.0
SILENCE_S = 45.0
"""silence of the cluster's head after which the study ends; after 60 s Ray would end the process"""
FAILURES, LONGEST_REST_S = 3, 3600.0
"""failed units in a row after which a worker rests, and its longest rest"""


@dataclass(eq=False)
class Worker:
    """One actor as the driver sees it: starting, started, or waiting to be started again."""

    actor: Any = None
    starting: Any = None
    """reference to its whereabouts, None once it has started"""
    start_at: float = 0.0
    """when its start was requested, or is due"""
    failed_starts: int = 0
    node: str = ""
    """id of the node where it runs; '' unless it has started"""
    gpu: Gpu | None = None
    """where it computes or is to compute; None: nowhere yet, or on cores"""
    leaving: bool = False
    """it belongs on another GPU, and moves there after the unit that it is working on"""
    queue: deque[tuple[Any, Unit]] = field(default_factory=deque)
    """(reference to the result, unit); the first is being worked on"""
    since: float = 0.0
    """when the work on the first unit of the queue began"""
    failures: int = 0
    """failed units in a row, over all its starts"""
    refusals: int = 0
    """in a row, likewise"""


class Fleet:
    """The workers. The executor calls `follow` regularly, and `welcome` when a worker's start has ended."""

    def __init__(self, ray: Any, work: UnitWork, number: int | None) -> None:
        """`number`: how many workers; None: as many as the cluster has places for, several to a GPU."""
        self.workers: list[Worker] = []
        self._ray = ray
        self._actor = ray.remote(Actor)  # only once: the cluster keeps a copy of each
        self._own_node = own_node(ray)
        self._silent_since: float | None = None
        """when the head was first found silent; None while it answers"""
        self._work = work
        self._code = [code_of(name) for name in ("distnlc", *packages_in_use())]
        self._number = number
        self._on_gpu: bool | None = None
        """None until there is a machine that can hold a worker"""
        self._gpus = Gpus(ray, number)
        self._wanted: dict[Gpu, int] = {}
        """how many workers belong on each GPU"""
        self._looked_at = -math.inf
        self._ever_started = False
        self._seen_at = time.monotonic()
        """when there last was a worker"""
        self._said_waiting = False

    def follow(self) -> None:
        """Every few seconds: starts workers where the cluster has new places, drops those that it lost.

        Raises EngineError if there is no Ray any more.
        """
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        if not self._has_head(now):
            return
        nodes = living_nodes(self._ray)
        if self._own_node not in nodes:
            raise EngineError(f"Ray has ended on this machine. {GO_ON}")
        gpus, cores = (int(sum(node.get(name, 0) for node in nodes.values())) for name in ("GPU", "CPU"))
        if self._on_gpu is None and (gpus or cores):
            self._on_gpu = gpus > 0
        places = gpus if self._on_gpu else cores
        for worker in self.workers:
            if worker.node and worker.node not in nodes and not worker.queue:  # no result would tell
                self._stop(worker)
        if self._on_gpu:
            self._gpus.follow(nodes)
            self._spread()
        elif self._on_gpu is not None:
            self._resize(self._number or cores)
        for worker in self.workers:
            if not worker.node and worker.starting is None and now >= worker.start_at:
                self._start(worker)
        self._say_if_waiting(places)

    def welcome(self, worker: Worker) -> None:
        """Takes note that a worker has started, or failed to. Raises EngineError if none can be started."""
        try:
            worker.node, machine, fault, code = self._ray.get(worker.starting)
        except self._ray.exceptions.RayError as error:
            worker.failed_starts += is_own_failure(self._ray, error)
            if worker.failed_starts < START_TRIES:
                self.replace(worker)
            else:
                self._pause(worker, short(error))
        else:
            worker.starting = None
            worker.failed_starts = 0
            for own, there in zip(self._code, code, strict=True):
                if own != there:
                    self.refuse(worker, f"machine {machine} has other code: {there}, and the study is run by {own}")
                    return
            if fault:
                self.refuse(worker, f"machine {machine} has a GPU by Ray's books that cannot be used: {fault}")
                return
            self._ever_started = True

    def replace(self, worker: Worker, rest_s: float = 0.0) -> None:
        """Kills the worker, whatever it is doing, and starts it anew with an empty queue, at once or after a rest."""
        worker.queue.clear()
        self._stop(worker)
        worker.start_at = time.monotonic() + rest_s
        if worker.leaving:
            worker.leaving, worker.gpu = False, None
            worker.gpu = self._emptiest()
        if not rest_s and head_answers(self._ray):  # otherwise `follow` starts it when it can
            self._start(worker)

    def rest_s(self, worker: Worker, went_wrong: bool) -> float:
        """How long a worker is to rest, in seconds; called after each of its units.

        A broken machine would otherwise fail unit after unit, faster than the others do theirs.
        """
        worker.failures, worker.refusals = worker.failures + 1 if went_wrong else 0, 0
        if worker.failures < FAILURES or all(other.failures or not other.node for other in self.workers):
            return 0.0  # if no other worker fares better, it is not the machine
        rest_s = min(LONGEST_REST_S, 4.0 ** (worker.failures - FAILURES))
        log.warning(
            "%d units in a row went wrong with a worker on %s; it rests for %.0f s",
            worker.failures,
            address_of(self._ray, worker.node),
            rest_s,
        )
        return rest_s

    def refuse(self, worker: Worker, reason: str) -> None:
        """Rests a worker whose machine has other code, other data or a GPU that does not work; its queue is lost.

        Raises EngineError if every worker was refused, those excepted that may still be starting.
        """
        worker.refusals += 1
        now = time.monotonic()
        late = [other for other in self.workers if other.starting and now - other.start_at > SLOW_START_S]
        if all(other.refusals or other.failed_starts or other in late for other in self.workers):
            raise EngineError(f"{reason}\n{GO_ON}")
        rest_s = min(LONGEST_REST_S, START_PAUSE_S * 4.0 ** (worker.refusals - 1))
        log.warning("a Ray worker is refused and rests for %.0f s: %s", rest_s, reason)
        self.replace(worker, rest_s)

    def close(self) -> None:
        for worker in self.workers:
            self._stop(worker)
        self.workers = []
        self._gpus.close()

    def _has_head(self, now: float) -> bool:
        """Whether the head answers; without it the workers go on with the units they have."""
        if head_answers(self._ray):
            self._silent_since = None
            return True
        if self._silent_since is None:
            self._silent_since = now
        if now - self._silent_since > SILENCE_S:
            raise EngineError(
                f"the head of the Ray cluster has not answered for {SILENCE_S:.0f} s. What is done is kept; when there "
                "is a cluster again, the same command goes on"
            )
        return False

    def _spread(self) -> None:
        """Gives every worker a GPU. Those that are too many on theirs move: at once, or after their unit."""
        for worker in self.workers:
            worker.leaving = False
            if not worker.node and worker.gpu and not worker.gpu.node:  # it would wait for a GPU that is gone
                self._stop(worker)
                worker.gpu = None
        self._wanted = self._gpus.wanted(self._placed())
        self._resize(self._number or sum(self._wanted.values()))
        for gpu, number in self._wanted.items():
            here = [worker for worker in self.workers if worker.gpu is gpu]
            here.sort(key=lambda worker: (not worker.queue, not worker.node, worker.starting is None))
            for worker in here[number:]:
                if worker.queue:
                    worker.leaving = True
                else:
                    self._stop(worker)
                    worker.gpu = None
        for worker in self.workers:
            if worker.gpu is None:
                worker.gpu = self._emptiest()

    def _placed(self) -> Counter[Gpu | None]:
        return Counter(worker.gpu for worker in self.workers)

    def _emptiest(self) -> Gpu | None:
        """The GPU that lacks most workers; None if none lacks any."""
        placed = self._placed()
        lacking = [gpu for gpu, number in self._wanted.items() if placed[gpu] < number]
        return max(lacking, key=lambda gpu: self._wanted[gpu] - placed[gpu], default=None)

    def _resize(self, wanted: int) -> None:
        """Adds or drops workers to get that many; those that have started stay."""
        surplus = max(0, len(self.workers) - wanted)
        for worker in [worker for worker in self.workers if not worker.node][:surplus]:
            self._stop(worker)
            self.workers.remove(worker)
        self.workers += [Worker() for _ in range(wanted - len(self.workers))]

    def _start(self, worker: Worker) -> None:
        if self._on_gpu and worker.gpu is None:
            return
        place = options_on(worker.gpu) if worker.gpu else {"num_cpus": 1, "num_gpus": 0}
        variables = environment(on_gpu=worker.gpu is not None)
        settings = {"runtime_env": {"env_vars": variables}, "max_restarts": 0, "max_task_retries": 0}
        worker.actor = self._actor.options(**place, **settings).remote(self._work, self._on_gpu)
        worker.starting = worker.actor.whereabouts.remote([code.name for code in self._code])
        worker.start_at = time.monotonic()

    def _stop(self, worker: Worker) -> None:
        if worker.actor is not None:
            self._ray.kill(worker.actor)
        worker.actor, worker.starting, worker.node = None, None, ""

    def _pause(self, worker: Worker, reason: str) -> None:
        self.replace(worker, rest_s=START_PAUSE_S)
        if not self._ever_started and all(other.failed_starts >= START_TRIES for other in self.workers):
            raise EngineError(f"no Ray worker can be started, the last failed with {reason}")
        log.warning("a Ray worker cannot be started, the next try is in %.0f s: %s", START_PAUSE_S, reason)

    def _say_if_waiting(self, places: int) -> None:
        """Warns when there is no worker and no place for one (or a place, but none starts), and when that is over."""
        now = time.monotonic()
        if any(worker.node for worker in self.workers):
            if self._said_waiting:
                log.warning("work goes on")
            self._said_waiting, self._seen_at = False, now
        elif not self._said_waiting and (not places or now - self._seen_at > SLOW_START_S):
            self._said_waiting = True
            unit = {None: "one worker per core or GPU", True: "workers on every GPU", False: "one worker per core"}
            wanted = f"{self._number} workers" if self._number else unit[self._on_gpu]
            if places:
                log.warning("no worker has started in %.0f s, %s wanted: is the cluster busy?", SLOW_START_S, wanted)
            else:
                left = "left" if self._ever_started else "yet"
                log.warning("no worker %s: waiting for machines to join, %s wanted", left, wanted)
