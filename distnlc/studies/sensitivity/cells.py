"""The networks of a part: cells of a grid, all of them or some that are drawn, and their twins.

In: the sections `networks` and `training`. Out: cells with the factors in whose pairs they are. A cell is what fixes a
network but for its seed. Where the text is silent: a cell is drawn with a weight of 1 / sqrt(P), P its weights, by a
race of exponential clocks, each with a seed of its own, so that a larger draw holds the smaller one; networks of more
than 1e9 weights, the paper's largest, are not drawn.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

from distnlc.spec import derive_seed
from distnlc.studies.sensitivity.design import LBFGS, MOMENTUM, Factor, Networks, Training

MOST_WEIGHTS = 10**9
TWIN_AUGMENTATION = "shift-flip"
FACTORS: tuple[Factor, ...] = ("labels", "augmentation", "activation", "optimizer")
DRAGGED = {"optimizer": ("rate", "batch")}
"""factor -> what goes with it"""


@dataclass(frozen=True)
class Cell:
    """One network but for its seed, the part's own fields left out."""

    activation: str
    width: int
    depth: int
    """weight matrices"""
    scale: float
    labels: str
    augmentation: str
    optimizer: str
    rate: float | None
    """none: L-BFGS"""
    batch: int | None
    """likewise"""

    def weights(self, d_in: int, d_out: int) -> int:
        """P."""
        return d_in * self.width + (self.depth - 2) * self.width**2 + self.width * d_out

    def twin(self, factor: Factor) -> "Cell | None":
        """The same in the factor's other setting; None where it is in neither, or cannot be."""
        match factor:
            case "labels" if self.labels == "true":
                return replace(self, labels="random")
            case "augmentation" if self.augmentation == "none" and self.optimizer != LBFGS:
                return replace(self, augmentation=TWIN_AUGMENTATION)
            case "activation" if self.activation in {"relu", "hardsigmoid"}:
                return replace(self, activation="hardsigmoid" if self.activation == "relu" else "relu")
            case "optimizer" if self.optimizer == MOMENTUM:
                return replace(self, optimizer=LBFGS, rate=None, batch=None)
        return None

    def without(self, factor: Factor) -> dict[str, Any]:
        """Its fields but for a factor, and what goes with it: what the networks of a pair share."""
        left_out = {factor, *DRAGGED.get(factor, ())}
        return {name: value for name, value in vars(self).items() if name not in left_out}


Setting = tuple[str, float | None, int | None]
"""optimizer, rate, batch"""


def settings(training: Training) -> tuple[Setting, ...]:
    """Every optimizer with its rates and the sizes of minibatches."""
    found: list[Setting] = []
    for name, rates in training.rates.items():
        found += [(name, None, None)] if name == LBFGS else list(product([name], rates, training.batches))
    return tuple(found)


def every_cell(networks: Networks, training: Training) -> Iterator[Cell]:
    """The cells of the lists, as often as they name them."""
    return _cells(networks, settings(training), training.labels, training.augmentation)


def _cells(networks: Networks, chosen: Sequence[Setting], labels: str, augmentation: str) -> Iterator[Cell]:
    lists = networks.activations, networks.widths, networks.depths, networks.scales
    for activation, width, depth, scale, (optimizer, rate, batch) in product(*lists, chosen):
        yield Cell(activation, width, depth, scale, labels, augmentation, optimizer, rate, batch)


def can_be_drawn(cells: Iterable[Cell], sizes: tuple[int, int]) -> Counter[Cell]:
    """Those of at most MOST_WEIGHTS weights, with how often they are named; `sizes`: inputs and outputs."""
    return Counter(cell for cell in cells if cell.weights(*sizes) <= MOST_WEIGHTS)


def chosen_cells(networks: Networks, training: Training, sizes: tuple[int, int], seed: int, name: str) -> list[Cell]:
    """The part's cells without twins, all in the order of the grid, or those drawn in the order of the draw."""
    return list(_chosen(networks, settings(training), training.labels, training.augmentation, sizes, seed, name))


@lru_cache(maxsize=64)
def _chosen(
    networks: Networks,
    chosen: tuple[Setting, ...],
    labels: str,
    augmentation: str,
    sizes: tuple[int, int],
    seed: int,
    name: str,
) -> tuple[Cell, ...]:
    """Cached, since every unit asks for its cell."""
    cells = _cells(networks, chosen, labels, augmentation)
    if networks.draw is None:
        return tuple(dict.fromkeys(cells))
    within = can_be_drawn(cells, sizes)

    def rings(cell: Cell) -> float:
        """When the cell's clock rings, whose rate is its weight: the first ones are the draw without replacement."""
        uniform = (derive_seed("sensitivity draw", seed, name, *map(str, vars(cell).values())) + 1) / 2**63
        return -math.log(uniform) * math.sqrt(cell.weights(*sizes)) / within[cell]

    return tuple(sorted(within, key=rings)[: networks.draw])


def with_twins(cells: Sequence[Cell], twins: Sequence[Factor]) -> dict[Cell, set[Factor]]:
    """Every cell and its twins -> the factors in whose pairs it is."""
    found: dict[Cell, set[Factor]] = {}
    for cell in cells:
        found.setdefault(cell, set())
        for factor in twins:
            if (twin := cell.twin(factor)) is not None:
                found[cell].add(factor)
                found.setdefault(twin, set()).add(factor)
    return found
