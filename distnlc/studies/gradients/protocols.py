"""The searches for step sizes of the custom protocol (section I.4), and the schedule of both protocols.

In: the start of one run, the data, the part's training spec. Out: plain data. Candidates of one search are one
population; all see the same minibatches in the same order. The smallest candidate of each search moves the weights of
the layer that moves most by 1e-6 of their size in the first minibatch, or by 1e-2 where all layers' are scaled; larger
ones follow as long as the first minibatch allows them.

Chosen where the text is silent: a layer without a gradient gets no step size and stays as it is; if every candidate of
the pre-training leaves, the last epoch at whose end there were some counts; if every scale moves a layer too far, the
smallest is taken.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from distnlc.data.dataset import Dataset
from distnlc.networks.layered import Layered
from distnlc.studies.gradients.training_spec import Training
from distnlc.studies.gradients.trials import Floats, Trials, first_updates
from distnlc.training.spec import StepSpec, TrainingSpec
from distnlc.training.start import Start

SMALLEST, SMALLEST_SCALE = 1e-6, 1e-2
"""relative update of the smallest candidate by its first minibatch"""
PRETRAINING_FACTOR = 3.0
PRETRAINING_EPOCHS = 10
PRETRAINED_ERROR = 0.85
CAPS = {"highest": 0.01, "inner": 0.001}
LARGEST = 0.1
"""relative update that ends a search"""
CLIPPED = 0.001 - 1e-9
"""0.1 percentage points of training error, less what rounding takes from a difference of two shares"""


@dataclass(frozen=True)
class Search:
    """What the candidates of one search come from."""

    start: Start
    """of one run"""
    data: Dataset
    training: Training
    batch: int

    @property
    def network(self) -> Layered:
        assert isinstance(self.start.network, Layered)
        return self.start.network

    @property
    def depth(self) -> int:
        return self.network.depth

    @property
    def step(self) -> StepSpec:
        return StepSpec(batch_size=self.batch)

    def at_rates(self, factors: Floats) -> Start:
        """The start with each layer's rate multiplied by these factors (layers,)."""
        return replace(self.start, rate_factors=torch.from_numpy(factors)[None].to(self.start.rows))

    def updates(self) -> Floats:
        """(layers,): relative update by the first minibatch at rate 1."""
        return first_updates(self.start, self.data, self.step)


def schedule(training: Training, batch: int) -> TrainingSpec:
    """The schedule of I.3 and I.4: the step size is divided until it would be for the last time."""
    return TrainingSpec(
        batch_size=batch,
        criterion="training-error",
        first_patience=training.patience,
        patience=training.patience,
        divisions=training.divisions - 1,
        divisor=training.divisor,
        rewind=False,
        epochs=training.epochs,
    )


def constant(batch: int, epochs: int) -> TrainingSpec:
    """So many epochs at one step size."""
    return TrainingSpec(
        batch_size=batch,
        criterion="training-error",
        first_patience=epochs + 1,
        divisions=0,
        rewind=False,
        epochs=epochs,
    )


def pretrained_layers(training: Training, network: Layered) -> list[int]:
    """The layers, from 0 at the input, that are pre-trained."""
    depth = network.depth
    if training.pretraining == "highest":
        return list(range(max(depth - 6, 1), depth - 1))
    return list(range(1, depth - (2 if network.skips else 1)))


def only(layers: Sequence[int], depth: int) -> Floats:
    """(layers,): 1 for these, and 0 for the others, which are frozen."""
    factors = np.zeros(depth)
    factors[list(layers)] = 1
    return factors


def candidates(smallest: float, largest: float, factor: float, relative: float) -> list[float]:
    """Rates from that of the relative update `smallest` to that below `largest`; `relative`: of rate 1. None where the
    updates have no size."""
    if not 0 < relative < math.inf:
        return []
    count = math.ceil(math.log(largest / smallest) / math.log(factor) - 1e-9)
    return [smallest * factor**index / relative for index in range(count)]


def pretraining(search: Search) -> tuple[float, int] | None:
    """Step size and epochs of the pre-training: the fewest epochs to an error of 85 %, of equal ones the lowest error;
    or the lowest error after 10 epochs. None without candidates."""
    layers = pretrained_layers(search.training, search.network)
    cap = CAPS[search.training.pretraining]
    rates = candidates(SMALLEST, cap, PRETRAINING_FACTOR, float(search.updates()[layers].max(initial=0)))
    start = search.at_rates(only(layers, search.depth))
    trials = Trials(start, search.data, rates, search.step, layers) if rates else None
    best: tuple[float, int] | None = None
    while trials and trials.members.size and trials.epochs < PRETRAINING_EPOCHS:
        errors = trials.epoch(cap)
        if not errors.size:
            break
        row = int(errors.argmin())
        best = rates[trials.members[row]], trials.epochs
        if errors[row] <= PRETRAINED_ERROR:
            break
    return best


def searched_layers(training: Training, depth: int) -> list[int]:
    """The layers, from 0 at the input, whose step size is searched for."""
    return sorted({*range(0, depth, training.selection_every), depth - 1})


def selection(search: Search, layer: int, relative: float) -> tuple[float, float] | None:
    """One layer's step size and the largest relative update by it in the epoch; None without candidates. `relative`:
    of the layer's first update at rate 1."""
    rates = candidates(SMALLEST, LARGEST, search.training.selection_factor, relative)
    return _searched(search, only([layer], search.depth), rates, [layer], clip=search.training.clip_selection)


def scaling(search: Search, steps: Floats) -> float:
    """What multiplies all layers' step sizes; 0 where nothing moves."""
    relative = float((search.updates() * steps).max())
    rates = candidates(SMALLEST_SCALE, LARGEST, search.training.selection_factor, relative)
    moving = np.flatnonzero(steps).tolist()
    found = _searched(search, steps, rates, moving, clip=search.training.clip_scaling)
    return found[0] if found else next(iter(rates), 0.0)


def _searched(
    search: Search, factors: Floats, rates: list[float], layers: list[int], *, clip: bool
) -> tuple[float, float] | None:
    """The candidate of the lowest error after one epoch, ties to the smaller, and its largest relative update. The
    search ends at the first that moves a layer by LARGEST or, with `clip`, whose error is CLIPPED above the lowest."""
    if not rates:
        return None
    trials = Trials(search.at_rates(factors), search.data, rates, search.step, layers)
    left = trials.epoch(LARGEST, larger_too=True).tolist()
    errors = dict(zip(trials.members.tolist(), left, strict=True))
    best: int | None = None
    for member, error in sorted(errors.items()):
        if best is not None and clip and error - errors[best] >= CLIPPED:
            break
        if best is None or error < errors[best]:
            best = member
    return None if best is None else (rates[best], float(trials.largest[best]))


def smoothed(layers: list[int], found: list[tuple[float, float] | None], depth: int) -> Floats:
    """(layers,): every layer's step size, from those found for some: each times what brings its largest relative
    update onto the line that fits the logarithms of all; between them on a logarithmic scale."""
    kept = [(layer, *each) for layer, each in zip(layers, found, strict=True) if each is not None]
    if not kept:
        return np.zeros(depth)
    places, steps, updates = (np.array(each, dtype=np.float64) for each in zip(*kept, strict=True))
    logs = np.log(steps)
    if len(kept) > 1:
        slope, intercept = np.polyfit(places, np.log(updates), 1)
        logs += slope * places + intercept - np.log(updates)
    every: Floats = np.exp(np.interp(np.arange(depth), places, logs))
    every[[layer for layer, each in zip(layers, found, strict=True) if each is None]] = 0
    return every
