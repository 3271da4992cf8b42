"""Three ways to train the runs of a job for an epoch, all with the same result but for rounding.

    (a) population   as a study does: `training.programs.make_program`
    (b) plain        one network at a time: module, autograd, torch.optim.SGD
    (c) stacked      the population as the torch.func tutorial makes it: stack_module_state, functional_call, vmap(grad)

An epoch is what `training.trainer.PopulationTrainer.epoch` computes: the points shuffled, one update per minibatch,
then the errors on the validation part; the host asks for losses and errors once, at its end.
"""

import copy
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional

from distnlc.bench.cells import BATCH_SIZE, Job
from distnlc.training.evaluation import error_fractions, part_of
from distnlc.training.population import stream
from distnlc.training.programs import make_program

Result = tuple[NDArray[np.float64], NDArray[np.float64]]
Epoch = Callable[[], Result]
"""trains each of its runs for one more epoch: its mean training loss, its validation error afterwards; both (runs,)"""


def population(job: Job) -> Epoch:
    """All members of the job."""
    program = make_program(job.start.expanded(len(job.rates)), job.training)
    watched, numbers, points = part_of(job.data, "validation"), count(), len(job.data.train_labels)

    def epoch() -> Result:
        orders = stream(job.start.seeds, points, next(numbers) * points, points).to(job.rates.device)
        losses = program.train(job.data.train_inputs, job.data.train_labels, orders, job.rates[:, None])
        return losses.cpu().numpy(), error_fractions(program, *watched)[0]

    return epoch


def plain(job: Job, member: int = 0) -> Epoch:
    """One member of the job. Nothing in the loop waits for the device."""
    network = copy.deepcopy(job.network)
    optimizer = torch.optim.SGD(network.parameters(), lr=float(job.rates[member]))
    numbers, watched = count(), _batches(job.data.validation_inputs, job.data.validation_labels)

    def epoch() -> Result:
        loss_sum = job.rates.new_zeros(1)
        batches = _shuffled_batches(job, next(numbers))
        for inputs, labels in batches:
            loss = functional.cross_entropy(network(inputs) / job.start.loss_scale, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach()
        with torch.no_grad():
            wrong = torch.stack([(network(inputs).argmax(1) != labels).sum() for inputs, labels in watched]).sum(0)
        return _result(job, loss_sum / len(batches), wrong[None])

    return epoch


def stacked(job: Job) -> Epoch:
    """All members of the job."""
    parameters, buffers = stack_module_state([copy.deepcopy(job.network) for _ in job.rates])

    def predict(parameters: Any, buffers: Any, inputs: Tensor) -> Any:
        return functional_call(job.network, (parameters, buffers), (inputs,))

    def loss(parameters: Any, buffers: Any, inputs: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(predict(parameters, buffers, inputs) / job.start.loss_scale, labels)

    predict_all = vmap(predict, in_dims=(0, 0, None))
    gradients_of_all = vmap(grad_and_value(loss), in_dims=(0, 0, None, None))
    numbers, watched = count(), _batches(job.data.validation_inputs, job.data.validation_labels)

    @torch.no_grad()
    def epoch() -> Result:
        loss_sum = torch.zeros_like(job.rates)
        batches = _shuffled_batches(job, next(numbers))
        for inputs, labels in batches:
            gradients, losses = gradients_of_all(parameters, buffers, inputs, labels)
            for name, gradient in gradients.items():
                parameters[name].sub_(gradient.mul_(job.rates.view(-1, *[1] * (gradient.ndim - 1))))
            loss_sum += losses
        wrong = [(predict_all(parameters, buffers, inputs).argmax(2) != labels).sum(1) for inputs, labels in watched]
        return _result(job, loss_sum / len(batches), torch.stack(wrong).sum(0))

    return epoch


def _shuffled_batches(job: Job, epoch: int) -> list[tuple[Tensor, Tensor]]:
    """The minibatches of one epoch as rows, in the population's order."""
    points = len(job.data.train_labels)
    order = stream(job.start.seeds, points, epoch * points, points)[0].to(job.rates.device)
    return _batches(job.data.train_inputs[order], job.data.train_labels[order])


def _batches(inputs: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(inputs.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True))


def _result(job: Job, losses: Tensor, wrong: Tensor) -> Result:
    return losses.cpu().numpy(), wrong.cpu().numpy() / len(job.data.validation_labels)
