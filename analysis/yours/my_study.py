"""A kind of study of one's own: how far apart are the outputs of two networks that differ in their seed alone?

    distnlc kinds --check my_study.yaml --plugin my_study    # tries whether the kind keeps what every kind must
    distnlc run my_study.yaml --plugin my_study --out my-study

A spec, a row, a function that lists the units and one that does a unit. `distnlc/studies/template.py` says what else a
kind can have: data, a report, presets, the columns of a failed unit.
"""

import time
from dataclasses import dataclass
from typing import Any, Literal

from distnlc.plugins import Kind, Work
from distnlc.records import ATTEMPTS, DEVICE, INDEX, OK, PART, REASON, SECONDS, STATUS, UNIT_ID, Quantity, column
from distnlc.spec import PositiveInt, StudySpec, Unit, derive_seed, identity

DISTANCE = Quantity("distance", "output", "root mean square distance of the two networks' outputs", group="result")


class Spec(StudySpec):
    """Pairs of networks that differ in their seed. The fields fix the result; a part may set each of them otherwise."""

    kind: Literal["my-pairs"]  # without a default, so that it is part of every id
    pairs: PositiveInt = 5
    width: PositiveInt = 50

    def unit_identity(self) -> dict[str, Any]:
        """More pairs rename no unit."""
        return identity(self.model_copy(update={"pairs": 5}))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One pair. The first table of every kind has these eight columns, then its own."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    distance: float | None = column(DISTANCE, lead=1)


def units(spec: Spec) -> list[Unit]:
    """The pieces of work; the costliest start first."""
    return [
        Unit(spec.unit_id(part, index), part, index, cost=spec.part(part).width, label=f"{part}, pair {index}")
        for part in spec.part_names()
        for index in range(spec.part(part).pairs)
    ]


def run(spec: Spec, unit: Unit, work: Work) -> dict[str, list[Row]]:
    """Does one unit. The row must depend on (spec, unit) alone; seeds come from `derive_seed`."""
    import torch  # here, so that `status` and `kinds` need not wait for it

    began, width = time.perf_counter(), spec.part(unit.part).width
    points = torch.randn(100, width, generator=torch.Generator().manual_seed(derive_seed(spec.seed, "points")))
    outputs = []
    for number in range(2):
        seed = derive_seed(spec.seed, unit.part, unit.index, number)
        weights = torch.randn(width, width, generator=torch.Generator().manual_seed(seed)) / width**0.5
        outputs.append(torch.relu(points @ weights))
    distance = float((outputs[0] - outputs[1]).square().mean().sqrt())
    known: dict[str, Any] = {"unit_id": unit.unit_id, "part": unit.part, "index": unit.index, "device": work.device}
    return {"pairs": [Row(**known, status=OK, seconds=time.perf_counter() - began, distance=distance)]}


KIND = Kind(name="my-pairs", spec=Spec, tables={"pairs": Row}, units=units, run=run)
