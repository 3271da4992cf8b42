"""The program of a population in plain torch operations, for every device; see `program.py`."""

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.networks.population import PopulationMLP
from distnlc.spec import TrainingSpec
from distnlc.training.loss import cross_entropy_and_delta
from distnlc.training.optimizers import Adam
from distnlc.training.program import Start


class TorchProgram:
    """Implements `Program`."""

    def __init__(self, start: Start, rows: Tensor, spec: TrainingSpec) -> None:
        self.loss_scale, self.classes = start.loss_scale, start.architecture.d_out
        self.batch_size = spec.batch_size
        self.population = PopulationMLP(start.architecture, rows, start.projection, batch_size=spec.batch_size)
        self.adam = Adam.start(rows) if spec.optimizer == "adam" else None

    @property
    def flat(self) -> Tensor:
        return self.population.flat

    def train_epoch(self, inputs: Tensor, labels: Tensor, rates: Tensor) -> Tensor:
        one_hot = functional.one_hot(labels, self.classes).to(inputs.dtype).T.contiguous()
        loss_sum = torch.zeros_like(rates)
        gradients = None if self.adam is None else torch.empty_like(self.flat)
        batches = list(zip(inputs.split(self.batch_size, 1), one_hot.split(self.batch_size, 1), strict=True))
        for batch, target in batches:
            outputs = self.population.forward(batch, training=True)
            losses, delta = cross_entropy_and_delta(outputs, target, loss_scale=self.loss_scale)
            loss_sum += losses
            if self.adam is None or gradients is None:
                self.population.backward(batch, delta.mul_(rates[:, None, None]))
            else:
                self.population.backward(batch, delta, gradients)
                self.flat.sub_(self.adam.update(gradients).mul_(rates[:, None]))
        return loss_sum / len(batches)

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        wrong = torch.zeros(len(self.flat), dtype=torch.int64, device=inputs.device)
        finite = torch.ones(len(self.flat), dtype=torch.bool, device=inputs.device)
        for batch, target in zip(inputs.split(self.batch_size, 1), labels.split(self.batch_size), strict=True):
            outputs = self.population.forward(batch, training=False)
            wrong += (outputs.argmax(1) != target).sum(1)
            finite &= outputs.isfinite().flatten(1).all(1)
        return wrong, finite

    def keep(self, rows: Tensor) -> None:
        self.population.keep(rows)
        if self.adam is not None:
            self.adam = self.adam.take(rows)
