"""How long units take: networks on noise measured here on fewer points, the others by their multiplications."""

import time
from collections.abc import Sequence

from distnlc.spec import Unit, canonical_json
from distnlc.studies.gradients.noise import measure
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.units import cost

FEW = 1000
"""points that are tried"""
COMMON = {"kind": "gradients", "normalization": "layer", "nonlinearity": "tanh"}
"""a network on noise that stands for the speed of trainings and checks"""


def seconds(spec: Spec, todo: Sequence[Unit], device: str) -> list[float]:
    """The time of each unit, on one core, whatever the device."""
    parts = {name: spec.part(name) for name in dict.fromkeys(unit.part for unit in todo)}
    each = _Trials()
    found = {
        name: each.seconds(part) if part.experiment == "noise" else cost(part) * each.seconds_of_one
        for name, part in parts.items()
    }
    return [found[unit.part] for unit in todo]


class _Trials:
    """Networks that were tried, one of each sort."""

    def __init__(self) -> None:
        common = Spec.parse(COMMON)
        self._found: dict[str, float] = {}
        self.seconds(common)  # what is made once is made here
        self._found.clear()
        self.seconds_of_one = self.seconds(common) / cost(common)

    def seconds(self, part: Spec) -> float:
        """The time of a network with all of the part's points: that of fewer, and more where there are more."""
        tried = part.model_copy(update={"points": min(part.points, FEW)})
        sort = canonical_json(tried.unit_identity())
        if sort not in self._found:
            began = time.perf_counter()
            measure(tried, 0)
            self._found[sort] = time.perf_counter() - began
        return self._found[sort] * part.points / tried.points
