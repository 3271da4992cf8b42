"""Rows of words and numbers as plain text in columns."""

from collections.abc import Sequence


def aligned(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lines of columns: words to the left, numbers (three digits; None is a dash) to the right."""
    cells = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(titles, *cells, strict=True)]
    words = [all(isinstance(row[place], str) for row in rows) for place in range(len(titles))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(line, widths, words, strict=True)
        ).rstrip()
        for line in [list(titles), *cells]
    )


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)
