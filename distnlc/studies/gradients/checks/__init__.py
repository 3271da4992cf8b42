"""Checks of what the paper claims without training (section 7): each family a file, each a unit of its own.

In: a part, which names its family, and a seed. Out: rows of the table `checks`. `part.networks` is how many networks
are measured, or what draws are multiplied by; `part.points` how many points a network with batch norm has. A family is
a function `run(part, seed) -> list[Check]`.
"""

from importlib import import_module
from typing import get_args

from distnlc.studies.gradients.records import CheckRow
from distnlc.studies.gradients.spec import Family, Spec

FAMILIES: tuple[str, ...] = get_args(Family)


def run(part: Spec, seed: int) -> list[CheckRow]:
    """The checks of the part's family; unit_id and part are the caller's to fill."""
    assert part.check is not None  # of a part of checks
    family = import_module(f"{__name__}.{part.check.replace('-', '_')}")
    return [CheckRow(unit_id="", part="", check=part.check, **each._asdict()) for each in family.run(part, seed)]
