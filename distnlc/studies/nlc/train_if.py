"""`train_if`: which architectures are worth training, told by quantities that are known before training.

In: the spec's text, such as `init_nlc between 1 and 5 and init_bias below 10`, and an architecture's values at
initialization: its columns, those of the metric groups, those of the user's own metrics. Out: why it is not trained, if
it is not. Section 4 of the NLC study finds the best networks between 1 and 3.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distnlc.metrics.groups import group_of, measured_by
from distnlc.metrics.spec import MetricsSpec
from distnlc.records import quantities
from distnlc.studies.nlc.records import ArchitectureRow

NEXT = re.compile(r"(?P<name>\S.*?) (?P<where>between (?P<low>\S+) and|below|above) (?P<end>\S+)(?: and |$)")
"""one condition; a metric's name may have spaces in it"""
EXAMPLE = "init_nlc between 1 and 5 and init_bias below 10"
EXPECTED = (
    "expected NAME between LOW and HIGH, NAME below NUMBER or NAME above NUMBER, or several of these joined by `and`, "
    f"such as {EXAMPLE!r}"
)
WALKED = {"init_local_lipschitz", "init_linear_region", "init_relative_diameter"}
"""columns that are measured only with `metrics.walk_batches`"""
DRAWN = ("depth", "width")
"""columns of drawn architectures alone"""
COLUMNS = (
    *DRAWN,
    "parameters",
    *(name for name, quantity in quantities(ArchitectureRow).items() if quantity.group == "initial"),
)


@dataclass(frozen=True)
class Condition:
    """One quantity's range: between two numbers, both of them included, or below or above one, without it."""

    name: str
    where: str
    """between, below or above"""
    ends: tuple[float, ...]

    def holds(self, value: float | None) -> bool:
        """What is missing, or is not a number, is in no range."""
        if value is None:
            return False
        low, high = self.ends[0], self.ends[-1]
        return {"between": low <= value <= high, "below": value < high, "above": value > low}[self.where]

    def why_not(self, value: float | None) -> str:
        """The words for a value that is not in the range."""
        found = "was not measured" if value is None else "is not a number" if math.isnan(value) else f"is {value:.4g}"
        return f"{self.name} {found}, not {self.where} {' and '.join(f'{end:g}' for end in self.ends)}"


@dataclass(frozen=True)
class TrainIf:
    """Train the architectures for which all conditions hold."""

    conditions: tuple[Condition, ...]

    def why_not(self, known: Mapping[str, Any]) -> str | None:
        """The reason for the record; None if the architecture is to be trained. `known`: name -> value."""
        missed = [
            each.why_not(known.get(each.name)) for each in self.conditions if not each.holds(known.get(each.name))
        ]
        return f"not trained: {'; '.join(missed)}" if missed else None


def parse_train_if(text: str) -> TrainIf:
    """Raises ValueError for a text of another form, or a range with nothing in it."""
    rest, conditions = " ".join(text.split()), list[Condition]()
    while rest or not conditions:
        match = NEXT.match(rest)
        if match is None:
            raise ValueError(EXPECTED)
        name, where, *ends = match.groups()
        conditions.append(Condition(name, where.split()[0], _numbers(name, ends)))
        rest = rest[match.end() :]
    return TrainIf(tuple(conditions))


def _numbers(name: str, ends: Sequence[str | None]) -> tuple[float, ...]:
    """Raises ValueError unless they are numbers in ascending order."""
    try:
        numbers = tuple(float(end) for end in ends if end is not None)
    except ValueError:
        raise ValueError(f"{name}: expected numbers, such as {EXAMPLE!r}") from None
    if not numbers[0] <= numbers[-1]:  # nor does nan
        raise ValueError(f"{name}: LOW <= HIGH must hold, but got {' and '.join(f'{end:g}' for end in numbers)}")
    return numbers


def check_train_if(text: str, metrics: MetricsSpec, *, of_family: bool = False) -> None:
    """Raises ValueError for a text that `parse_train_if` refuses, and for a quantity that is not measured. of_family:
    whether architectures are of a family, whose depth and width are not known by being drawn."""
    columns = [name for name in COLUMNS if not (of_family and name in DRAWN)]
    built_in = dict.fromkeys([*columns, *measured_by(metrics.groups)])  # the group size has some columns' names
    own = [metric.name for metric in metrics.extra]
    known = [*built_in, *own]
    for name in (condition.name for condition in parse_train_if(text).conditions):
        if name not in known and (group := group_of(name)):
            raise ValueError(f"{name!r} is measured where metrics.groups names {group}, which it does not")
        if name not in known:
            raise ValueError(f"{name!r} is not known before training; what is: {', '.join(known)}")
        if known.count(name) > 1:
            raise ValueError(f"{name!r} is a column and a metric of your own; give that another name")
        if name in WALKED and not metrics.walk_batches:
            raise ValueError(f"{name!r} needs metrics.walk_batches >= 1, but it is 0")
