"""`train_if`: which architectures are worth training, told by one quantity that is known before training.

In: the spec's text, such as `init_nlc between 1 and 5`, and an architecture's columns at initialization. Out: why it
is not trained, if it is not. Section 4 of the NLC study finds the best networks between 1 and 3.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distnlc.records import quantities
from distnlc.studies.nlc.records import ArchitectureRow

FORM = re.compile(r"(\w+) between (\S+) and (\S+)")
EXAMPLE = "init_nlc between 1 and 5"
WALKED = {"init_local_lipschitz", "init_linear_region", "init_relative_diameter"}
"""columns that are measured only with `metrics.walk_batches`"""
COLUMNS = (
    "depth",
    "width",
    "parameters",
    *(name for name, quantity in quantities(ArchitectureRow).items() if quantity.group == "initial"),
)


@dataclass(frozen=True)
class TrainIf:
    """Train the architectures whose `column` lies in [low, high], both ends included."""

    column: str
    low: float
    high: float

    def why_not(self, row: Mapping[str, Any]) -> str | None:
        """The reason for the record; None if it is to be trained. What is not a number is in no range."""
        value = row[self.column]
        if value is not None and self.low <= value <= self.high:
            return None
        found = "was not measured" if value is None else "is not a number" if math.isnan(value) else f"is {value:.4g}"
        return f"not trained: {self.column} {found}, not between {self.low:g} and {self.high:g}"


def parse_train_if(text: str) -> TrainIf:
    """Raises ValueError for a text of another form, an unknown column, or a range with nothing in it."""
    match = FORM.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"expected COLUMN between LOW and HIGH, such as {EXAMPLE!r}")
    column, *ends = match.groups()
    if column not in COLUMNS:
        raise ValueError(f"{column!r} is not known before training; columns that are: {', '.join(COLUMNS)}")
    try:
        low, high = map(float, ends)
    except ValueError:
        raise ValueError(f"expected two numbers, such as {EXAMPLE!r}") from None
    if not low <= high:
        raise ValueError(f"LOW <= HIGH must hold, but got {low:g} and {high:g}")
    return TrainIf(column, low, high)
