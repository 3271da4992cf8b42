"""The range of starting rates (section E.2), against a loop with autograd and Adam written by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from distnlc.data.dataset import Dataset
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import loss_scale
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.training.rates import smallest_rate
from distnlc.training.spec import TrainingSpec
from distnlc.training.trainer import Start

BATCH, POINTS, SHUFFLE_SEED = 20, 100, 3
DEEP = Architecture(
    index=0,
    seed=7,
    d_in=6,
    d_out=3,
    depth=5,
    width=8,
    activation="tanh",
    bias_variance=0.05,
    normalization="batch",
    skip_strength=0.5,
    skip_start="linear",
)
SHALLOW = Architecture(index=1, seed=8, d_in=6, d_out=3, depth=3, width=9, activation="relu", normalization="layer")
PLAIN = Architecture(index=2, seed=9, d_in=6, d_out=3, depth=7, width=5, activation="selu", debiased=True)


@pytest.fixture(scope="module")
def data() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(POINTS + 40, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (POINTS + 40,), generator=generator)
    edges = ((0, POINTS), (POINTS, POINTS + 20), (POINTS + 20, POINTS + 40))
    return Dataset("waveform-noise", 3, *[part[a:b] for a, b in edges for part in (inputs, labels)])


def start_of(drawn: Architecture, data: Dataset) -> Start:
    network = drawn.build()
    row = parameters_to_vector(network.parameters()).detach()
    scale = loss_scale(network, data.train_inputs, batch_size=BATCH)
    return Start(drawn, row, network.projection, scale, seed=SHUFFLE_SEED)


def training(optimizer: str) -> TrainingSpec:
    return TrainingSpec.parse({"optimizer": optimizer, "batch_size": BATCH})


def weights(network: MLP) -> Sequence[Tensor]:
    return list(network.parameters())[::2]


def batch_gradients(network: MLP, data: Dataset, scale: float, epoch: int) -> list[list[Tensor]]:
    """For every minibatch of an epoch, the gradient of each weight matrix of the unchanged network."""
    order = np.random.default_rng(derive_seed("shuffle", SHUFFLE_SEED, epoch)).permutation(POINTS)
    gradients = []
    for first in range(0, POINTS, BATCH):
        rows = torch.from_numpy(order[first : first + BATCH])
        loss = functional.cross_entropy(network(data.train_inputs[rows]) / scale, data.train_labels[rows])
        gradients.append(list(torch.autograd.grad(loss, weights(network))))
    return gradients


def updates_of(network: MLP, data: Dataset, scale: float, optimizer: str) -> list[list[Tensor]]:
    """The updates at rate 1 of the measured epoch, batch by batch and layer by layer; none is applied."""
    if optimizer == "sgd":
        return batch_gradients(network, data, scale, epoch=0)
    first = [torch.zeros_like(weight) for weight in weights(network)]
    second = [torch.zeros_like(weight) for weight in weights(network)]
    step, measured = 0, []
    for epoch in range(5):  # four to warm the averages, one to measure
        for gradients in batch_gradients(network, data, scale, epoch):
            step += 1
            updates = []
            for layer, gradient in enumerate(gradients):
                first[layer] = 0.9 * first[layer] + 0.1 * gradient
                second[layer] = 0.999 * second[layer] + 0.001 * gradient**2
                mean, spread = first[layer] / (1 - 0.9**step), second[layer] / (1 - 0.999**step)
                updates.append(mean / (torch.sqrt(spread) + 1e-8))
            if epoch == 4:
                measured.append(updates)
    return measured


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("drawn", [DEEP, SHALLOW, PLAIN], ids=lambda drawn: drawn.label())
def test_the_smallest_rate_is_that_of_the_slow_loop(drawn: Architecture, optimizer: str, data: Dataset) -> None:
    start, network = start_of(drawn, data), drawn.build()
    updates = updates_of(network, data, start.loss_scale, optimizer)
    norms = [float(weight.detach().norm()) for weight in weights(network)]
    sizes = np.array([[float(update.norm()) for update in batch] for batch in updates]) / norms  # (batches, layers)
    root_mean_squares = np.sqrt((sizes**2).mean(0))

    rate = smallest_rate(start, data, training(optimizer), 1e-8)

    assert rate == pytest.approx(1e-8 / root_mean_squares.sum(), rel=1e-9)
    assert (rate * root_mean_squares <= 1e-8).all()
    assert (rate * sizes).max() <= 1.5e-8  # no weight matrix moves by more than about 1e-8 of its norm


def test_the_rate_is_proportional_to_the_smallest_update(data: Dataset) -> None:
    start = start_of(SHALLOW, data)
    usual = smallest_rate(start, data, training("sgd"), 1e-8)
    smaller = smallest_rate(start, data, training("sgd"), 1e-16)
    assert smaller == pytest.approx(1e-8 * usual)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_no_update_is_applied_and_the_answer_is_the_same_again(optimizer: str, data: Dataset) -> None:
    start = start_of(DEEP, data)
    before = start.row.clone()
    first = smallest_rate(start, data, training(optimizer), 1e-8)
    assert torch.equal(start.row, before)
    assert smallest_rate(start, data, training(optimizer), 1e-8) == first


def test_updates_of_no_finite_positive_size_are_refused(data: Dataset) -> None:
    """With every ReLU of the last hidden layer dead, no weight has a gradient."""
    drawn = Architecture(index=2, seed=9, d_in=6, d_out=3, depth=3, width=5, activation="relu")
    network = drawn.build()
    last_hidden_bias = list(network.parameters())[3]
    with torch.no_grad():
        last_hidden_bias.fill_(-1e3)
    row = parameters_to_vector(network.parameters()).detach()
    for numbers, found in ((row, "0.0"), (row * math.inf, "nan")):
        with pytest.raises(ValueError, match=rf"finite positive size .*got {found}"):
            smallest_rate(Start(drawn, numbers, None, 1.0, SHUFFLE_SEED), data, training("sgd"), 1e-8)


def test_data_that_does_not_split_into_whole_batches_is_refused(data: Dataset) -> None:
    spec = TrainingSpec(batch_size=30)
    with pytest.raises(ValueError, match=r"multiple of the batch size 30 .* 100 points; set data.train"):
        smallest_rate(start_of(SHALLOW, data), data, spec, 1e-8)
