"""What people see of a running study: a live line in a terminal, one quiet line every 30 seconds elsewhere.

`Console` is a sink of the driver. It also leaves `progress.json` in the study folder, which `distnlc status` reads from
another shell.
"""

import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from distnlc.engine.driver import Progress
from distnlc.records import FAILED, Records
from distnlc.spec import Unit
from distnlc.studies import StudyKind

QUIET_LINE_S = 30.0
PROGRESS_FILE_S = 2.0
PROGRESS_FILE = "progress.json"


class Console:
    """Shows progress over the whole study: `rows` are those of the first table that were there before."""

    def __init__(self, kind: StudyKind, total: int, rows: Sequence[Any], folder: Path, terminal: Terminal) -> None:
        self.kind, self.total, self.folder, self.terminal = kind, total, folder, terminal
        self.rows = {row.unit_id: row for row in rows}
        self.last: Progress | None = None
        self.said_at = time.monotonic()
        self.written_at = 0.0
        columns: list[str | ProgressColumn] = [SpinnerColumn(), BarColumn(), MofNCompleteColumn()]
        self.bar = Bar(*columns, TextColumn("{task.description}"), console=terminal, transient=True)
        self.task = self.bar.add_task("starting workers", total=total, completed=len(self.rows))

    def __enter__(self) -> "Console":
        if self.terminal.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()
        (self.folder / PROGRESS_FILE).unlink(missing_ok=True)

    @property
    def failed(self) -> int:
        return sum(row.status == FAILED for row in self.rows.values())

    def headline(self) -> dict[str, float]:
        return self.kind.headline(list(self.rows.values()))

    def committed(self, unit: Unit, records: Records) -> None:
        row = next(iter(records.values()))[0]
        self.rows[unit.unit_id] = row
        if row.status == FAILED:
            self.terminal.print(Text(f"failed: {unit.label}: {row.reason}", style="red"))

    def progress(self, progress: Progress) -> None:
        self.last = progress
        now = time.monotonic()
        line = self.line(progress)
        if self.terminal.is_terminal:
            self.bar.update(self.task, completed=len(self.rows), description=line)
        elif now - self.said_at >= QUIET_LINE_S:
            self.said_at = now
            self.terminal.print(Text(f"{len(self.rows)}/{self.total} {line}"), soft_wrap=True)
        if now - self.written_at >= PROGRESS_FILE_S:
            self.written_at = now
            self.write(progress)

    def line(self, progress: Progress) -> str:
        left = "time left unknown" if progress.seconds_left is None else f"{duration(progress.seconds_left)} left"
        numbers = [f"{name.replace('_', ' ')} {value:.3g}" for name, value in self.headline().items()]
        failed = [f"{self.failed} failed"] if self.failed else []
        counts = [f"{progress.running} running", f"{progress.units_per_hour:.0f}/h", left]
        return ", ".join([*counts, *failed, *numbers])

    def write(self, progress: Progress) -> None:
        """Aside and renamed, so that a reader never sees half of it. A full disk must not stop the study here."""
        facts = asdict(progress) | {"host": socket.gethostname(), "pid": os.getpid(), "written_at": time.time()}
        aside = self.folder / f".{PROGRESS_FILE}"
        try:
            aside.write_text(json.dumps(facts))
            aside.replace(self.folder / PROGRESS_FILE)
        except OSError:
            pass


def read_progress(folder: Path) -> dict[str, Any] | None:
    """What a running driver last wrote, or None if none is running (or it was killed over a minute ago)."""
    try:
        facts: dict[str, Any] = json.loads((folder / PROGRESS_FILE).read_text())
    except (OSError, ValueError):
        return None
    return facts if time.time() - facts["written_at"] < 60 else None


def duration(seconds: float) -> str:
    """12 s, 3:20 min, 5:04 h, 3 days 4 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    if whole.days:
        return f"{whole.days} days {hours} h"
    return f"{hours}:{rest // 60:02d} h" if hours else f"{rest // 60}:{rest % 60:02d} min"
