"""Errors and losses of a population on a part of the data."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distnlc.data.dataset import Dataset
from distnlc.networks.layered import Layered
from distnlc.networks.loss import point_losses
from distnlc.training.start import Program

PARTS = ("train", "validation", "test")


def check_whole(network: Layered | nn.Module, data: Dataset, batch_size: int, parts: Sequence[str] = PARTS) -> None:
    """Raises ValueError unless these parts of the data split into whole minibatches, where points of a minibatch depend
    on one another: with batch norm, in a smaller one, the network is another function."""
    if not normalizes_over_batches(network):
        return
    for part in parts:
        count = len(getattr(data, f"{part}_labels"))
        if count % batch_size:
            raise ValueError(
                f"the {part} part of {data.name} must be a multiple of the batch size {batch_size} (batch norm in "
                f"a smaller last batch is another function), but it has {count} points; set data.{part}"
            )


def normalizes_over_batches(network: Layered | nn.Module) -> bool:
    """Whether outputs of one point depend on the others of its minibatch where errors are counted: batch norm, but for
    a module's that keeps running statistics."""
    if isinstance(network, Layered):
        return any(layer.normalization == "batch" for layer in network.layers)
    norms = [inner for inner in network.modules() if isinstance(inner, nn.modules.batchnorm._BatchNorm)]
    return any(norm.running_mean is None for norm in norms)


def part_of(data: Dataset, part: str) -> tuple[Tensor, Tensor]:
    """One part of the data: inputs (points, d_in), labels (points,)."""
    return getattr(data, f"{part}_inputs"), getattr(data, f"{part}_labels")


def error_fractions(program: Program, inputs: Tensor, labels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each member's classification error, and whether all its outputs were finite; nan and yes without points."""
    points, size = len(labels), program.spec.batch_size
    if points == 0:
        return np.full(len(program.flat), np.nan), np.ones(len(program.flat), dtype=bool)
    if points % size == 0:
        wrong, finite = program.count_errors(inputs, labels)
    else:
        outputs = completed_outputs(program, inputs)
        wrong, finite = (outputs.argmax(2) != labels).sum(1), outputs.isfinite().flatten(1).all(1)
    return wrong.double().cpu().numpy() / points, finite.cpu().numpy()


def errors_and_losses(
    program: Program, inputs: Tensor, labels: Tensor, *, loss_scale: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each member's classification error and mean loss (see `point_losses`), nan where its outputs are not finite.

    `loss_scale` (population,).
    """
    outputs = completed_outputs(program, inputs)
    finite = outputs.isfinite().flatten(1).all(1)
    errors = (outputs.argmax(2) != labels).double().mean(1)
    losses = point_losses(program.spec.loss, outputs, labels, loss_scale[:, None, None]).mean(1)
    errors, losses = (torch.where(finite, each, torch.nan) for each in (errors, losses))
    return errors.cpu().numpy(), losses.cpu().numpy()


def completed_outputs(program: Program, inputs: Tensor) -> Tensor:
    """Outputs (population, points, d_out) of any number of points: those that fill no whole minibatch are completed to
    one by others, which do not count. `check_whole` refuses that where points depend on one another."""
    points, size = len(inputs), program.spec.batch_size
    surplus = -points % size
    completed = torch.cat([inputs, inputs[torch.arange(surplus) % points]]) if surplus else inputs
    return program.outputs(completed)[:, :points]
