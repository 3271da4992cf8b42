"""The size of the loss gradient at the input, which the NLC study argues against as a predictor.

In: a network, inputs, labels and a loss. Out: Q_{i,x} dl/dx(i), the size of a gradient component, and
Q_x ||dl/dx||_2, the gradient's length, which is sqrt(d_in) times as much.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from distnlc.metrics.batches import ordered_batches, passed, stack_size, stacks
from distnlc.metrics.measurable import Network, measurable, undisturbed


class InputGradients(NamedTuple):
    """Quadratic means over the datapoints, in units of loss per unit of input."""

    component_size: float
    length: float


@undisturbed()
def input_gradients(
    network: Network,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    batch_size: int = 250,
) -> InputGradients:
    """Return the gradients' sizes, in one exact pass; a ragged last batch is left out as in `nlc`.

    `loss` maps outputs (batch, d_out) and labels (batch, ...) to one loss per datapoint (batch,); with
    batch statistics the gradient is that of the sum of the batch's losses. Raises ValueError for a
    wrong shape.
    """
    if len(labels) != len(inputs):
        raise ValueError(f"input_gradients: expected {len(inputs)} labels, one per input, found {len(labels)}")
    network = measurable(network)
    squares = []
    drawn = ((inputs[rows], labels[rows]) for rows in ordered_batches(inputs, batch_size))
    for stack, targets in stacks(drawn, stack_size(inputs, batch_size)):
        points = stack.detach().requires_grad_()
        losses = [loss(*each) for each in zip(passed(network, points), targets, strict=True)]
        if losses[0].shape != stack.shape[1:2]:
            raise ValueError(
                f"input_gradients: the loss must return one number per datapoint, shape {tuple(stack.shape[1:2])}, "
                f"but it returned the shape {tuple(losses[0].shape)} (in torch: reduction='none')"
            )
        (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), points)
        squares.append(gradient.double().square().mean(tuple(range(1, gradient.ndim))))
    component_size = torch.cat(squares).mean().sqrt()
    return InputGradients(float(component_size), float(component_size * inputs[0].numel() ** 0.5))
