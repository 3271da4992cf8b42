"""The units of a study of the scaling calculus, their seeds, and what is known of each before work.

Seeds come from the study's seed, the part, the set and a number, never from the initialization: all of a set-up's
initializations have the same standard normal weights, order of points and loss (additions A7).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed, short_id
from distnlc.studies.scaling.cost import cost
from distnlc.studies.scaling.operation_names import OPERATIONS
from distnlc.studies.scaling.spec import Experiment, Spec

WEIGHTINGS = ("half", "rescale")
"""alpha^2 and beta^2 of residual blocks: 1/2 each, or RescaleNet's"""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The subject of one unit; None where a field does not apply."""

    number: int
    """of the set-up or the seed, from 0"""
    operation: str | None = None
    dataset: str | None = None
    """as the spec names it"""
    init: str | None = None
    variant: str | None = None
    weighting: str | None = None
    block_scaled: bool | None = None

    @property
    def label(self) -> str:
        """A few words for people."""
        scaled = {True: "scaled", False: "unscaled", None: None}[self.block_scaled]
        words = (self.operation, self.dataset, self.variant, self.init, self.weighting, scaled)
        return ", ".join([*(word for word in words if word), *([] if self.operation else [f"number {self.number}"])])


def tasks(part: Spec) -> list[Task]:
    """The part's units, in order."""
    return list(_TASKS[part.experiment](part))


def _ratio(part: Spec) -> Iterator[Task]:
    for number in range(part.ratio.setups):
        yield Task(number=number, init="geometric")


def _blocks(part: Spec) -> Iterator[Task]:
    for number, init in product(range(part.blocks.setups), part.inits):
        yield Task(number=number, init=init)


def _libsvm(part: Spec) -> Iterator[Task]:
    for name, number, init in product(part.libsvm.sets, range(part.libsvm.seeds), part.inits):
        yield Task(number=number, dataset=name, init=init)


def _alexnet(part: Spec) -> Iterator[Task]:
    for number, init in product(range(part.alexnet.seeds), part.inits):
        yield Task(number=number, dataset="cifar10", init=init)


def _residual(part: Spec) -> Iterator[Task]:
    group = part.residual
    for variant, number, weighting, scaled in product(group.variants, range(group.setups), WEIGHTINGS, (False, True)):
        yield Task(number=number, init="geometric", variant=variant, weighting=weighting, block_scaled=scaled)


def _resnet(part: Spec) -> Iterator[Task]:
    for number, scheme in product(range(part.resnet.seeds), part.resnet.schemes):
        common = {"dataset": "cifar10", "init": "geometric", "variant": "widen-subsample", "weighting": "rescale"}
        yield Task(number=number, **common, block_scaled=scheme == "scaled")


_TASKS: Mapping[Experiment, Callable[[Spec], Iterable[Task]]] = {
    "operations": lambda _: [Task(number=0, operation=name) for name in OPERATIONS],
    "ratio": _ratio,
    "blocks": _blocks,
    "libsvm": _libsvm,
    "alexnet": _alexnet,
    "residual": _residual,
    "resnet": _resnet,
}


def units(spec: Spec) -> list[Unit]:
    """All units of the study."""
    found = []
    for name in spec.part_names():
        part = spec.part(name)
        fixed = short_id(part.fixed())
        for index, task in enumerate(tasks(part)):
            key = "u" + short_id([name, fixed, asdict(task)])
            found.append(Unit(key, name, index, cost(part, task.dataset), f"{name}: {task.label}"))
    return found


def seed_of(part: Spec, name: str, task: Task) -> int:
    """The seed of a unit of the part `name`: one for all initializations, weightings and scalings of a set-up."""
    return derive_seed("scaling", part.seed, name, task.operation or task.dataset or task.variant or "", task.number)


def known(spec: Spec, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """The columns of a unit's row that say what it is about."""
    part = spec.part(unit.part)
    task = tasks(part)[unit.index]
    row = asdict(task)
    number = row.pop("number")
    row["seed" if task.dataset else "setup"] = None if task.operation else number
    facts = data.get(unit.part, {})
    facts = facts.get("sets", {}).get(task.dataset, facts)
    return row | {"points": facts.get("train"), "d_in": facts.get("d_in"), "classes": facts.get("classes")}


def rows(spec: Spec) -> dict[str, int]:
    """About how many rows each table will have."""
    counts = dict.fromkeys(("units", "layers", "blocks", "runs", "epochs"), 0)
    for name in spec.part_names():
        part = spec.part(name)
        number, group = len(tasks(part)), getattr(part, part.experiment)
        counts["units"] += number
        counts["layers"] += number * LAYERS[part.experiment]
        if part.experiment in ("residual", "resnet"):
            counts["layers"] += number * 4 * group.blocks
        counts["blocks"] += number * 15 * (part.experiment == "blocks")
        if part.experiment in ("libsvm", "alexnet", "resnet"):
            runs = 1 if part.experiment == "resnet" else group.rates[1] - group.rates[0] + 1
            counts["runs"] += number * runs
            counts["epochs"] += number * runs * group.epochs
    return counts


LAYERS = {"operations": 0, "ratio": 10, "blocks": 0, "libsvm": 6, "alexnet": 12, "residual": 2, "resnet": 2}
"""rows of a unit in the table `layers`, but for those of residual blocks"""
