"""Bounds on the Jacobian of class probabilities by the loss of a point (section A.3 of the study of sensitivity).

In: cross-entropies of the labels and M, the mean square of the logits' Jacobian norm by the number of classes. Out:
what the norms would be if the gradients of the logits were orthogonal and equally long: equations (5), (6) and (7).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Bounds(NamedTuple):
    """All of the losses' shape, in probability per unit of the input."""

    label_low: Tensor
    """(5), below ||J_y||"""
    label_high: Tensor
    """(5), above ||J_y||"""
    norm_low: Tensor
    """(6), below ||J||"""
    norm: Tensor
    """(7), ||J|| if the other classes were equally probable"""


def per_point_bounds(losses: Tensor, logit_scale: float, classes: int) -> Bounds:
    """Return (5), (6) and (7) at every loss.

    losses: any shape, at least 0. logit_scale: M, `ProbabilityJacobian.logit_scale`. classes: at least two. Raises
    ValueError for others.
    """
    if classes < 2 or not logit_scale >= 0 or not bool((losses >= 0).all()):
        raise ValueError(
            f"expected losses and logit_scale of at least 0 and at least two classes, found losses from "
            f"{float(losses.min())}, logit_scale={logit_scale} and classes={classes}"
        )
    losses, others, root = losses.double(), classes - 1, math.sqrt(logit_scale)
    probability, complement = torch.exp(-losses), -torch.expm1(-losses)
    low = root * math.sqrt(classes / others) * probability * complement
    high = root * math.sqrt(2) * probability * complement
    norm = root / others * complement * torch.sqrt(classes**2 * probability.square() + classes - 2)
    return Bounds(low, high, low, norm)
