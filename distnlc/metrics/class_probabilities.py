"""Class probabilities without cancellation: loss and complement keep their digits where a network is all but certain.

In: logits (points, classes). Out, all float64: the loss of every class, its probability, and the sum of the others'.
Losses are log1p of the others' sum where the class is the likeliest, so that 1e-17 is told from 0 (section A.1 of the
additions to the study of sensitivity); one minus a probability is never formed.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Probabilities(NamedTuple):
    """All (points, classes), float64."""

    losses: Tensor
    """cross-entropy if that class were the label: minus the logarithm of its probability"""
    values: Tensor
    complements: Tensor
    """the sum of the other classes' probabilities"""

    @property
    def jacobian(self) -> Tensor:
        """The probabilities' derivative by the logits, (points, classes, classes)."""
        matrix = -self.values[:, :, None] * self.values[:, None, :]
        matrix.diagonal(dim1=1, dim2=2).copy_(self.values * self.complements)
        return matrix


def softmax(logits: Tensor) -> Probabilities:
    """The probabilities of logits of any floating-point type."""
    logits = logits.double()
    likeliest = logits.argmax(1, keepdim=True)
    others = (logits - logits.gather(1, likeliest)).exp().scatter(1, likeliest, 0.0).sum(1, keepdim=True)
    losses = torch.log1p(others) + logits.gather(1, likeliest) - logits
    losses.scatter_(1, likeliest, torch.log1p(others))
    return of_losses(losses)


def of_losses(losses: Tensor) -> Probabilities:
    """The same from minus the logarithms of the probabilities."""
    values = (-losses).exp()
    all_others = 1 - torch.eye(values.shape[1], dtype=values.dtype, device=values.device)
    return Probabilities(losses, values, values @ all_others)


def norms(values: Tensor) -> Tensor:
    """Euclidean norms over the last axis, scaled so that the squares of tiny values are not lost."""
    largest = values.abs().amax(-1, keepdim=True)
    scale = torch.where((largest > 0) & largest.isfinite(), largest, torch.ones_like(largest))
    return (values / scale).norm(dim=-1) * scale.squeeze(-1)
