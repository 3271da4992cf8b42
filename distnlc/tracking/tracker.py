"""The mirror's one writer: a background thread between the study and MLflow.

In: views of committed units and the progress of the study. Out: the study's experiment in MLflow.
The thread alone talks to MLflow, so that a slow or dead server cannot slow, stop or change the study. After a
failure it connects again, asks which units are mirrored, and takes the others from the store. It does the same
when a study is resumed, so that nothing is lost and nothing is mirrored twice.
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
from distnlc.tracking.address import TrackingError, default_uri, discard_unfinished, masked
from distnlc.tracking.experiment import Experiment, short
from distnlc.tracking.view import View

log = logging.getLogger(__name__)

Mirrored = tuple[str, str, View]
"""unit id, status, view"""

RETRY_S = 30.0
"""pause after a failure"""
REST = 4.0
"""pause after a unit, as a multiple of its processor time: the driver shares the interpreter with this thread"""
PROGRESS_S = 5.0
"""shortest time between two points of the summary run"""
QUEUED_UNITS = 1000
"""how many units may wait in the queue; any more are taken from the store later"""
MAX_FAILURES = 3
"""failures of one unit after which the mirror goes without it"""
UNREACHABLE_S = 5.0
"""how long `close` waits at most if the last attempt to reach MLflow failed"""
PATIENCE_S = 3.0
"""how long `close` waits before it says what it waits for"""


class Tracker:
    """Mirrors one study. No method waits for the server, except that `close` waits a bounded time.

    `statuses` gives unit id -> status of all committed units, `views` the units of a collection, one by one. Both may
    read the store and are called in the tracker's thread; `statuses` also in `behind` and `close`.
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
        """units committed in this session and not yet mirrored; they replace what the mirror has of them"""
        self._failures: Counter[str] = Counter()
        self._warned: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def unit(self, unit_id: str, status: str, view: View) -> None:
        """Mirrors a unit that has just been committed, replacing what the mirror has of it."""
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
        """Shows the progress of the whole study, units of earlier sessions included."""
        self._complete = done + failed >= total
        numbers = {**headline, "done": done, "failed": failed, "total": total}
        if units_per_hour > 0:  # a session with nothing to do has no speed to report
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
        """Lets the thread finish, within `timeout_s`, or within UNREACHABLE_S while MLflow is out of reach.

        `math.inf` waits as long as MLflow answers, 0 leaves the mirror as it is, without a word. Ctrl-C ends the wait.
        True if the mirror has every unit; if it lacks any, or the report, a message says so, and running the study
        again completes it.
        """
        self._closing.set()
        started = time.monotonic()
        try:
            while self._thread.is_alive():
                waited_s = time.monotonic() - started
                if waited_s >= (min(timeout_s, UNREACHABLE_S) if self._failing else timeout_s):
                    break
                if waited_s >= PATIENCE_S and not self._failing:
                    self._warn("waiting", f"{self._missing_parts()}; Ctrl-C leaves that to the next run of this study")
                self._thread.join(0.1)
        except KeyboardInterrupt:
            pass
        if self._thread.is_alive():  # it ends with the process
            discard_unfinished(self._folder)
        if (not self._whole or self._thread.is_alive()) and not self._failing and timeout_s > 0:
            self._warn("incomplete", f"{self._missing_parts()}; running the study again completes that")
        return self._whole

    def behind(self) -> int | None:
        """How many committed units the mirror lacks or shows as they were before; None while that is not known.

        Raises what `statuses` raises.
        """
        if (mirrored := self._mirrored) is None:
            return None
        return sum(self._lacks(mirrored, unit_id, status) for unit_id, status in self._statuses().items())

    def _lacks(self, mirrored: Mapping[str, str], unit_id: str, status: str) -> bool:
        """Whether the unit is still to be mirrored as it is now."""
        return mirrored.get(unit_id) != status or unit_id in self._told

    def _missing_parts(self) -> str:
        if self._whole:
            return "the report is not yet in MLflow"
        with suppress(Exception):  # a store that does not answer
            if (behind := self.behind()) is not None:
                return f"{behind:,} of {len(self._statuses()):,} units are not yet in MLflow"
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
                if self._report is not None:  # last, as the largest piece: should it hang, all else is there
                    experiment.log_report(self._report)
                return
            except TrackingError as error:
                self._failing = True
                self._warn("failure", f"no mirror in MLflow: {error} (the study goes on without it)")
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
        """Mirrors units as they come in, and in between those that only the store has, until the study is over."""
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
        experiment.remove_unfinished()  # left by calls that were given up and arrived late
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
        wanted = {unit_id for unit_id, status in statuses.items() if self._lacks(mirrored, unit_id, status)}
        if wanted:
            for unit_id, view in self._views(wanted):
                yield unit_id, statuses[unit_id], view

    def _mirror(self, experiment: Experiment, mirrored: dict[str, str], unit_id: str, status: str, view: View) -> None:
        if not self._lacks(mirrored, unit_id, status) or self._failures[unit_id] >= MAX_FAILURES:
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
