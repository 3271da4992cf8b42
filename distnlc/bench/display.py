"""How far a measurement is: a bar in a terminal, one quiet line every half minute elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from distnlc.sinks.console import QUIET_LINE_S, duration, say, terminal


@contextmanager
def progress(part: str, expected_s: float) -> Iterator[Callable[[str, float], None]]:
    """Gives `begin(step, expected seconds)`, to be called before each step."""
    columns = SpinnerColumn(), BarColumn(10), TaskProgressColumn(), TimeRemainingColumn()
    bar = Progress(
        *columns,
        TextColumn("{task.description}"),
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
    )
    task = bar.add_task(part, total=expected_s)
    began = said_at = time.monotonic()
    done_s = step_s = 0.0

    def begin(step: str, expected_step_s: float) -> None:
        nonlocal done_s, step_s, said_at
        done_s, step_s = done_s + step_s, expected_step_s
        bar.update(task, completed=done_s, description=f"{part}: {step}")
        now = time.monotonic()
        if not terminal.is_terminal and done_s > 0 and now - said_at >= QUIET_LINE_S:
            said_at = now
            left_s = (now - began) * (expected_s / done_s - 1)
            say(f"{part}: {done_s / expected_s:.0%}, {duration(left_s)} left, now {step}")

    with bar:
        yield begin
