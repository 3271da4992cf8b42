"""The shared trainer with a `Watch` beside it: one run, whose course is that of the same run in a population.

Minibatches are trained one call at a time, and each is measured before its update.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distnlc.data.dataset import Dataset
from distnlc.networks.layered import Layered
from distnlc.studies.gradients.trials import layer_norms
from distnlc.studies.gradients.watch import Watch
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start
from distnlc.training.trainer import PopulationTrainer


class WatchedTrainer(PopulationTrainer):
    """One run of a layered network."""

    def __init__(self, start: Start, data: Dataset, rate: float, spec: TrainingSpec, watch: Watch) -> None:
        self.watch = watch
        self.first_update: float | None = None
        """largest relative update of any layer by the first minibatch"""
        super().__init__(start, data, [rate], spec)

    def train(self, first: int, count: int, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        size, losses = self.spec.batch_size, []
        factors = self.start.rate_factors
        each = np.ones(self.network.depth) if factors is None else factors[0].double().cpu().numpy()
        for position in range(first, first + count, size):
            points = self.stream(position, size)[0]
            before = self.program.plain(self.program.flat).clone()
            inputs, labels = self.data.train_inputs[points], self.data.train_labels[points]
            self.watch.update(before[0], inputs, labels, (each * rates[0]).tolist())
            losses.append(super().train(position, size, rates))
            if position == 0:
                self.first_update = self._largest_update(before)
        found: NDArray[np.float64] = np.mean(losses, axis=0)
        return found

    @property
    def network(self) -> Layered:
        assert isinstance(self.start.network, Layered)
        return self.start.network

    def _largest_update(self, before: torch.Tensor) -> float:
        moved = self.program.plain(self.program.flat) - before
        return float((layer_norms(self.network, moved) / layer_norms(self.network, before)).max())

    def write_history(self, losses: NDArray[np.float64], errors: NDArray[np.float64]) -> None:
        super().write_history(losses, errors)
        self.watch.after_epoch(self.program.plain(self.program.flat)[0])

    def state(self) -> dict[str, Any]:
        return super().state() | {"watch": self.watch.state(), "first_update": self.first_update}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.watch.restore(state["watch"])
        self.first_update = state["first_update"]
