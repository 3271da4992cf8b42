"""The display of a running study: live in a terminal, one quiet line every 30 seconds elsewhere.

`Console` is a sink of the driver. It also leaves `progress.json` in the study folder, which `distnlc status` reads
from another shell.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from distnlc.progress import NOTHING_YET, Progress, Tally
from distnlc.records import FAILED, OK, Records, unit_row
from distnlc.spec import Unit
from distnlc.store import Place, StoreError

QUIET_LINE_S = 30.0
PROGRESS_FILE_S = 1.0
WRITING_SHARE = 30
"""at most one part in so many of the time goes to the progress file: a slow store is written less often"""
PROGRESS_FILE = "progress.json"
NO_WORKER = "no worker now: waiting for machines to join, or for one to start"
SILENCE_S = 120.0
"""silence after which a driver on another host is taken for dead"""
terminal = Terminal(highlight=False)


def say(text: str, style: str = "") -> None:
    """One message; its lines are never broken, so that paths and commands in it can be copied."""
    terminal.print(Text(printable(text), style), soft_wrap=True)


def printable(text: str) -> str:
    """The text with control characters spelled out: a study may come from anybody, and they command a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


class Console:
    """Shows progress over the whole study; a context in which the units are done."""

    def __init__(self, tally: Tally, place: Place, again: Callable[..., str]) -> None:
        """`again`: options -> the command that continues the study with them."""
        self.tally, self.place, self.again = tally, place, again
        self.said_at = time.monotonic()
        self.write_at = 0.0
        text = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True))
        columns = SpinnerColumn(), BarColumn(10), MofNCompleteColumn(), text
        self.bar = Bar(*columns, console=terminal, transient=True, expand=True, refresh_per_second=4)
        self.task = self.bar.add_task("starting", total=tally.total, completed=tally.settled)

    def __enter__(self) -> "Console":
        self.write(NOTHING_YET)
        if terminal.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if terminal.is_terminal:
            self.bar.stop()
        self.forget_progress()

    def forget_progress(self) -> None:
        """Removes the progress file: nobody is at work any more."""
        with suppress(OSError, StoreError):
            self.place.remove([PROGRESS_FILE, f"{PROGRESS_FILE}.aside"])  # the latter after a kill

    def committed(self, unit: Unit, records: Records) -> None:
        row = unit_row(records)
        if row.status == FAILED:
            say(failure(unit.label, row.reason, self.again("--unit", unit.unit_id)), style="red")

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if terminal.is_terminal:
            self.bar.update(self.task, completed=self.tally.settled, description=self.line(progress, between="\n"))
        elif now - self.said_at >= QUIET_LINE_S:
            self.said_at = now
            say(f"{self.tally.settled}/{self.tally.total} {self.line(progress)}")
        if now >= self.write_at:
            self.write(progress)
            self.write_at = now + max(PROGRESS_FILE_S, WRITING_SHARE * (time.monotonic() - now))

    def line(self, progress: Progress, between: str = ", ") -> str:
        """Counts and pace, then the headline."""
        counts = [running(progress), pace(progress.units_per_hour, progress.seconds_left)]
        others = [
            f"{count:,} {status}" for status, count in sorted(self.tally.statuses.items()) if status != OK and count
        ]
        parts = ", ".join([*counts, *others]), ", ".join(named_numbers(self.tally.headline.numbers()))
        return between.join(part for part in parts if part)

    def write(self, progress: Progress) -> None:
        """Writes the progress file. A full disk or a store out of reach must not stop the study here."""
        facts = asdict(progress) | {"host": socket.gethostname(), "pid": os.getpid(), "written_at": time.time()}
        with suppress(OSError, StoreError):
            self.place.write(PROGRESS_FILE, json.dumps(facts).encode())


@dataclass(frozen=True)
class AtWork:
    """The driver at work on a study, and its last report."""

    who: str
    """such as 'process 12 on HOST'"""
    progress: Progress | None
    """None before the first report, and while the study is concluded; `seconds_left` is counted from now"""


def at_work_on(place: Place) -> AtWork | None:
    """The driver at work on this study; None if none is at work: nobody holds the study's lock.

    Some file systems keep a lock from other machines, so that a recent report from one of these counts, too.
    """
    try:
        writer = place.writer()
    except (OSError, StoreError):
        writer = None
    report = _read_report(place)
    if report is None:
        return AtWork(writer, None) if writer else None
    host, who, age_s, progress = report
    if writer is None and (host == socket.gethostname() or age_s >= SILENCE_S):
        return None
    return AtWork(writer or who, progress if writer in (None, who) else None)


def _read_report(place: Place) -> tuple[str, str, float, Progress] | None:
    """The host, the process and host, the age in seconds and the progress of a report; None if there is none."""
    try:
        facts: dict[str, Any] = json.loads(place.read(PROGRESS_FILE))
        host, pid, age_s = str(facts.pop("host")), int(facts.pop("pid")), time.time() - facts.pop("written_at")
        progress = Progress(**facts)
        pace(progress.units_per_hour, progress.seconds_left)
        if progress.seconds_left is not None:
            progress = replace(progress, seconds_left=max(0.0, progress.seconds_left - age_s))
    except (OSError, ValueError, ArithmeticError, TypeError, AttributeError, LookupError, RecursionError, StoreError):
        return None  # nobody is at work, or the file is not distnlc's
    return host, f"process {pid} on {host}", age_s, progress


def running(progress: Progress) -> str:
    """Text such as '2 running on 3 workers', or that nothing can run now."""
    if progress.workers == 0:
        return NO_WORKER
    return f"{progress.running} running on {progress.workers} worker{'' if progress.workers == 1 else 's'}"


def failure(label: str, reason: str | None, command: str) -> str:
    """The line about a unit that was given up."""
    return f"failed: {label}: {reason}; again: {command}"


def pace(units_per_hour: float, seconds_left: float | None) -> str:
    """Text such as '120/h, 3:20 min left'."""
    if seconds_left is None:
        return "time left not known yet"
    return f"{units_per_hour:.0f}/h, {duration(seconds_left)} left"


def named_numbers(numbers: Mapping[str, float]) -> list[str]:
    return [f"{name.replace('_', ' ')} {value:.3g}" for name, value in numbers.items()]


def duration(seconds: float) -> str:
    """Text such as 12 s, 3:20 min, 5:04 h, 3 days 4 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    if whole.days:
        return f"{whole.days} {'day' if whole.days == 1 else 'days'} {hours} h"
    return f"{hours}:{rest // 60:02d} h" if hours else f"{rest // 60}:{rest % 60:02d} min"
