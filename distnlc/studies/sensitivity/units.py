"""The units of a study of sensitivity, and what is known of each before work."""

import math
from typing import Any, NamedTuple

from distnlc.data import sources
from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed, short_id
from distnlc.studies.sensitivity.cells import Cell
from distnlc.studies.sensitivity.design import LBFGS, Factor
from distnlc.studies.sensitivity.spec import Spec

LOOKS = 100
"""at a network that is trained for a fixed number of updates"""
KINDS = ("random", "different", "same")
"""of ellipses"""
FITTED = 0.4
"""share of the updates that are allowed after which a network that stops when fitted has been, about"""
EVALUATIONS = 1.1
"""of loss and gradient in an iteration of L-BFGS"""
STEP, PIXEL = 4e4, 60.0
"""multiplications that take the time of an update but for its products, and of each number that it moves"""
CROSSINGS, CROSSED = 8.0, 700.0
"""transitions of a neuron along the translations of an image, about, and multiplications that take the time of a neuron
at one of them but for its products"""


def units(spec: Spec) -> list[Unit]:
    """One unit per cell, twin and seed, the seeds of a cell one after another."""
    found = []
    for name in spec.part_names():
        part = spec.part(name)
        fixed, sizes, index = short_id(part.fixed()), sizes_of(part), 0
        for cell in part.cells(name):
            own, work, about = cell_id(fixed, cell), cost(part, cell, sizes), label(name, cell)
            for seed in range(1, part.networks.seeds + 1):
                key = "u" + short_id([name, own, seed])
                found.append(Unit(key, name, index, work, f"{about}, seed {seed}"))
                index += 1
    return found


def cell_id(fixed: str, cell: Cell) -> str:
    """What networks share that differ in their seed alone; `fixed`: the hash of what the part's networks share."""
    return short_id({"spec": fixed, "cell": vars(cell)})


def label(part: str, cell: Cell) -> str:
    """What a unit is but for its seed, for people."""
    rate = "" if cell.rate is None else f" {cell.rate:g}"
    special = "".join(f", {word}" for word in (cell.augmentation, f"{cell.labels} labels") if word[:4] not in PLAIN)
    return f"{part}: {cell.activation}, D {cell.depth}, w {cell.width}, {cell.optimizer}{rate}{special}"


PLAIN = {"none", "true"}


