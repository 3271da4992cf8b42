"""The losses that networks are trained with, and the classification error.

    cross-entropy    of softmax(f(x) / c) (section C, "loss function"; c = 1 in the other studies)
    squared-error    sum over the classes of (softmax(f(x) / c) - one-hot)^2

`point_losses` gives them to full relative accuracy, for measuring; the functions for the training step are those whose
rounding the step can bear.
"""

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.networks.stacks import stacked_batches


def cross_entropy(outputs: Tensor, labels: Tensor, *, loss_scale: float) -> Tensor:
    """Per-datapoint loss: (batch, d_out) and (batch,) -> (batch,)."""
    return functional.cross_entropy(outputs / loss_scale, labels, reduction="none")


def mean_loss(name: str, outputs: Tensor, labels: Tensor, loss_scale: Tensor | float) -> Tensor:
    """A minibatch's mean loss, for autograd: (batch, d_out) and (batch,) -> a scalar."""
    if name == "cross-entropy":
        return functional.cross_entropy(outputs / loss_scale, labels)
    one_hot = functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
    return (torch.softmax(outputs / loss_scale, dim=1) - one_hot).square().sum(1).mean()


def losses_and_delta(name: str, outputs: Tensor, one_hot: Tensor, loss_scale: Tensor | float) -> tuple[Tensor, Tensor]:
    """A population's mean losses and their derivative by the outputs, without autograd.

    outputs (population, d_out, batch), one_hot (d_out, batch) or with a population in front, loss_scale a number or
    (population, 1, 1) -> losses (population,), delta like outputs.
    """
    batch = outputs.shape[2]
    log_probabilities = torch.log_softmax(outputs / loss_scale, dim=1)
    if name == "cross-entropy":
        own = torch.where(one_hot > 0, log_probabilities, 0)  # not times 0: the others' can be infinite
        losses = torch.sum(own, dim=(1, 2)) / -batch
        return losses, log_probabilities.exp_().sub_(one_hot).mul_(1 / (batch * loss_scale))
    probabilities = log_probabilities.exp_()
    wrong = probabilities - one_hot
    losses = wrong.square().sum(dim=(1, 2)) / batch
    wrong.mul_(2)  # the loss's derivative by the probabilities
    along = (wrong * probabilities).sum(1, keepdim=True)
    return losses, wrong.sub_(along).mul_(probabilities).mul_(1 / (batch * loss_scale))


def point_losses(name: str, outputs: Tensor, labels: Tensor, loss_scale: Tensor | float) -> Tensor:
    """The loss of every point in float64: outputs (..., points, d_out), labels (points,) -> (..., points).

    Where the label's output is the largest, the cross-entropy is log(1 + sum of exp(f_j - f_label) over the others):
    log_softmax would round it to 0 once the others hold less than the precision of a number near 1.
    """
    scaled = outputs.double() / loss_scale
    own = torch.gather(scaled, -1, labels.expand(scaled.shape[:-1])[..., None])
    others = (scaled - own).scatter(-1, labels.expand(scaled.shape[:-1])[..., None], -torch.inf)
    # 1 + sum of exp(others) without a number near 1: log1p(exp(z)) of their log-sum-exp z
    log_odds = torch.logsumexp(others, dim=-1)
    losses = functional.softplus(log_odds, threshold=700.0)
    if name == "cross-entropy":
        return torch.where(log_odds.isneginf(), 0.0, losses)
    # the label's term (1 - s)^2 by the sum of the others, which does not cancel
    rest = torch.exp(others - losses[..., None])  # s_j = exp(f_j - f_label) s_label
    return rest.sum(-1).square() + rest.square().sum(-1)


def loss_scale(network: torch.nn.Module, inputs: Tensor, *, batch_size: int) -> float:
    """`c = Q_{x,j} f(x, j)` over all inputs in batches, measured once at initialization and then fixed.

    It is a pass of its own, though the metrics make one over the same inputs: it is that of the module in its own
    training mode, the smaller last batch included. Raises ValueError if the outputs have no finite positive scale: such
    a network cannot be trained.
    """
    with torch.no_grad():
        square_sum, count = torch.zeros((), dtype=torch.float64, device=inputs.device), 0
        for batches in stacked_batches(network, inputs, batch_size):
            outputs = network(batches)
            square_sum += outputs.square().sum()  # read once, at the end: a GPU would wait at each
            count += outputs.numel()
    scale: float = (float(square_sum) / count) ** 0.5
    if not 0 < scale < float("inf"):
        raise ValueError(f"the initial outputs must have a finite positive scale to divide the loss by, got {scale}")
    return scale
