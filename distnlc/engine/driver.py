"""The loop that gets a study done: hands out units, retries or gives them up, commits each once, tells the sinks.

In: the units still to do, an executor, a store, the study kind, sinks. Out: rows in the store, an `Outcome`.
The longest units go first; results are committed before any sink hears of them. A unit that raises or exceeds its
time limit is tried again `retries` times; one whose worker dies is handed out again until MAX_LOSSES deaths. After
that a failed row stands for it, and the rest of the study goes on. A lost machine is not held against a unit: a
death counts only while the machine where it happened is still there.
"""

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from distnlc.engine.executor import Executor, Finished, Loss
from distnlc.engine.failures import failed_records
from distnlc.engine.signals import Signals
from distnlc.plugins import DataRecord, Kind
from distnlc.progress import Progress
from distnlc.records import FAILED, Records, unit_row
from distnlc.spec import StudySpec, Unit

log = logging.getLogger(__name__)

MAX_LOSSES = 3
"""deaths of its worker's process after which a unit is blamed"""
TICK_S = 0.5
"""the longest wait before the driver looks at time limits, the stop event and the clock"""
PROGRESS_S = 0.1
"""shortest time between two reports of progress to the sinks"""

Entry = tuple[Unit, str, Records]
"""a settled unit: its status in the store and its rows"""


@dataclass(frozen=True)
class Outcome:
    """The end of a call of `run_units`; units that are neither done nor failed are still to do."""

    done: int
    failed: int
    interrupted: bool
    seconds: float


class Store(Protocol):
    """The place where rows become permanent."""

    def commit(self, entries: Sequence[tuple[str, str, Records]], /) -> None:
        """Makes the rows of several units, (unit id, status, records) each, permanent: all or none."""


class Sink(Protocol):
    """An observer of the study. Its exceptions are logged once and cannot stop the study."""

    def committed(self, unit: Unit, records: Records) -> None:
        """Called once for each unit, failed ones included, when its rows are in the store."""

    def progress(self, progress: Progress) -> None:
        """Called two to ten times a second; with the serial executor, between units."""


