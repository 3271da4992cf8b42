"""The range of starting rates of one architecture (section E.2).

The optimizer runs for one epoch at rate 1 without applying its updates; with dW_lb the update of layer l's weight
matrix in minibatch b, the smallest rate is
    smallest_update * (sum_l sqrt(mean_b ||dW_lb||_F^2) / ||W_l||_F)^-1,
so that no weight matrix moves by more than about `smallest_update` of its norm in one update. An optimizer with a state
(Adam in the paper) first runs four epochs, likewise without applying updates, to warm its averages. The weight matrices
of a module that is no layered network are its parameters of two or more dimensions that are not zero.
"""

import math

import torch
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.networks.layered import Layered
from distnlc.training import optimizers
from distnlc.training.evaluation import check_batches
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.module_program import ModuleProgram
from distnlc.training.population import stream
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start

WARMUP_EPOCHS = 4


def smallest_rate(start: Start, data: Dataset, training: StepSpec, smallest_update: float) -> float:
    """The smallest starting rate of a start of one run, whose updates have the size `smallest_update` relative to the
    weights. Raises ValueError if the updates have no finite positive size.
    """
    check_batches(data, training.batch_size)
    program = LayeredProgram(start, training) if isinstance(start.network, Layered) else ModuleProgram(start, training)
    state, size = optimizers.initial_state(training, program.flat), training.batch_size
    warmup = WARMUP_EPOCHS if state else 0
    matrices = _weight_matrices(start)
    square_sums, batches = program.flat.new_zeros(len(matrices)), 0
    points = len(data.train_labels)
    for epoch in range(warmup + 1):
        order = stream(start.seeds, points, epoch * points, points)[0].to(program.flat.device)
        for batch in order.split(size):
            _, gradients = program.gradients(data.train_inputs[batch], data.train_labels[batch])
            if training.weight_decay:
                gradients.add_(program.flat, alpha=training.weight_decay)
            update = optimizers.update(training, state, gradients)
            if epoch == warmup:
                square_sums += _norms(matrices, update[0]) ** 2
                batches += 1
    relative = ((square_sums / batches).sqrt() / _norms(matrices, start.rows[0])).sum().item()
    if not 0 < relative < math.inf:
        raise ValueError(
            "the first updates must have a finite positive size relative to the weights to set the range of rates, "
            f"got {relative}"
        )
    return smallest_update / relative


def _weight_matrices(start: Start) -> list[slice]:
    """Where each weight matrix lies in a row of parameters."""
    if isinstance(start.network, Layered):
        shapes = [(d_out * d_in, biases) for d_out, d_in, biases in start.network.sizes]
    else:
        tensors = list(start.network.parameters())
        shapes = [(value.numel(), 0) if value.ndim > 1 else (0, value.numel()) for value in tensors]
    found, position = [], 0
    for weights, others in shapes:
        matrix = slice(position, position + weights)
        if weights and (isinstance(start.network, Layered) or start.rows[0, matrix].any()):
            found.append(matrix)
        position += weights + others
    if not found:
        raise ValueError("the network has no weight matrix that is not zero, so that there is no range of rates")
    return found


def _norms(matrices: list[slice], row: Tensor) -> Tensor:
    """Frobenius norm of each weight matrix in a (parameters,) row."""
    return torch.stack([torch.linalg.vector_norm(row[matrix]) for matrix in matrices])