def network_of(part: Spec, name: str, index: int) -> tuple[Cell, set[Factor], int]:
    """The cell of a part's unit, the factors in whose pairs it is, and its seed."""
    cells = part.cells(name)
    cell = list(cells)[index // part.networks.seeds]
    return cell, cells[cell], index % part.networks.seeds + 1


def seed_of(part: Spec, cell: Cell, seed: int) -> int:
    """The seed of all that is random in a unit: networks of one shape and seed begin with the same weights, so that
    twins differ in their factor alone."""
    return derive_seed("sensitivity", part.seed, cell.width, cell.depth, seed)


def known(spec: Spec, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """The columns of a unit's row that say which network it is."""
    part = spec.part(unit.part)
    cell, factors, seed = network_of(part, unit.part, unit.index)
    facts = data.get(unit.part, {})
    d_in, d_out, points = facts.get("d_in"), facts.get("classes"), facts.get("train")
    fixed = short_id(part.fixed())
    pairs = {f"pair_{factor}": short_id({"spec": fixed, "cell": cell.without(factor)}) for factor in factors}
    row = vars(cell) | {
        "cell_id": cell_id(fixed, cell),
        "seed": seed,
        "dataset": part.data.name,
        "crop": part.data.crop,
        "train_points": points,
        "d_in": d_in,
        "d_out": d_out,
        "neurons": (cell.depth - 1) * cell.width,
        "loss": part.training.loss,
        "batch": cell.batch or points,
    }
    if d_in and d_out:
        row["parameters"] = cell.weights(d_in, d_out)
    return row | pairs


def steps_of(part: Spec, cell: Cell, points: int) -> int:
    """Updates that a network gets at most; of L-BFGS, iterations."""
    training = part.training
    if cell.batch is None:
        return training.iterations
    epochs = math.inf if training.epochs is None else math.floor(training.epochs * points / cell.batch)
    return int(max(1, min(training.steps, epochs)))


def check_steps(part: Spec, cell: Cell, points: int) -> int:
    """Updates between two looks; of L-BFGS, iterations."""
    steps = steps_of(part, cell, points)
    if cell.batch is None:
        return max(4, math.ceil(steps / (2 * LOOKS)))
    if not stops_when_fitted(part, cell):
        return math.ceil(steps / LOOKS)
    return max(1, round(part.training.check_epochs * points / cell.batch))


def stops_when_fitted(part: Spec, cell: Cell) -> bool:
    """Whether it ends as soon as it is fitted: augmented networks need not be, and have all their updates."""
    return part.training.stop == "fitted" and cell.augmentation == "none"


def rows(spec: Spec) -> dict[str, int]:
    """About how many rows each table will have."""
    counts = dict.fromkeys(("networks", "checks", "layers", "curves", "points", "regions"), 0)
    for name in spec.part_names():
        part = spec.part(name)
        measure, seeds, points = part.measure, part.networks.seeds, sizes_of(part).points
        for cell in part.cells(name):
            share = FITTED if stops_when_fitted(part, cell) else 1.0
            counts["networks"] += seeds
            counts["checks"] += math.ceil(
                seeds * share * steps_of(part, cell, points) / check_steps(part, cell, points)
            )
            counts["layers"] += seeds * (cell.depth - 1) * (1 + measure.initial) * bool(measure.trajectories)
            counts["curves"] += seeds * len(KINDS) * measure.ellipses * measure.ellipse_bins
            counts["points"] += seeds * measure.points
            counts["regions"] += seeds * 2 * measure.planes
    return counts


class Sizes(NamedTuple):
    """A part's data, as far as they are known without files."""

    d_in: int
    d_out: int
    points: int
    tests: int


def sizes_of(part: Spec) -> Sizes:
    """Guesses for what only the files tell: for costs, not for results."""
    spec = part.data_spec
    points, _, tests = sources.part_sizes(spec)
    return Sizes(*sources.dimensions(spec), points, tests)


def cost(part: Spec, cell: Cell, sizes: Sizes) -> float:
    """Multiplications of one unit, and what takes as long."""
    share = FITTED if stops_when_fitted(part, cell) else 1.0
    steps = share * steps_of(part, cell, sizes.points)
    return steps * step_cost(cell, sizes) + measuring_cost(part, cell, sizes)


def step_cost(cell: Cell, sizes: Sizes) -> float:
    """Multiplications of one update, or of one iteration of L-BFGS."""
    d_in, d_out, points, _ = sizes
    weights, neurons = cell.weights(d_in, d_out), (cell.depth - 1) * cell.width
    batch = (cell.batch or points) * (EVALUATIONS if cell.optimizer == LBFGS else 1.0)
    return STEP + 3 * batch * weights + PIXEL * (batch * (d_in + neurons) / 10 + weights / 20)


def measuring_cost(part: Spec, cell: Cell, sizes: Sizes) -> float:
    """Multiplications of all that is measured."""
    d_in, d_out, _, tests = sizes
    measure, width, hidden = part.measure, cell.width, cell.depth - 2
    weights = cell.weights(d_in, d_out)
    jacobian = 2 * d_out * (hidden * width**2 + width * min(width, d_in))
    along = max(d_in, 1) ** 0.5 * measure.samples_per_shift  # points of a trajectory that is sampled
    if cell.activation == "tanh" or measure.transitions == "sampled":
        trajectory = along * (hidden * width**2 + PIXEL * (hidden + 1) * width)
    else:  # every crossing of the layers before is a point of the next one
        trajectory = sum(CROSSINGS * layer * width**2 * (2 * width + CROSSED) for layer in range(1, hidden + 2))
    times = 1 + measure.initial
    found = times * (min(measure.jacobian_points, tests) * jacobian + measure.trajectories * trajectory)
    curve = measure.ellipse_bins * (jacobian + measure.ellipse_samples * (hidden * width**2 + PIXEL * width))
    found += len(KINDS) * measure.ellipses * curve
    found += 2 * measure.planes * measure.grid**2 * 2 * (hidden * width**2 + PIXEL * (hidden + 1) * width)
    return found + tests * weights + measure.points * jacobian
