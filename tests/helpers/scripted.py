"""An executor whose results and clock the test decides."""

from collections import deque
from collections.abc import Callable, Mapping

from distnlc.engine.driver import Outcome, run_units
from distnlc.engine.executor import Finished, Loss
from distnlc.spec import Unit
from tests.helpers.toys import KIND, SPEC, MemoryStore, row

Script = Callable[[Unit, int], list[Finished] | None]
DIED = Loss("node")


def good(unit: Unit, seconds: float = 1.0) -> Finished:
    return Finished(unit, records=row(unit, unit.index**2), seconds=seconds)


class ScriptedExecutor:
    """Workers of depth 2 in fake time: a unit takes `cost` seconds, then the script says how it ended.

    The script is given the unit and the number of the attempt; if it returns None the unit hangs for ever.
    """

    def __init__(self, script: Script = lambda unit, _: [good(unit, unit.cost)], slots: int = 1) -> None:
        self.script = script
        self.slots = slots
        self.now = 0.0
        self.queues: list[deque[tuple[Unit, float]]] = [deque() for _ in range(slots)]
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.most_held = 0
        self.closed = 0
        self.lost_nodes: set[str] = set()

    @property
    def capacity(self) -> int:
        return sum(2 - len(queue) for queue in self.queues)

    def submit(self, unit: Unit) -> None:
        assert self.capacity > 0
        self.submitted.append(unit.unit_id)
        min(self.queues, key=len).append((unit, self.now))
        self.most_held = max(self.most_held, *(len(queue) for queue in self.queues))

    def wait(self, timeout_s: float) -> list[Finished]:
        self.now += timeout_s
        results = []
        for queue in self.queues:
            if queue and self.now - queue[0][1] >= queue[0][0].cost:
                unit = queue[0][0]
                ended = self.script(unit, self.submitted.count(unit.unit_id))
                if ended is not None:
                    results += ended
                    self._next(queue)
        return results

    def running(self) -> Mapping[str, float]:
        return {queue[0][0].unit_id: self.now - queue[0][1] for queue in self.queues if queue}

    def cancel(self, unit_id: str) -> None:
        self.cancelled.append(unit_id)
        for queue in self.queues:
            if queue and queue[0][0].unit_id == unit_id:
                self._next(queue)

    def lives(self, node: str) -> bool:
        return node not in self.lost_nodes

    def close(self) -> None:
        self.closed += 1

    def _next(self, queue: deque[tuple[Unit, float]]) -> None:
        queue.popleft()
        if queue:
            queue[0] = (queue[0][0], self.now)


def drive(executor: ScriptedExecutor, work: list[Unit], store: MemoryStore, **settings: object) -> Outcome:
    return run_units(work, executor=executor, store=store, kind=KIND, spec=SPEC, clock=lambda: executor.now, **settings)
