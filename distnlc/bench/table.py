"""The form of the tables that `bench` prints."""

from collections.abc import Sequence

from rich import box
from rich.table import Table


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
