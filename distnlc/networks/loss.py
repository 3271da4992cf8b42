"""Softmax cross-entropy of `f(x) / c` and the classification error (section C, "loss function")."""

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(outputs: Tensor, labels: Tensor, *, loss_scale: float) -> Tensor:
    """Per-datapoint loss: (batch, d_out) and (batch,) -> (batch,)."""
    return functional.cross_entropy(outputs / loss_scale, labels, reduction="none")


def cross_entropy_and_delta(outputs: Tensor, one_hot: Tensor, *, loss_scale: float) -> tuple[Tensor, Tensor]:
    """A population's mean losses and their derivative by the outputs, without autograd.

    outputs (population, d_out, batch), one_hot (d_out, batch) -> losses (population,), delta like outputs.
    """
    log_probabilities = torch.log_softmax(outputs / loss_scale, dim=1)
    batch = outputs.shape[2]
    losses = torch.sum(log_probabilities * one_hot, dim=(1, 2)) / -batch
    delta = log_probabilities.exp_().sub_(one_hot).mul_(1 / (batch * loss_scale))
    return losses, delta


def loss_scale(network: torch.nn.Module, inputs: Tensor, *, batch_size: int) -> float:
    """`c = Q_{x,j} f(x, j)` over all inputs in batches, measured once at initialization and then fixed.

    Raises ValueError if the outputs have no finite positive scale: such a network cannot be trained.
    """
    with torch.no_grad():
        square_sum, count = 0.0, 0
        for batch in inputs.split(batch_size):
            outputs = network(batch)
            square_sum += float(outputs.square().sum())
            count += outputs.numel()
    scale: float = (square_sum / count) ** 0.5
    if not 0 < scale < float("inf"):
        raise ValueError(f"the initial outputs must have a finite positive scale to divide the loss by, got {scale}")
    return scale
