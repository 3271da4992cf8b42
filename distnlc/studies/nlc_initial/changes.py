"""What one can do to a network and its data without changing how well it learns (section 6 of the NLC paper).

In: a `Case`, an initialized network with its dataset. Out: another one that computes the same function of the data,
but for the output's scale. `unit.py` measures which metrics move when that is done.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from distnlc.data.dataset import Dataset
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import loss_scale
from distnlc.networks.mlp import MLP
from distnlc.training.spec import TrainingSpec

FACTOR = 10.0
"""inputs and outputs are multiplied by it; also the constant that is added to every feature, of variance 1"""
COPIES = 4
"""of every feature"""


@dataclass(frozen=True)
class Case:
    """A network at initialization, the data it is to learn, and the constant that its loss divides outputs by."""

    architecture: Architecture
    network: MLP
    dataset: Dataset
    loss_scale: float

    def linear(self, number: int) -> nn.Linear:
        """One of the linear operations."""
        operation = self.network.linears[number]
        assert isinstance(operation, nn.Linear)
        return operation


def make_case(architecture: Architecture, dataset: Dataset) -> Case:
    """An architecture as the study initializes it. Raises ValueError for one that cannot be trained."""
    network = architecture.build().requires_grad_(False).to(dataset.train_inputs.device)
    scale = loss_scale(network, dataset.train_inputs, batch_size=TrainingSpec().batch_size)
    return Case(architecture, network, dataset, scale)


def absorbs(architecture: Architecture) -> bool:
    """Whether the first linear operation's batch norm undoes any scale of the inputs and any constant added to them.

    Not if a skip connection carries what comes before it. Layer norm does not undo either: it leaves the biases, which
    training moves even where they begin at zero.
    """
    return architecture.normalization == "batch" and architecture.skip_start != "linear"


def scale_inputs(case: Case) -> Case:
    """Inputs times FACTOR; the first weights are divided by it unless batch norm makes up for it."""
    changed = _with_inputs(case, lambda inputs: inputs * FACTOR)
    if not absorbs(case.architecture):
        changed.linear(0).weight.div_(FACTOR)
    return changed


def scale_outputs_and_loss(case: Case) -> Case:
    """Outputs times FACTOR, and so is the constant that the loss divides them by, as the study would measure it."""
    return replace(scale_outputs(case), loss_scale=case.loss_scale * FACTOR)


def scale_outputs(case: Case) -> Case:
    """Outputs times FACTOR; the loss takes them as they are."""
    changed = replace(case, network=copy.deepcopy(case.network))
    changed.linear(-1).weight.mul_(FACTOR)
    changed.linear(-1).bias.mul_(FACTOR)
    for matrix in changed.network.matrices:  # of the last skip connection, which ends in the outputs
        matrix.mul_(FACTOR)
    return changed


def duplicate_features(case: Case) -> Case:
    """Every feature COPIES = 4 times; every copy has weights of its own, half as large as they were.

    They are the old weights W with pairs of features turned by 60 degrees, half of the copies to the left and half
    to the right: (W R, W R, W R', W R') / 2. W R is as likely a draw as W itself, and since R + R' = 1, the copies
    add up to W x. Needs an even number of features.
    """
    weight = case.linear(0).weight
    cosine, sine = math.cos(math.pi / 3), math.sin(math.pi / 3)
    turn = weight.new_tensor([[cosine, -sine], [sine, cosine]])
    turns = torch.block_diag(*[turn] * (weight.shape[1] // 2))
    left, right = weight @ turns / 2, weight @ turns.T / 2
    return _duplicated(case, [left, left, right, right])


def duplicate_features_and_weights(case: Case) -> Case:
    """Every feature COPIES times, every copy with the same weights, a quarter as large as they were."""
    return _duplicated(case, [case.linear(0).weight / COPIES] * COPIES)


def add_constant(case: Case) -> Case:
    """FACTOR added to every feature; the first bias makes up for it unless batch norm does."""
    changed = _with_inputs(case, lambda inputs: inputs + FACTOR)
    if not absorbs(case.architecture):
        first = changed.linear(0)
        first.bias.sub_(FACTOR * first.weight.sum(1))
    return changed


CHANGES: dict[str, Callable[[Case], Case]] = {
    "input_scale": scale_inputs,
    "output_scale": scale_outputs_and_loss,
    "output_scale_alone": scale_outputs,
    "duplicates": duplicate_features,
    "equal_duplicates": duplicate_features_and_weights,
    "input_constant": add_constant,
}


def _with_inputs(case: Case, change: Callable[[Tensor], Tensor]) -> Case:
    """A copy of the network, on changed inputs."""
    dataset = replace(
        case.dataset,
        train_inputs=change(case.dataset.train_inputs),
        validation_inputs=change(case.dataset.validation_inputs),
        test_inputs=change(case.dataset.test_inputs),
    )
    return replace(case, network=copy.deepcopy(case.network), dataset=dataset)


def _duplicated(case: Case, weights: Sequence[Tensor]) -> Case:
    changed = _with_inputs(case, lambda inputs: inputs.repeat(1, COPIES))
    changed.linear(0).weight = nn.Parameter(torch.cat(list(weights), 1), requires_grad=False)
    changed.network.layered = replace(changed.network.layered, d_in=changed.linear(0).weight.shape[1])
    return replace(changed, architecture=replace(case.architecture, d_in=COPIES * case.architecture.d_in))
