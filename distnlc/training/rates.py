"""The range of starting rates of one architecture (section E.2).

The optimizer runs for one epoch at rate 1 without applying its updates; with dW_lb the update of layer l's weight
matrix in minibatch b, the smallest rate is
    smallest_update * (sum_l sqrt(mean_b ||dW_lb||_F^2) / ||W_l||_F)^-1,
so that no weight matrix moves by more than about `smallest_update` of its norm in one update. Adam first runs four
epochs, likewise without applying updates, to warm its averages.
"""

import math
from itertools import pairwise

import torch
from torch.nn import functional

from distnlc.data.dataset import Dataset
from distnlc.networks.loss import cross_entropy_and_delta
from distnlc.training.mlp_population import PopulationMLP
from distnlc.training.optimizers import Adam
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start
from distnlc.training.trainer import check_batches, shuffled_epoch

ADAM_WARMUP_EPOCHS = 4


def smallest_rate(start: Start, data: Dataset, training: TrainingSpec, smallest_update: float) -> float:
    """The smallest starting rate, whose updates have the size `smallest_update` relative to the weights.

    Raises ValueError if the updates have no finite positive size.
    """
    check_batches(data, training.batch_size)
    population = PopulationMLP(start.architecture, start.row[None], start.projection, batch_size=training.batch_size)
    gradients = torch.empty_like(population.flat)
    adam = Adam.start(population.flat) if training.optimizer == "adam" else None
    warmup = 0 if adam is None else ADAM_WARMUP_EPOCHS
    square_sums = population.flat.new_zeros(start.architecture.depth)
    batches, size = 0, training.batch_size
    for epoch in range(warmup + 1):
        points, labels = shuffled_epoch(data, seed=start.seed, epoch=epoch)
        one_hots = functional.one_hot(labels, data.classes).to(points.dtype).T
        for inputs, one_hot in zip(points.split(size, 1), one_hots.split(size, 1), strict=True):
            outputs = population.forward(inputs, training=True)
            _, delta = cross_entropy_and_delta(outputs, one_hot, loss_scale=start.loss_scale)
            population.backward(inputs, delta, gradients)
            update = gradients if adam is None else adam.update(gradients)
            if epoch == warmup:
                square_sums += _weight_norms(start, update[0]) ** 2
                batches += 1
    relative = ((square_sums / batches).sqrt() / _weight_norms(start, start.row)).sum().item()
    if not 0 < relative < math.inf:
        raise ValueError(
            "the first updates must have a finite positive size relative to the weights to set the range of rates, "
            f"got {relative}"
        )
    return smallest_update / relative


def _weight_norms(start: Start, row: torch.Tensor) -> torch.Tensor:
    """Frobenius norm of each layer's weight matrix in a (parameters,) row: (depth,)."""
    norms, position, widths = [], 0, start.architecture.widths
    for d_in, d_out in pairwise(widths):
        norms.append(torch.linalg.vector_norm(row[position : position + d_in * d_out]))
        position += d_in * d_out + d_out
    return torch.stack(norms)
