"""Prints the tables of a study kind in Markdown: every column with its type, unit and meaning, as its rows declare it.
After them, the metrics that a study can name by groups.

python columns.py KIND
"""

import sys

from distnlc.metrics.groups import GROUPS, measured_by
from distnlc.plugins import kind_of
from distnlc.records import columns_of, quantities


def page(kind: str) -> str:
    """One section per table."""
    lines = []
    for table, row_type in kind_of(kind).tables.items():
        about, types = (row_type.__doc__ or "").strip(), columns_of(row_type)
        lines += [f"## `{table}`", "", about, "", "| column | type | unit | meaning |", "|---|---|---|---|"]
        for name, quantity in quantities(row_type).items():
            lines.append(f"| `{name}` | {types[name]} | {quantity.unit} | {quantity.about or quantity.label} |")
        lines.append("")
    return "\n".join(lines)


def groups() -> str:
    """One row for each metric of a group."""
    lines = ["| `name` | group | unit | meaning |", "|---|---|---|---|"]
    for group in GROUPS:
        for name, quantity in measured_by([group]).items():
            about = (quantity.about or quantity.label).replace("|", "\\|")
            lines.append(f"| `{name}` | {group} | {quantity.unit} | {about} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(sys.argv[1]))
    print(groups())