def run_units(
    units: Sequence[Unit],
    *,
    executor: Executor,
    store: Store,
    kind: Kind[Any],
    spec: StudySpec,
    data: DataRecord = MappingProxyType({}),
    sinks: Sequence[Sink] = (),
    retries: int = 1,
    time_limit_s: float | None = None,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Does the units, and closes the executor however that ends.

    Ctrl-C, SIGTERM or `stop` end it promptly: units in flight are abandoned, and the outcome says `interrupted`.
    `data` is the data record that `Kind.prepare` returned. Raises what the store raises, and EngineError if no worker
    can be started.
    """
    ledger = _Ledger(units, retries, give_up=partial(failed_records, kind, spec, data), lives=executor.lives)
    audience = _Audience(sinks)
    started = clock()
    told_at = started - PROGRESS_S
    with Signals(stop or threading.Event()) as signals:
        try:
            while ledger.unsettled and not signals.stop.is_set():
                while ledger.should_submit(executor):
                    executor.submit(ledger.take())
                if clock() - told_at >= PROGRESS_S:
                    told_at = clock()
                    audience.progress(ledger.progress(executor, told_at - started))
                with signals.may_interrupt():
                    finished = executor.wait(TICK_S)
                if time_limit_s is not None:
                    finished = [*finished, *_stop_overdue(executor, ledger, time_limit_s)]
                entries = [entry for result in finished if (entry := ledger.settle(result))]
                if entries:
                    store.commit([(unit.unit_id, status, records) for unit, status, records in entries])
                for unit, _, records in entries:
                    audience.committed(unit, records)
        except KeyboardInterrupt:
            log.warning("interrupted: what was being worked on is abandoned, what is done is kept")
        finally:
            executor.close()
    elapsed_s = clock() - started
    audience.progress(ledger.progress(executor, elapsed_s))
    return Outcome(ledger.done, ledger.failed, interrupted=ledger.unsettled > 0, seconds=elapsed_s)


def _stop_overdue(executor: Executor, ledger: "_Ledger", time_limit_s: float) -> list[Finished]:
    """Cancels the units over their time limit; each counts as a failed attempt."""
    stopped = []
    for unit_id, seconds in list(executor.running().items()):
        if seconds > time_limit_s:
            executor.cancel(unit_id)
            if unit := ledger.in_flight.get(unit_id):
                reason = f"exceeded the time limit of {time_limit_s:g} s"
                stopped.append(Finished(unit, error=reason, seconds=seconds))
    return stopped


class _Ledger:
    """The units to do, in flight and settled, and the judgement of each result.

    Nothing is kept of a settled unit, so that memory does not grow with the units done.
    """

    def __init__(
        self, units: Sequence[Unit], retries: int, give_up: Callable[..., Records], lives: Callable[[str], bool]
    ) -> None:
        self.in_flight: dict[str, Unit] = {}
        self.done = 0
        self.failed = 0
        self._pending = deque(sorted(units, key=lambda unit: -unit.cost))
        self._unsettled = {unit.unit_id for unit in units}
        self._total = len(units)
        self._retries = retries
        self._give_up = give_up
        self._lives = lives
        self._failures: Counter[str] = Counter()
        self._losses: defaultdict[str, list[Loss]] = defaultdict(list)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._cost_left = sum(unit.cost for unit in units)
        self._measured_cost = 0.0
        self._measured_s = 0.0
        self._latest = ""

    @property
    def unsettled(self) -> int:
        return len(self._unsettled)

    def should_submit(self, executor: Executor) -> bool:
        """Whether to hand out a unit. A queue behind a busy worker hides the driver's own work, but the last units
        wait for a free worker."""
        queueing_pays = len(self._pending) > executor.slots
        return bool(self._pending) and executor.capacity > 0 and (queueing_pays or len(self.in_flight) < executor.slots)

    def take(self) -> Unit:
        unit = self._pending.popleft()
        self.in_flight[unit.unit_id] = unit
        return unit

    def settle(self, result: Finished) -> Entry | None:
        """The entry to commit; None if the unit is to be done again, or was settled before."""
        unit = result.unit
        self.in_flight.pop(unit.unit_id, None)
        if unit.unit_id not in self._unsettled:  # its worker had been taken for dead, and both copies came back
            return None
        self._seconds[unit.unit_id] += result.seconds
        if result.records is not None:
            self.done += 1
            self._measured_cost += unit.cost
            self._measured_s += result.seconds
            self._close(unit)
            return unit, unit_row(result.records).status, result.records
        reason = self._why_give_up(result)
        if reason is None:
            return None
        reason = reason.encode(errors="backslashreplace").decode()  # file names need not be valid text
        traceback = f"\n{result.traceback}" if result.traceback else ""
        log.warning("unit %s (%s) failed: %s%s", unit.unit_id, unit.label, reason, traceback)
        self.failed += 1
        attempts = self._failures[unit.unit_id] + len(self._losses[unit.unit_id])
        records = self._give_up(unit, reason, self._seconds[unit.unit_id], attempts)
        self._close(unit)
        return unit, FAILED, records

    def _why_give_up(self, result: Finished) -> str | None:
        """Why this was the last attempt; None if the unit is queued again."""
        unit = result.unit
        if result.error is not None:
            self._failures[unit.unit_id] += 1
            if self._failures[unit.unit_id] > self._retries:
                return result.error
            self._pending.append(unit)  # at the end, so that it does not hold up the others
            return None
        if result.lost:
            losses = self._losses[unit.unit_id]
            losses.append(result.lost)
            if len(losses) >= MAX_LOSSES:
                losses[:] = [loss for loss in losses if self._lives(loss.node)]
            if len(losses) >= MAX_LOSSES:
                why = "; ".join(dict.fromkeys(loss.why for loss in losses if loss.why))
                return f"worker died {len(losses)} times while it worked on this unit" + (f": {why}" if why else "")
        self._pending.appendleft(unit)
        return None

    def _close(self, unit: Unit) -> None:
        self._unsettled.remove(unit.unit_id)
        if unit.unit_id in self._losses and unit in self._pending:  # a copy that is waiting to be done again
            self._pending.remove(unit)
        for kept in (self._failures, self._losses, self._seconds):
            kept.pop(unit.unit_id, None)
        self._cost_left -= unit.cost
        self._latest = unit.label

    def progress(self, executor: Executor, elapsed_s: float) -> Progress:
        running = executor.running()
        return Progress(
            total=self._total,
            done=self.done,
            failed=self.failed,
            running=len(running),
            elapsed_s=elapsed_s,
            units_per_hour=3600 * self.done / elapsed_s if elapsed_s > 0 else 0.0,
            seconds_left=self._seconds_left(running, executor.slots),
            latest=self._latest,
            workers=executor.slots,
        )

    def _seconds_left(self, running: Mapping[str, float], slots: int) -> float | None:
        """The remaining work at the measured seconds per cost, shared by the slots; at least the longest unit's."""
        if self._measured_cost <= 0:
            return None
        s_per_cost = self._measured_s / self._measured_cost
        expected_s = {id_: s_per_cost * self.in_flight[id_].cost for id_ in running if id_ in self.in_flight}
        work_s = s_per_cost * self._cost_left - sum(min(running[id_], s) for id_, s in expected_s.items())
        longest_s = max([max(0.0, s - running[id_]) for id_, s in expected_s.items()], default=0.0)
        if self._pending:
            longest_s = max(longest_s, s_per_cost * self._pending[0].cost)
        return max(longest_s, work_s / max(1, slots))


class _Audience:
    """The sinks, and a warning for the first exception of each."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._warned: set[int] = set()

    def committed(self, unit: Unit, records: Records) -> None:
        for sink in self._sinks:
            self._tell(sink, partial(sink.committed, unit, records))

    def progress(self, progress: Progress) -> None:
        for sink in self._sinks:
            self._tell(sink, partial(sink.progress, progress))

    def _tell(self, sink: Sink, message: Callable[[], None]) -> None:
        try:
            message()
        except Exception as error:
            if id(sink) not in self._warned:
                self._warned.add(id(sink))
                name = type(sink).__name__
                log.warning("%s raised %s: %s (the study goes on)", name, type(error).__name__, error)
