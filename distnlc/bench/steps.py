"""The steps of a long measurement, with a bar that says how much time is left.

The time left is the mean time of the steps so far, for each step that is left. So it is right as soon as the steps done
are like those to come: `mixed` puts the cells of a grid in such an order, small ones among large ones.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from distnlc.bench.cells import Cell
from distnlc.sinks.console import terminal

Step = TypeVar("Step")
ALL = 1e9
"""seconds of the past that the time left is estimated from; rich looks at the last 30 if nothing is said"""


def steps(name: str, todo: Sequence[Step]) -> Iterator[Step]:
    """Yields the steps while a bar stands on the terminal, if it is one."""
    with bar() as shown:
        yield from shown.track(todo, description=name)


def bar(clock: Callable[[], float] = time.monotonic) -> Progress:
    """The empty bar."""
    return Progress(
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
        speed_estimate_period=ALL,
        get_time=clock,
    )


def mixed(cells: Sequence[Cell]) -> list[Cell]:
    """The cells in another order: of the grid's, every nine in turn have each depth with each size once."""
    depths, sizes = (sorted({getattr(cell, name) for cell in cells}) for name in ("depth", "parameters"))

    def place(cell: Cell) -> tuple[str, bool, int, int]:
        depth, size = depths.index(cell.depth), sizes.index(cell.parameters)
        return cell.normalization, cell.skips, (size - depth) % len(sizes), depth

    return sorted(cells, key=place)


def so_far(done: int, of: int) -> str:
    """The beginning of a sentence on a measurement that is not complete."""
    return "" if done == of else f"{done} of {of} so far; "
