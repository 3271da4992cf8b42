"""The display: quiet lines without a terminal, a live display in a terminal, nothing broken in two."""

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console as Terminal

from distnlc.progress import NOTHING_YET, Tally
from distnlc.sinks import console
from distnlc.sinks.console import Console, duration, say
from distnlc.spec import Unit
from distnlc.store import folder, place_of

CORRELATION = "correlation log nlc test error 0.625"
UNIT = Unit("u1", "part", 0, 1.0, "part 0: a net")
HALF = replace(NOTHING_YET, running=2, units_per_hour=120, seconds_left=200, workers=2)


@dataclass(frozen=True)
class Row:
    unit_id: str
    status: str
    reason: str | None = None


class Headline:
    """Two numbers once there is a unit that did not fail."""

    COLUMNS = ()

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        self.rows.append(row)

    def numbers(self) -> dict[str, float]:
        return {"best_test_error": 0.125, "correlation_log_nlc_test_error": 0.625} if self.rows else {}


def on(terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(console, "terminal", terminal)
    kind: Any = SimpleNamespace(headline=Headline)
    tally = Tally(kind, 10, [Row("u0", "ok")])
    return Console(tally, place_of(folder), lambda *options: " ".join(["distnlc again", *options]))


def test_a_quiet_line_every_half_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0]))
    said = io.StringIO()
    with on(Terminal(file=said, width=40), tmp_path, monkeypatch) as shown:
        for _ in range(140):
            now[0] += 0.5
            shown.progress(HALF)
    assert (
        said.getvalue()
        == f"1/10 2 running on 2 workers, 120/h, 3:20 min left, best test error 0.125, {CORRELATION}\n" * 2
    )


def test_in_a_terminal_eighty_columns_hold_the_live_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    with on(Terminal(file=said, width=80, force_terminal=True), tmp_path, monkeypatch) as shown:
        shown.progress(HALF)
        shown.bar.refresh()
        shown.committed(UNIT, {"architectures": [Row("u1", "failed", "out of memory")]})
    lines = said.getvalue()
    assert "1/10" in lines
    assert "2 running on 2 workers, 120/h, 3:20 min left" in lines
    assert f"best test error 0.125, {CORRELATION}" in lines
    assert "failed: part 0: a net: out of memory; again: distnlc again --unit u1" in lines


def test_long_lines_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    for in_terminal in (True, False):
        said = io.StringIO()
        monkeypatch.setattr(console, "terminal", Terminal(file=said, width=20, force_terminal=in_terminal))
        say("distnlc run " + "a/very/long/path/" * 10 + " [1] --out x")
        assert said.getvalue() == "distnlc run " + "a/very/long/path/" * 10 + " [1] --out x\n"


def test_the_progress_file_is_there_while_the_study_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0]))
    with on(Terminal(file=io.StringIO()), tmp_path, monkeypatch) as shown:
        shown.place.lock()
        now[0] += 10
        shown.progress(HALF)
        now[0] += 50
        at_work = console.at_work_on(shown.place)
        assert at_work is not None
        assert at_work.progress is not None
        assert at_work.who == f"process {os.getpid()} on {os.uname().nodename}"
        assert (at_work.progress.running, at_work.progress.seconds_left) == (2, 150)
        now[0] += 1000  # a serial unit can take that long
        assert console.at_work_on(shown.place) is not None
        shown.place.unlock()  # as its end does, however it ends
        assert console.at_work_on(shown.place) is None
    assert not (tmp_path / "progress.json").exists()


def test_a_report_from_another_machine_counts_while_it_is_recent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock may not reach this one."""
    now = [1000.0]
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0]))
    with on(Terminal(file=io.StringIO()), tmp_path, monkeypatch) as shown:
        shown.progress(HALF)
        monkeypatch.setattr(console.socket, "gethostname", lambda: "elsewhere")
        assert console.at_work_on(shown.place) is not None
        now[0] += console.SILENCE_S
        assert console.at_work_on(shown.place) is None


def test_the_lock_tells_who_is_at_work_and_not_the_report_of_one_who_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be somebody else's now: each process of a restarted container has the number that it had."""
    left = on(Terminal(file=io.StringIO()), tmp_path, monkeypatch)
    left.write(HALF)
    assert console.at_work_on(left.place) is None, "process and host of the report are this test's"
    monkeypatch.setattr(folder, "this_writer", lambda: "process 1 on container")
    writer = place_of(tmp_path)
    writer.lock()
    assert console.at_work_on(left.place) == console.AtWork("process 1 on container", None)
    writer.unlock()


def test_a_study_without_workers_says_that_it_waits() -> None:
    assert console.running(HALF) == "2 running on 2 workers"
    assert console.running(replace(HALF, workers=0)) == console.NO_WORKER


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99.4, "99 s"), (100, "1:40 min"), (3599.6, "1:00 h"), (18_240, "5:04 h"), (90_000, "1 day 1 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
