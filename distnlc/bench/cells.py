"""The grid of the training benchmark, and the work that one of its cells stands for.

In: a cell (depth, parameters, normalization, skips) and a device. Out: a `Job`: one architecture, random data of the
dataset's shape, and one learning rate per member of a population. A job holds a few minibatches in the dataset's
proportion of training to validation points, and says which share of a whole epoch that is.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.data.dataset import Dataset
from distnlc.networks.activations import SECTION_C
from distnlc.networks.architecture import Architecture, width_for
from distnlc.networks.loss import loss_scale
from distnlc.networks.mlp import EPSILON, MLP
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start, start_of

GRID = (3, 15, 49), (20_000, 100_000, 1_000_000), ("none", "batch", "layer"), (False, True)
"""depths, parameter counts, normalizations, skip connections"""
SQUARES = {"square", "odd-square"}
"""activation functions that section C never leaves without normalization"""
BATCH_SIZE = 250
LOWEST_RATE = 1e-9
"""The lowest learning rate of a population; the others are its multiples. A measurement repeats an epoch some hundred
times, and its numbers must remain those of a network that trains."""


@dataclass(frozen=True)
class Shape:
    """A dataset's dimensions, and how many runs a study trains together on a kind of device."""

    dataset: str
    d_in: int
    classes: int
    train_batches: int
    """of a whole epoch"""
    validation_batches: int
    population: int


SHAPES = {
    "cpu": Shape("waveform-noise", 40, 3, 12, 4, population=TrainingSpec().population),
    "cuda": Shape("cifar10", 622, 10, 160, 40, population=40),
}
"""device -> the dataset whose shape is trained on it; CIFAR10 as its files come to after preparation"""


@dataclass(frozen=True)
class Cell:
    """One kind of architecture. What is not in the grid follows from its number, so that all activation functions and
    both starts of skip connections appear."""

    number: int
    depth: int
    parameters: int
    normalization: str
    skips: bool

    def architecture(self, shape: Shape) -> Architecture:
        """The activation function is dilated, shifted and debiased, as three of four in a study are changed."""
        allowed = [name for name in SECTION_C if self.normalization != "none" or name not in SQUARES]
        return Architecture(
            index=self.number,
            seed=self.number,
            d_in=shape.d_in,
            d_out=shape.classes,
            depth=self.depth,
            width=width_for(self.parameters, self.depth, shape.d_in, shape.classes),
            activation=allowed[(self.number + self.number // 6) % len(allowed)],  # all, along rows and along columns
            dilation=1.2,
            shift=0.2,
            debiased=True,
            bias_variance=0.05,
            normalization=self.normalization,
            skip_strength=1.0 if self.skips else 0.0,
            skip_start=("linear", "normalization")[self.number // 2 % 2] if self.skips else "none",
        )


def grid() -> list[Cell]:
    """The 54 cells."""
    return [Cell(number, *properties) for number, properties in enumerate(product(*GRID))]


class FusedMLP(MLP):
    """The network with torch's own normalizations, 1.2 to 1.3 times faster than `MLP`'s, which are written out: the
    benchmark must not win against a slow opponent."""

    def normalize(self, signal: Tensor, kind: str) -> Tensor:
        if kind == "batch":
            return functional.batch_norm(signal, None, None, training=True, eps=EPSILON)
        if kind == "layer":
            return functional.layer_norm(signal, signal.shape[1:], eps=EPSILON)
        return super().normalize(signal, kind)


@dataclass(frozen=True)
class Job:
    """One architecture to train for short epochs: what all variants are given."""

    network: FusedMLP
    """at initialization; to be copied"""
    start: Start
    """the same as a row of numbers"""
    data: Dataset
    rates: Tensor
    """(members,)"""
    training: TrainingSpec
    share: float
    """of the dataset's whole epoch that one epoch of `data` is"""

    @property
    def batches(self) -> tuple[int, int]:
        """Minibatches of the training and of the validation part."""
        return len(self.data.train_labels) // BATCH_SIZE, len(self.data.validation_labels) // BATCH_SIZE


def make_job(cell: Cell, shape: Shape, device: str, *, whole: bool = False) -> Job:
    """The cell's job: `whole` epochs, or short ones of as few minibatches as keep the dataset's proportion (on a GPU
    ten times as many, so that what happens once an epoch does not weigh too much)."""
    drawn = cell.architecture(shape)
    generator = torch.Generator().manual_seed(cell.number)
    validation = shape.validation_batches if whole else 1 if device == "cpu" else 10
    parts: list[Tensor] = []
    for batches in (shape.train_batches // shape.validation_batches * validation, validation, 0):
        parts.append(torch.randn(batches * BATCH_SIZE, shape.d_in, generator=generator, dtype=torch.float64))
        parts.append(torch.randint(shape.classes, (batches * BATCH_SIZE,), generator=generator))
    data = Dataset(shape.dataset, shape.classes, *parts).to(device, torch.float64)
    network = FusedMLP(drawn.layered, drawn.initial_parameters()).to(device)
    scale = loss_scale(network, data.train_inputs, batch_size=BATCH_SIZE)
    return Job(
        network,
        start_of(network, loss_scale=scale, seed=cell.number),
        data,
        LOWEST_RATE * torch.arange(1, shape.population + 1, dtype=torch.float64, device=device),
        TrainingSpec(batch_size=BATCH_SIZE, population=shape.population),
        share=validation / shape.validation_batches,
    )
