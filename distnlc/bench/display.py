"""How measurements are shown: the form of their tables, and how far they are (a bar in a terminal, one quiet line every
half minute elsewhere)."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from distnlc.sinks.console import QUIET_LINE_S, duration, say, terminal


@contextmanager
def progress(part: str, expected_s: float) -> Iterator[Callable[[str, float], None]]:
    """Gives `begin(what, expected seconds)`, to be called before each step."""
    columns = SpinnerColumn(), BarColumn(10), TaskProgressColumn(), TimeRemainingColumn()
    bar = Progress(*columns, TextColumn("{task.description}"), console=terminal, transient=True)
    task = bar.add_task(part, total=expected_s)
    began = said_at = time.monotonic()
    done_s = step_s = 0.0

    def begin(what: str, expected_step_s: float) -> None:
        nonlocal done_s, step_s, said_at
        done_s, step_s = done_s + step_s, expected_step_s
        bar.update(task, completed=done_s, description=f"{part}: {what}")
        now = time.monotonic()
        if not terminal.is_terminal and done_s > 0 and now - said_at >= QUIET_LINE_S:
            said_at = now
            left_s = (now - began) * (expected_s / done_s - 1)
            say(f"{part}: {done_s / expected_s:.0%}, {duration(left_s)} left, now {what}")

    if terminal.is_terminal:
        with bar:
            yield begin
    else:
        yield begin


def plain_table(title: str, caption: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table, narrow enough for eighty columns: columns of words, then of numbers."""
    table = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
    )
    for name in words:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True, min_width=5)
    return table
