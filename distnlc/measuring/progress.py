"""The line that says what is being measured, and how long that will take: from the share of the work that is done."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console

SURE = 0.02
"""share of the work, below which nothing is said about the rest"""


@contextmanager
def shown_progress() -> Iterator[Callable[[str, float], None]]:
    """Gives what `measure_network` tells its progress to; the line is gone at the end, and only a terminal shows it, as
    standard error, so that what is measured can go to a file."""
    began = time.monotonic()
    with Console(stderr=True, highlight=False).status("measuring") as status:
        yield lambda name, done: status.update(line(name, done, time.monotonic() - began))


def line(name: str, done: float, seconds: float) -> str:
    """The line: what is being measured and, from the seconds and the share of the work that are done, the time left."""
    if done < SURE:
        return f"measuring: {name}"
    left = timedelta(seconds=round(seconds * (1 - done) / done))
    return f"measuring: {name}, {done:.0%} done, about {left} left"
