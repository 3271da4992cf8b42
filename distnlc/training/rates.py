"""The range of starting rates of one architecture (section E.2).

The optimizer runs for one epoch at rate 1 without applying its updates; with dW_lb the update of layer l's weight
matrix in minibatch b, the smallest rate is
    smallest_update * (sum_l sqrt(mean_b ||dW_lb||_F^2) / ||W_l||_F)^-1,
so that no weight matrix moves by more than about `smallest_update` of its norm in one update. An optimizer with a state
(Adam in the paper) first runs four epochs, likewise without applying updates, to warm its averages. The weight matrices
of a module that is no layered network are its trained parameters of two or more dimensions that are not zero.

Since nothing is applied, all gradients are taken at the same numbers: a GPU computes those of many minibatches at a
time, as members of one population with a minibatch each. An optimizer's state takes them one after the other.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.data.dataset import Dataset
from distnlc.networks.layered import Layered
from distnlc.networks.loss import losses_and_delta
from distnlc.networks.stacks import batches_together
from distnlc.training import captured, optimizers
from distnlc.training.evaluation import check_whole
from distnlc.training.layered_population import LayeredPopulation
from distnlc.training.module_program import ModuleProgram
from distnlc.training.population import stream
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start

WARMUP_EPOCHS = 4
MOST_NUMBERS = 100_000_000
"""parameters of all members that a GPU holds for the gradients of several minibatches: 0.8 GB of float64, and as much
for the gradients"""


def smallest_rate(start: Start, data: Dataset, training: StepSpec, smallest_update: float) -> float:
    """The smallest starting rate of a start of one run, whose updates have the size `smallest_update` relative to the
    weights. Raises ValueError if the updates have no finite positive size.
    """
    check_whole(start.network, data, training.batch_size, ("train",))
    state, points, matrices = optimizers.initial_state(training, start.rows), len(data.train_labels), _matrices(start)
    warmup, batches = WARMUP_EPOCHS if state else 0, points // training.batch_size
    order = stream(start.seeds, points, 0, (warmup + 1) * points)[0].to(start.rows.device)
    minibatches = order.view(-1, training.batch_size)
    gradients, together = _gradients(start, training, len(minibatches))
    square_sums = start.rows.new_zeros(len(matrices))
    for first in range(0, len(minibatches), together):
        rows = minibatches[first : first + together]
        updates = gradients(data.train_inputs[rows], data.train_labels[rows])
        if training.weight_decay:
            updates.add_(start.rows, alpha=training.weight_decay)
        for update in updates if state else ():
            update.copy_(optimizers.update(training, state, update[None])[0])
        measured = updates[max(warmup * batches - first, 0) :]
        if len(measured):
            square_sums += (_norms(matrices, measured) ** 2).sum(0)
    relative = ((square_sums / batches).sqrt() / _norms(matrices, start.rows)[0]).sum().item()
    if not 0 < relative < math.inf:
        raise ValueError(
            "the first updates must have a finite positive size relative to the weights to set the range of rates, "
            f"got {relative}"
        )
    return smallest_update / relative


Gradients = Callable[[Tensor, Tensor], Tensor]
"""of minibatches (minibatches, batch, d_in) with labels (minibatches, batch): (minibatches, parameters), in a place
that the next call overwrites"""


def _gradients(start: Start, training: StepSpec, minibatches: int) -> tuple[Gradients, int]:
    """The gradients at the start's numbers, and the number of minibatches to give at a time."""
    if isinstance(start.network, Layered):
        bound = min(batches_together(start.rows.device, training.batch_size), MOST_NUMBERS // start.rows.shape[1])
        together = max(1, min(bound, minibatches))
        return _Stacked(start, start.network, training, together), together
    program = ModuleProgram(start, training)
    return lambda inputs, labels: program.gradients(inputs[0], labels[0])[1], 1


class _Stacked:
    """The gradients of a layered network, by one population that has a member for each minibatch."""

    def __init__(self, start: Start, network: Layered, training: StepSpec, together: int) -> None:
        """The first call must be given `together` minibatches, later ones may be given fewer."""
        self._loss, self._loss_scale = training.loss, start.loss_scale[:, None, None].to(start.rows)
        rows, buffers = start.rows.expand(together, -1), start.buffers.expand(together, -1)
        self._population = LayeredPopulation(network, rows, buffers, batch_size=training.batch_size)
        self._inputs = rows.new_empty(together, network.d_in, training.batch_size)
        self._one_hot = rows.new_empty(together, network.d_out, training.batch_size)
        self._found = torch.empty_like(self._population.flat)
        self._repeated = captured.repeated(rows.device)

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        self._inputs[: len(labels)] = inputs.mT
        self._one_hot[: len(labels)] = functional.one_hot(labels, self._one_hot.shape[1]).mT
        self._repeated(self._backpropagate)
        return self._found[: len(labels)]

    def _backpropagate(self) -> None:
        outputs = self._population.forward(self._inputs, training=True)
        _, delta = losses_and_delta(self._loss, outputs, self._one_hot, self._loss_scale)
        self._population.backward(self._inputs, delta, self._found)


def _matrices(start: Start) -> list[slice]:
    """Where each weight matrix lies in a row of parameters."""
    if isinstance(start.network, Layered):
        shapes = [(d_out * d_in, biases) for d_out, d_in, biases in start.network.sizes]
    else:
        tensors = list(start.network.parameters())
        is_matrix = [value.ndim > 1 and value.requires_grad for value in tensors]
        shapes = [(v.numel(), 0) if matrix else (0, v.numel()) for v, matrix in zip(tensors, is_matrix, strict=True)]
    found, position = [], 0
    for weights, others in shapes:
        matrix = slice(position, position + weights)
        if weights and (isinstance(start.network, Layered) or start.rows[0, matrix].any()):
            found.append(matrix)
        position += weights + others
    if not found:
        raise ValueError("the network has no weight matrix that is not zero, so that there is no range of rates")
    return found


def _norms(matrices: list[slice], rows: Tensor) -> Tensor:
    """Frobenius norm of each weight matrix in each row: (rows, parameters) -> (rows, matrices)."""
    return torch.stack([torch.linalg.vector_norm(rows[:, matrix], dim=1) for matrix in matrices], 1)
