"""Errors and losses of a population on a part of the data."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distnlc.data.dataset import Dataset
from distnlc.networks.layered import Layered
from distnlc.networks.loss import point_losses
from distnlc.training.spec import StepSpec
from distnlc.training.start import Program


def check_batches(data: Dataset, batch_size: int) -> None:
    """Raises ValueError unless every part of the data splits into whole batches."""
    for part in ("train", "validation", "test"):
        count = len(getattr(data, f"{part}_inputs"))
        if count % batch_size:
            raise ValueError(
                f"the {part} part of {data.name} must be a multiple of the batch size {batch_size} (batch norm in "
                f"a smaller last batch is another function), but it has {count} points; set data.{part}"
            )


def part_of(data: Dataset, part: str) -> tuple[Tensor, Tensor]:
    """One part of the data: inputs (points, d_in), labels (points,)."""
    return getattr(data, f"{part}_inputs"), getattr(data, f"{part}_labels")


def error_fractions(program: Program, inputs: Tensor, labels: Tensor) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each member's classification error, and whether all its outputs were finite."""
    wrong, finite = program.count_errors(inputs, labels)
    return wrong.double().cpu().numpy() / len(labels), finite.cpu().numpy()


def errors_and_losses(
    program: Program, inputs: Tensor, labels: Tensor, *, spec: StepSpec, loss_scale: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each member's classification error and mean loss (see `point_losses`), nan where its outputs are not finite.

    `loss_scale` (population,). Points that fill no whole minibatch are completed to one by others, which do not count;
    `check_whole` refuses that where points depend on one another.
    """
    points, size = len(labels), spec.batch_size
    surplus = -points % size
    completed = torch.cat([inputs, inputs[torch.arange(surplus) % points]]) if surplus else inputs
    outputs = program.outputs(completed)[:, :points]
    finite = outputs.isfinite().flatten(1).all(1)
    errors = (outputs.argmax(2) != labels).double().mean(1)
    losses = point_losses(spec.loss, outputs, labels, loss_scale[:, None, None]).mean(1)
    errors, losses = (torch.where(finite, each, torch.nan) for each in (errors, losses))
    return errors.cpu().numpy(), losses.cpu().numpy()


def check_whole(network: Layered | nn.Module, data: Dataset, batch_size: int) -> None:
    """Raises ValueError if a network normalizes over batches and a part of the data does not split into whole ones."""
    if isinstance(network, Layered) and any(layer.normalization == "batch" for layer in network.layers):
        check_batches(data, batch_size)
