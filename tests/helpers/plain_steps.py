"""The slow obvious training of one run: a module, autograd and each update written out, to compare programs with."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from distnlc.training.spec import StepSpec


def loss_of(name: str, outputs: Tensor, labels: Tensor, loss_scale: float) -> Tensor:
    """The mean loss, from the probabilities themselves."""
    scaled = outputs / loss_scale
    if name == "cross-entropy":
        return -scaled.log_softmax(1)[range(len(labels)), labels].mean()
    target = torch.eye(outputs.shape[1], dtype=outputs.dtype)[labels]
    return ((scaled.softmax(1) - target) ** 2).sum(1).mean()


@dataclass
class PlainRun:
    """One network in training; `rates` of one number, or of one for each of its layers (for each parameter tensor of a
    module that has no `linears`)."""

    network: nn.Module
    spec: StepSpec
    loss_scale: float = 1.0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network = copy.deepcopy(self.network)
        self.parameters = list(self.network.parameters())
        ones = self.spec.optimizer == "rmsprop-tf1"
        self.first = [torch.zeros_like(each) for each in self.parameters]
        self.second = [torch.ones_like(each) if ones else torch.zeros_like(each) for each in self.parameters]
        self.updates = 0

    def layer_numbers(self) -> list[int]:
        """The layer that each parameter tensor belongs to."""
        linears = getattr(self.network, "linears", None)
        if linears is None:
            return list(range(len(self.parameters)))
        return [number for number, linear in enumerate(linears) for _ in linear.parameters()]

    def train(self, inputs: Tensor, labels: Tensor, order: Tensor, rates: Sequence[float]) -> None:
        size, losses = self.spec.batch_size, []
        self.network.train()
        for rows in order.split(size):
            loss = loss_of(self.spec.loss, self.network(inputs[rows]), labels[rows], self.loss_scale)
            losses.append(loss.item())
            gradients = torch.autograd.grad(loss, self.parameters)
            self.updates += 1
            numbers = self.layer_numbers()
            with torch.no_grad():
                for place, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
                    rate = rates[numbers[place]] if len(rates) > 1 else rates[0]
                    move = self.update(place, gradient + self.spec.weight_decay * parameter)
                    if rate:
                        parameter.copy_(parameter - rate * move)
        self.losses.append(math.fsum(losses) / len(losses))

    def update(self, place: int, gradient: Tensor) -> Tensor:
        """The update at rate 1 of one parameter tensor, as the papers and TensorFlow 1 define it."""
        first, second, t = self.first[place], self.second[place], self.updates
        if self.spec.optimizer == "sgd":
            return gradient
        if self.spec.optimizer == "momentum":
            first[...] = self.spec.momentum * first + gradient
            return first
        if self.spec.optimizer == "rmsprop-tf1":
            second[...] = 0.9 * second + 0.1 * gradient**2
            return gradient / (second + 1e-10).sqrt()
        first[...] = 0.9 * first + 0.1 * gradient
        second[...] = 0.999 * second + 0.001 * gradient**2
        if self.spec.optimizer == "adam":
            return first / (1 - 0.9**t) / ((second / (1 - 0.999**t)).sqrt() + 1e-8)
        return math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * first / (second.sqrt() + 1e-8)

    def numbers(self) -> Tensor:
        """All parameters in one row."""
        return torch.cat([parameter.detach().flatten() for parameter in self.parameters])
