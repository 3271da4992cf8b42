"""The mirror's one writer: a background thread between the study and MLflow.

In: views of committed units and the progress of the study. Out: the study's experiment in MLflow.
The thread does all the talking, so that a slow or dead server cannot slow, stop or change the study. After a
failure it connects again, asks which units are mirrored, and takes the others from the store. The same happens
on resume, so that nothing is lost and nothing is mirrored twice.
"""

import logging
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from distnlc.spec import StudySpec
from distnlc.tracking.address import default_uri, masked
from distnlc.tracking.experiment import Experiment, short
from distnlc.tracking.view import View

log = logging.getLogger(__name__)

Mirrored = tuple[str, str, View]
"""unit id, status, view"""

RETRY_S = 30.0
"""pause after a failure"""
REST = 4.0
"""pause after a unit, as a multiple of the processor time it took: the driver shares the interpreter with us"""
PROGRESS_S = 5.0
"""the summary run gets at most one point in this time"""
QUEUED_UNITS = 1000
"""units waiting to be mirrored; beyond it they are taken from the store later"""
MAX_FAILURES = 3
"""of one unit, after which the mirror goes without it"""
UNREACHABLE_S = 5.0
"""the longest that `close` waits while the last attempt to reach MLflow failed"""
PATIENCE_S = 3.0
"""after which `close` says what it waits for"""


