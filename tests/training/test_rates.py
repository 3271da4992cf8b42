"""The range of starting rates (section E.2), against a loop with autograd and Adam written by hand."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from distnlc.data.dataset import Dataset
from distnlc.networks.architecture import Architecture
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.training.rates import smallest_rate
from distnlc.training.start import Start
from tests.helpers.plain_training import SHORT, SKIPS, architecture, small_data, start_for

BATCH, POINTS = 20, 80
DRAWN = [architecture("tanh", "batch", SKIPS[2]), architecture("relu", "layer", depth=3), architecture("selu", depth=7)]


def weights(network: MLP) -> Sequence[Tensor]:
    return list(network.parameters())[::2]


def batch_gradients(network: MLP, data: Dataset, start: Start, epoch: int) -> list[list[Tensor]]:
    """For every minibatch of an epoch, the gradient of each weight matrix of the unchanged network."""
    order = np.random.default_rng(derive_seed("shuffle", start.seeds[0], epoch)).permutation(POINTS)
    gradients = []
    for first in range(0, POINTS, BATCH):
        rows = torch.from_numpy(order[first : first + BATCH])
        loss = functional.cross_entropy(
            network(data.train_inputs[rows]) / start.loss_scale.item(), data.train_labels[rows]
        )
        gradients.append(list(torch.autograd.grad(loss, weights(network))))
    return gradients


def velocities(network: MLP, data: Dataset, start: Start) -> list[list[Tensor]]:
    """The heavy ball's updates of the fifth epoch, after four to warm up."""
    velocity, measured = [torch.zeros_like(weight) for weight in weights(network)], []
    for epoch in range(5):
        for gradients in batch_gradients(network, data, start, epoch):
            velocity = [0.9 * v + gradient for v, gradient in zip(velocity, gradients, strict=True)]
            if epoch == 4:
                measured.append(velocity)
    return measured


def updates_of(network: MLP, data: Dataset, start: Start, optimizer: str) -> list[list[Tensor]]:
    """The updates at rate 1 of the measured epoch, batch by batch and layer by layer; none is applied."""
    if optimizer == "sgd":
        return batch_gradients(network, data, start, epoch=0)
    if optimizer == "momentum":
        return velocities(network, data, start)
    first = [torch.zeros_like(weight) for weight in weights(network)]
    second = [torch.zeros_like(weight) for weight in weights(network)]
    step, measured = 0, []
    for epoch in range(5):  # four to warm the averages, one to measure
        for gradients in batch_gradients(network, data, start, epoch):
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


@pytest.mark.parametrize(("optimizer", "size"), [("sgd", 1e-8), ("adam", 1e-16), ("momentum", 1e-8)])
@pytest.mark.parametrize("drawn", DRAWN, ids=lambda drawn: drawn.label())
def test_the_smallest_rate_is_that_of_the_slow_loop(drawn: Architecture, optimizer: str, size: float) -> None:
    data, network = small_data(), drawn.build()
    start, spec = start_for(drawn, data), SHORT.model_copy(update={"optimizer": optimizer})
    updates = updates_of(network, data, start, optimizer)
    norms = [float(weight.detach().norm()) for weight in weights(network)]
    sizes = np.array([[float(update.norm()) for update in batch] for batch in updates]) / norms  # (batches, layers)

    rate = smallest_rate(start, data, spec, size)
    assert rate == pytest.approx(size / np.sqrt((sizes**2).mean(0)).sum(), rel=1e-9, abs=0)
    assert (rate * sizes).max() <= 1.5 * size  # no weight matrix moves by more than about that part of its norm
    assert smallest_rate(start, data, spec, size) == rate  # no update was applied
    as_module = replace(start, network=network)
    assert smallest_rate(as_module, data, spec, size) == pytest.approx(rate, rel=1e-9, abs=0)


def test_updates_of_no_finite_positive_size_are_refused() -> None:
    """With every ReLU of the last hidden layer dead, no weight has a gradient."""
    data = small_data()
    start = start_for(Architecture(index=2, seed=9, d_in=6, d_out=3, depth=3, width=5, activation="relu"), data)
    start.rows[0, 6 * 5 + 5 + 5 * 5 :][:5] = -1e3  # the biases of the second layer
    for numbers, found in ((start.rows, "0.0"), (start.rows * math.inf, "nan")):
        with pytest.raises(ValueError, match=rf"finite positive size .*got {found}"):
            smallest_rate(replace(start, rows=numbers), data, SHORT, 1e-8)
