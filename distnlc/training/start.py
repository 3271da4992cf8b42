"""The start of training, and the protocol of the programs that take a population through its minibatches.

In: a network and the numbers that its runs begin with. A program holds the runs' parameters as rows of one flat tensor,
takes them through minibatches, and counts their errors; all decisions (rates, rewinds, stops) are made by the trainers.
`programs.py` chooses among the programs there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from distnlc.training.spec import StepSpec


@dataclass(frozen=True)
class Start:
    """Networks of one form ready for training, on the device that will train them.

    Runs share what has one row, and differ in what has a row for each of them.
    """

    network: Layered | nn.Module
    """the form; a module's own numbers are not looked at"""
    rows: Tensor
    """(1 or runs, parameters) in the order of the module's `parameters()`"""
    buffers: Tensor
    """(1 or runs, numbers): the fixed matrices of skip connections, or a module's floating-point buffers"""
    loss_scale: Tensor
    """(1 or runs,) float64: outputs are divided by it before the softmax"""
    seeds: tuple[int, ...]
    """one or one for each run: of the minibatches' order"""
    rate_factors: Tensor | None = None
    """(1 or runs, layers): what a run's rate is multiplied by in each layer, 0 to freeze it; None: 1 everywhere. A
    module's layers are its parameter tensors"""

    def expanded(self, runs: int) -> "Start":
        """The same with a row for each run. Raises ValueError if there are rows for another number of runs."""
        for name, value in vars(self).items():
            if name != "network" and value is not None and len(value) not in {1, runs}:
                raise ValueError(f"expected {name} for one or for each of {runs} runs, found {len(value)}")
        factors = self.rate_factors
        return replace(
            self,
            rows=self.rows.expand(runs, -1),
            buffers=self.buffers.expand(runs, -1),
            loss_scale=self.loss_scale.expand(runs),
            seeds=self.seeds if len(self.seeds) == runs else self.seeds * runs,
            rate_factors=None if factors is None else factors.expand(runs, -1),
        )


def start_of(network: nn.Module, *, loss_scale: float = 1.0, seed: int = 0) -> Start:
    """The start of runs that all begin with a module's present numbers."""
    row = parameters_to_vector(network.parameters()).detach()
    buffers = [buffer.detach().flatten().to(row) for buffer in network.buffers() if buffer.is_floating_point()]
    return Start(
        network.layered if isinstance(network, MLP) else network,
        row[None],
        torch.cat([row[:0], *buffers])[None],
        torch.tensor([loss_scale], dtype=torch.float64, device=row.device),
        (seed,),
    )


def starts_of(networks: Sequence[nn.Module], *, loss_scales: Sequence[float], seeds: Sequence[int]) -> Start:
    """The start of one run for each of several modules of one form. Raises ValueError if their forms differ."""
    each = [start_of(network, loss_scale=scale) for network, scale in zip(networks, loss_scales, strict=True)]
    first = each[0]
    for one in each[1:]:
        if (
            not _same_form(one.network, first.network)
            or one.rows.shape != first.rows.shape
            or one.buffers.shape != first.buffers.shape
        ):
            raise ValueError("the networks of one population must have the same form, and these differ")
    return Start(
        first.network,
        rows=torch.cat([one.rows for one in each]),
        buffers=torch.cat([one.buffers for one in each]),
        loss_scale=torch.cat([one.loss_scale for one in each]),
        seeds=tuple(seeds),
    )


def put_numbers(network: nn.Module, row: Tensor, buffers: Tensor | None) -> None:
    """Gives a module the numbers of a run, as `start_of` lays them in rows; None leaves its buffers."""
    vector_to_parameters(row, network.parameters())
    if buffers is not None:
        floating = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        for buffer, part in zip(floating, buffers.split([each.numel() for each in floating]), strict=True):
            buffer.copy_(part.view_as(buffer))


def _same_form(one: Layered | nn.Module, other: Layered | nn.Module) -> bool:
    """Whether two networks compute the same function of the same numbers, as far as their descriptions tell."""
    if isinstance(one, Layered) or isinstance(other, Layered):
        return one == other
    return type(one) is type(other) and repr(one) == repr(other)


class Program(Protocol):
    """Runs of one form of network."""

    spec: StepSpec

    @property
    def flat(self) -> Tensor:
        """(population, numbers) of the present members, their parameters as the program lays them out; may be changed
        in place between calls."""

    @property
    def state(self) -> dict[str, Tensor]:
        """The state of the present members, each tensor (population, ...): `flat`, the optimizer's averages, and a
        module's buffers; may be changed in place between calls."""

    def plain(self, flat: Tensor) -> Tensor:
        """(..., numbers) as in `flat` -> (..., parameters) in the order of the module's `parameters()`."""

    def place(self, rows: Tensor) -> None:
        """Gives the members these parameters, (population, parameters)."""

    def train(self, inputs: Tensor, labels: Tensor, orders: Tensor, rates: Tensor) -> Tensor:
        """One update per minibatch of the points (points, d_in) that `orders` (1 or population, updates * batch_size)
        names, in that order, at rates (population, 1 or layers; a module's layers are its parameter tensors), where a
        layer of rate 0 is frozen. Gives each run's mean loss over the minibatches, (population,)."""

    def gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The losses (population,) of one minibatch and their gradients (population, parameters)."""

    def outputs(self, inputs: Tensor) -> Tensor:
        """(points, d_in) in whole minibatches, in their order -> (population, points, d_out)."""

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Over whole minibatches in their order: wrong answers (population,), and whether all outputs were finite."""

    def keep(self, rows: Tensor) -> None:
        """Goes on with these members only (indices in rising order)."""
