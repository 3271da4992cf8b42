"""A population in training: its program, the runs that are left in it, and the order in which each sees the data."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.spec import derive_seed
from distnlc.training.module_program import BUFFER
from distnlc.training.programs import make_program
from distnlc.training.spec import StepSpec
from distnlc.training.start import Program, Start


class Ended(Protocol):
    """A run that has left, with the numbers that it left with."""

    row: Tensor | None
    """(parameters,)"""
    buffers: Tensor | None
    """(numbers,) as in `Start`, where training changes them"""


class Population:
    """Row i of every tensor belongs to run `members[i]`."""

    def __init__(self, start: Start, data: Dataset, runs: int, spec: StepSpec) -> None:
        self.start, self.data = start.expanded(runs), data
        self.members = np.arange(runs)
        self.program = make_program(self.start, spec)

    def stream(self, first: int, count: int) -> Tensor:
        """A piece of each run's series of shuffled epochs: (1 or runs, count)."""
        seeds = [self.start.seeds[member] for member in self.members]
        return stream(seeds, len(self.data.train_labels), first, count).to(self.program.flat.device)

    def train(self, first: int, count: int, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Trains all runs on this piece of the stream, in whole minibatches, at rates (runs,). Their mean losses."""
        columns = torch.from_numpy(rates[:, None]).to(self.program.flat)
        if self.start.rate_factors is not None:
            columns = columns * self.start.rate_factors[self.members].to(columns)
        losses = self.program.train(*self.presented(first, count), columns)
        found: NDArray[np.float64] = losses.double().cpu().numpy()
        return found

    def presented(self, first: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """What a piece of the stream presents: inputs, labels, and each run's order of them."""
        return self.data.train_inputs, self.data.train_labels, self.stream(first, count)

    def rows(self, mask: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(np.flatnonzero(mask)).to(self.program.flat.device)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Goes on with these runs only."""
        rows = self.rows(mask)
        self.members = self.members[mask]
        self.program.keep(rows)

    def ended(self, runs: Sequence[Ended]) -> Program:
        """A program of all runs with the numbers that they left with."""
        rows = torch.stack([run.row for run in runs if run.row is not None])
        buffers = [run.buffers for run in runs if run.buffers is not None]
        start = replace(self.start, rows=rows, buffers=torch.stack(buffers) if buffers else self.start.buffers)
        return make_program(start, self.program.spec)


def stream(seeds: Sequence[int], points: int, first: int, count: int) -> Tensor:
    """So many indices of the training part, from a position on, of the endless series of shuffled epochs of each seed:
    (seeds, count), or one row where all seeds are the same."""
    return series(seeds, points, first, count, lambda seed, epoch: _shuffled(points, seed, epoch))


def series(
    seeds: Sequence[int], points: int, first: int, count: int, of_epoch: Callable[[int, int], NDArray[np.int64]]
) -> Tensor:
    """A piece of the endless series of each seed's epochs, `of_epoch(seed, epoch)` (points,) one after another."""
    epochs = range(first // points, -(-(first + count) // points))
    position = first % points
    each = {
        seed: np.concatenate([of_epoch(seed, epoch) for epoch in epochs])[position : position + count]
        for seed in dict.fromkeys(seeds)
    }
    return torch.from_numpy(np.stack([each[seed] for seed in (seeds if len(each) > 1 else seeds[:1])]))


@lru_cache(maxsize=32)
def _shuffled(points: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Cached, since a piece of the series rarely ends with an epoch."""
    return np.random.default_rng(derive_seed("shuffle", seed, epoch)).permutation(points)


def numbers_of(program: Program, state: dict[str, Tensor], row: int) -> dict[str, Any]:
    """One run's parameters and, of a module, its floating-point buffers, in one row each, as copies, out of a state of
    the program."""
    buffers = [value[row].flatten() for name, value in state.items() if name.startswith(BUFFER)]
    floating = [value for value in buffers if value.is_floating_point()]
    return {"row": program.plain(state["flat"][row]).clone(), "buffers": torch.cat(floating) if floating else None}


def copy_into(state: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """Overwrites the tensors of a state in place."""
    for name, tensor in state.items():
        tensor.copy_(saved[name])
