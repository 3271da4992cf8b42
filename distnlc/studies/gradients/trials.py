"""Candidate step sizes trained side by side for a few epochs, each until an update is too large (section I.4).

A run leaves its population, and costs nothing further, with the first minibatch that moves any layer by more than its
cap relative to the weights before, or by what is not a number.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.networks.layered import Layered
from distnlc.training.evaluation import error_fractions
from distnlc.training.population import Population
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start

Floats = NDArray[np.float64]


def columns(network: Layered) -> list[slice]:
    """Where the weights of each linear layer lie in a row of parameters."""
    ends = np.cumsum([0, *(d_out * d_in + biases for d_out, d_in, biases in network.sizes)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def layer_norms(network: Layered, rows: Tensor) -> Tensor:
    """Frobenius norm of each layer's weights: (runs, parameters) -> (runs, layers) float64."""
    norms = [torch.linalg.vector_norm(rows[:, part], dim=1, dtype=torch.float64) for part in columns(network)]
    return torch.stack(norms, 1)


class Trials(Population):
    """Runs at constant rates, minibatch by minibatch."""

    def __init__(
        self, start: Start, data: Dataset, rates: Sequence[float], spec: StepSpec, layers: Sequence[int]
    ) -> None:
        """`layers`, from 0: those whose updates are looked at."""
        super().__init__(start, data, len(rates), spec)
        assert isinstance(start.network, Layered)
        self.rates = np.array(rates, dtype=np.float64)
        self.places = [columns(start.network)[layer] for layer in layers]
        self.largest = np.zeros(len(rates))
        """largest relative update of any of the layers so far, of every run that there was"""
        self.epochs = 0

    def epoch(self, cap: float, *, larger_too: bool = False) -> Floats:
        """Trains one epoch and gives the training errors of the runs that are left; those whose relative updates reach
        `cap` have left, with `larger_too` also those at larger rates."""
        points, size = len(self.data.train_labels), self.program.spec.batch_size
        for first in range(self.epochs * points, (self.epochs + 1) * points, size):
            if not self.members.size:
                break
            before = [self.program.plain(self.program.flat)[:, place].clone() for place in self.places]
            self.train(first, size, self.rates[self.members])
            self._leave(self._relative(before), cap, larger_too)
        self.epochs += 1
        if not self.members.size:
            return np.empty(0)
        errors, finite = error_fractions(self.program, self.data.train_inputs, self.data.train_labels)
        if not finite.all():
            self.keep(finite)
        return errors[finite]

    def _relative(self, before: Sequence[Tensor]) -> Floats:
        """Largest relative update of each run that is left; infinite where it is no number."""
        after = [self.program.plain(self.program.flat)[:, place] for place in self.places]
        each = [
            torch.linalg.vector_norm(new - old, dim=1, dtype=torch.float64)
            / torch.linalg.vector_norm(old, dim=1, dtype=torch.float64)
            for old, new in zip(before, after, strict=True)
        ]
        return np.nan_to_num(torch.stack(each).amax(0).cpu().numpy(), nan=np.inf)

    def _leave(self, relative: Floats, cap: float, larger_too: bool) -> None:
        self.largest[self.members] = np.maximum(self.largest[self.members], relative)
        over = self.largest[self.members] >= cap
        if over.any():
            if larger_too:
                over = self.rates[self.members] >= self.rates[self.members][over].min()
            self.keep(~over)


def first_updates(start: Start, data: Dataset, spec: StepSpec) -> Floats:
    """(layers,): relative size of each layer's update by the first minibatch at rate 1."""
    population = Population(start, data, 1, spec)
    assert isinstance(start.network, Layered)
    order = population.stream(0, spec.batch_size)[0]
    _, gradients = population.program.gradients(data.train_inputs[order], data.train_labels[order])
    relative = layer_norms(start.network, gradients) / layer_norms(start.network, start.rows)
    found: Floats = relative[0].cpu().numpy()
    return found
