"""`ntk_condition_number`: can all directions of a batch be learned at one pace? (W. Chen, X. Gong and Z. Wang, "Neural
Architecture Search on ImageNet in Four GPU Hours: A Theoretically Inspired Perspective", ICLR 2021, section 3.1.1.)

    condition number = largest eigenvalue of Theta / its smallest,    Theta = J J^T

J: the derivative of the outputs of all the points by the weights, a row for each point and output (points x d_out), as
in the paper's text; public code has a row for each point, of the sum of its outputs. Smaller is taken for better: it is
at least 1. The paper derives by all parameters; here, as in the other proxies, by the weights alone
(weight_gradients.py says which). Needs no labels. Batch norm in training mode is that of the points as one batch.
Missing where Theta is singular within rounding, such as where the network has fewer weights than there are rows. It
takes a backward pass and a forward one for each row, so it is measured only when asked for.
"""

import torch
from torch import Tensor

from distnlc.metrics.measurable import Network, UnmeasurableError, undisturbed
from distnlc.metrics.weight_gradients import check_differentiable, checked_number, twice, weighted


@undisturbed()
def ntk_condition_number(network: Network, inputs: Tensor) -> float:
    """Return the condition number, a number without a unit.

    network: (points, d_in...) -> (points, d_out), a torch module that can be differentiated twice. inputs: (points,
    d_in...), float32 or float64, one batch. Nothing that is given changes. Raises ValueError for a network or inputs
    that cannot be measured.
    """
    kernel = tangent_kernel(network, inputs)
    eigenvalues = torch.linalg.eigvalsh(kernel)
    smallest, largest = (
        checked_number(eigenvalues[0], "an eigenvalue"),
        checked_number(eigenvalues[-1], "an eigenvalue"),
    )
    if not smallest > largest * len(kernel) * torch.finfo(inputs.dtype).eps:
        raise UnmeasurableError("the tangent kernel is singular within rounding, so it has no condition number")
    return largest / smallest


def tangent_kernel(network: Network, inputs: Tensor) -> Tensor:
    """Return Theta (points x d_out, points x d_out) float64, point after point; arguments and errors likewise.

    One row at a time: J^T e by a backward pass, J (J^T e) by the derivative of another one. So memory holds the graph
    of a pass and two vectors of weights, never J.
    """
    measured = weighted(network, inputs)
    leaves = list(measured.weights.values())
    with torch.enable_grad(), twice():
        outputs = measured.function(inputs.detach())
        if not outputs.requires_grad:
            raise UnmeasurableError("the network's outputs have no derivative by its weights")
        cotangent = torch.zeros_like(outputs, requires_grad=True)
        pulled = torch.autograd.grad(outputs, leaves, cotangent, create_graph=True, allow_unused=True)
        used = [(leaf, each) for leaf, each in zip(leaves, pulled, strict=True) if each is not None]
        for _, each in used:
            check_differentiable(each)
        rows = []
        for row in torch.eye(outputs.numel(), dtype=outputs.dtype, device=outputs.device):
            unit = row.view_as(outputs)
            gradient = torch.autograd.grad(outputs, [leaf for leaf, _ in used], unit, retain_graph=True)
            (pushed,) = torch.autograd.grad([each for _, each in used], cotangent, gradient, retain_graph=True)
            rows.append(pushed.flatten().double())
    kernel = torch.stack(rows)
    return (kernel + kernel.T) / 2