class Tracker:
    """Mirrors one study. No method raises or waits for the server, but `close`, which waits a bounded time.

    Two functions that may read the store are called in the tracker's thread, `statuses` in `close` too: it gives
    unit id -> status of all committed units; `views` gives the units of a collection, one by one.
    """

    def __init__(
        self,
        spec: StudySpec,
        folder: Path,
        statuses: Callable[[], Mapping[str, str]],
        views: Callable[[Collection[str]], Iterable[tuple[str, View]]],
        *,
        uri: str | None = None,
    ) -> None:
        """`folder` is on this machine; it gets mlflow.db, if there is no `uri`, and the artifacts of a database."""
        self.uri = uri or default_uri(folder)
        self._spec = spec
        self._folder = folder.resolve()
        self._statuses = statuses
        self._views = views
        self._queue: queue.Queue[Mirrored] = queue.Queue(QUEUED_UNITS)
        self._overflowed = threading.Event()
        self._closing = threading.Event()
        self._progress: tuple[int, dict[str, float]] | None = None
        self._sent: tuple[int, dict[str, float]] | None = None
        self._sent_at = -math.inf
        self._complete = False
        self._report: Callable[[], str] | None = None
        self._failing = False
        self._whole = False
        self._mirrored: dict[str, str] | None = None
        """unit id -> status; None while that is not known"""
        self._told: set[str] = set()
        """units that were committed in this session and are still to be mirrored, in place of what is there of them"""
        self._failures: Counter[str] = Counter()
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def unit(self, unit_id: str, status: str, view: View) -> None:
        """Mirrors a unit that has just been committed, in place of what was there of it."""
        self._told.add(unit_id)
        try:
            self._queue.put_nowait((unit_id, status, view))
        except queue.Full:
            self._overflowed.set()

    def progress(
        self,
        *,
        done: int,
        failed: int,
        total: int,
        units_per_hour: float,
        seconds_left: float | None,
        headline: Mapping[str, float],
    ) -> None:
        """Shows how far the whole study is, units of earlier sessions included."""
        self._complete = done + failed >= total
        numbers = {**headline, "done": done, "failed": failed, "total": total}
        if units_per_hour > 0:  # a session that does nothing says nothing of the speed
            numbers["units_per_hour"] = units_per_hour
        if self._complete:
            seconds_left = 0.0
        if seconds_left is not None:
            numbers["seconds_left"] = seconds_left
        self._progress = (done + failed, numbers)

    def report(self, page: Callable[[], str]) -> None:
        """Shows the study's report, an HTML page; it is read in the tracker's thread once all units are there."""
        self._report = page

    def close(self, timeout_s: float = 30.0) -> bool:
        """Lets the thread finish, in `timeout_s` at most, UNREACHABLE_S while MLflow is out of reach.

        `math.inf` waits as long as MLflow answers. Ctrl-C ends the wait. True if the mirror has every unit; if it
        lacks any, or the report, a message says so, and running the study again completes it.
        """
        self._closing.set()
        started = time.monotonic()
        try:
            while self._thread.is_alive():
                waited_s = time.monotonic() - started
                if waited_s >= (min(timeout_s, UNREACHABLE_S) if self._failing else timeout_s):
                    break
                if waited_s >= PATIENCE_S and not self._failing:
                    self._warn("waiting", f"{self._behind()}; Ctrl-C leaves that to the next run of this study")
                self._thread.join(0.1)
        except KeyboardInterrupt:
            pass
        if (not self._whole or self._thread.is_alive()) and not self._failing:
            self._warn("incomplete", f"{self._behind()}; running the study again completes that")
        return self._whole

    def _behind(self) -> str:
        """What the mirror lacks."""
        if self._whole:
            return "the report is not yet in MLflow"
        with suppress(Exception):
            if (mirrored := self._mirrored) is not None:
                statuses = self._statuses()
                missing = sum(mirrored.get(unit_id) != status for unit_id, status in statuses.items())
                return f"{missing:,} of {len(statuses):,} units are not yet in MLflow"
        return "the MLflow mirror is not complete yet"

    def _work(self) -> None:
        while True:
            last_try = self._closing.is_set()
            try:
                self._mirrored = None
                committed = dict(self._statuses())  # before the driver adds to it
                experiment = Experiment(self._spec, self._folder, self.uri, self._warn)
                self._mirrored = experiment.mirrored(committed, partial(self._send_progress, experiment))
                self._follow(experiment, self._mirrored)
                self._whole = all(count < MAX_FAILURES for count in self._failures.values())
                if self._report is not None:  # last: it is the largest piece, and should it hang, all else is there
                    experiment.log_report(self._report)
                return
            except Exception as error:
                self._failing = True
                self._warn(
                    "failure",
                    f"cannot mirror to {masked(self.uri)}: {short(error)} "
                    "(the study goes on; if the mirror stays behind, running the study again completes it)",
                )
            if last_try:
                return
            self._closing.wait(RETRY_S)

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            log.warning("%s", message)

    def _follow(self, experiment: Experiment, mirrored: dict[str, str]) -> None:
        """Mirrors what comes in, and between that what only the store has, until the study is over."""
        stored = self._missing(mirrored)
        while True:
            over = self._closing.is_set()
            unit = self._next() or next(stored, None)
            if unit is not None:
                self._mirror(experiment, mirrored, *unit)
            elif self._overflowed.is_set():
                self._overflowed.clear()
                stored = self._missing(mirrored)
            elif over:
                break
            else:
                self._closing.wait(0.2)
            self._send_progress(experiment)
            self._failing = False
        experiment.remove_unfinished()  # of calls that were given up and came through late
        self._send_progress(experiment, at_once=True)
        experiment.finish(mirrored, self._complete)

    def _next(self) -> Mirrored | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _missing(self, mirrored: Mapping[str, str]) -> Iterator[Mirrored]:
        """The committed units that are not mirrored with their present status, or were done again."""
        statuses = self._statuses()
        wanted = {id_ for id_, status in statuses.items() if mirrored.get(id_) != status or id_ in self._told}
        if wanted:
            for unit_id, view in self._views(wanted):
                yield unit_id, statuses[unit_id], view

    def _mirror(self, experiment: Experiment, mirrored: dict[str, str], unit_id: str, status: str, view: View) -> None:
        is_there = mirrored.get(unit_id) == status and unit_id not in self._told
        if is_there or self._failures[unit_id] >= MAX_FAILURES:
            return
        started_s = time.thread_time()
        try:
            if mirrored.pop(unit_id, None) is not None:
                experiment.remove(unit_id)
            experiment.add(unit_id, status, view)
        except Exception as error:
            self._failures[unit_id] += 1
            if self._failures[unit_id] == MAX_FAILURES:
                self._warn("refused", f"the mirror goes without unit {unit_id}: {short(error)}")
            raise
        mirrored[unit_id] = status
        self._told.discard(unit_id)
        self._closing.wait(REST * (time.thread_time() - started_s))

    def _send_progress(self, experiment: Experiment, at_once: bool = False) -> None:
        progress, now = self._progress, time.monotonic()
        if progress is not None and progress is not self._sent and (at_once or now >= self._sent_at + PROGRESS_S):
            experiment.log_progress(*progress)
            self._sent, self._sent_at = progress, now
