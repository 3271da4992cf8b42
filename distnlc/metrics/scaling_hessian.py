"""The Hessian that gamma stands for: average squared singular values of its blocks (spec, proposition 4; A12 and A13).

    square of a block = ||H||_F^2 / sqrt(size of its rows * size of its columns), the mean over datapoints

In: a module, datapoints (points, ...) and R (d, d) of the loss y^T R y of a datapoint's outputs. Out: squares of blocks
by the parameters' names. Diagonal blocks are exact and need d backward passes: with Q the Jacobian of the outputs by a
weight, G = Q^T (R + R^T) Q, since a ReLU network is linear in each weight where no unit changes its sign. All blocks
are estimated by one product with a random vector for each weight.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from distnlc.metrics.measurable import undisturbed
from distnlc.metrics.passes import called, checked_finite, outputs_of, prepared


@undisturbed()
def hessian_diagonal(network: nn.Module, inputs: Tensor, matrix: Tensor) -> dict[str, float]:
    """Return ||G||_F^2 / size for each parameter, the average squared singular value of its block.

    Exact for networks that are piecewise linear in each parameter. Raises ValueError for a network or inputs that
    cannot be measured, and a matrix of another size than the outputs.
    """
    points, function, parameters = _prepared(network, inputs, matrix)
    twice = matrix.to(points) + matrix.T.to(points)
    sums = dict.fromkeys(parameters, 0.0)
    for point in points.split(1):
        outputs = function(point)[0]
        rows = [
            torch.autograd.grad(each, list(parameters.values()), retain_graph=True, allow_unused=True)
            for each in outputs
        ]
        for number, (name, parameter) in enumerate(parameters.items()):
            if rows[0][number] is None:
                continue
            jacobian = torch.stack([row[number].flatten() for row in rows])
            product = twice @ jacobian @ jacobian.T
            sums[name] += float((product @ product).trace()) / parameter.numel()
    return {name: each / len(points) for name, each in sums.items()}


@undisturbed()
def hessian_blocks(
    network: nn.Module, inputs: Tensor, matrix: Tensor, *, seed: int = 0
) -> dict[tuple[str, str], float]:
    """Return the square of each block (row, column), estimated by one vector of N(0, 1) on the column's weight.

    Arguments and errors as above; any network that can be differentiated twice.
    """
    points, function, parameters = _prepared(network, inputs, matrix)
    random = torch.Generator().manual_seed(seed)
    form, values = matrix.to(points), list(parameters.values())
    sums = dict.fromkeys(((row, column) for row in parameters for column in parameters), 0.0)
    for point in points.split(1):
        outputs = function(point)[0]
        gradients = torch.autograd.grad(outputs @ form @ outputs, values, create_graph=True)
        for column, (name, parameter) in enumerate(parameters.items()):
            direction = torch.randn(parameter.shape, generator=random, dtype=torch.float64).to(parameter)
            products = torch.autograd.grad(
                (gradients[column] * direction).sum(), values, retain_graph=True, materialize_grads=True
            )
            for row, product in zip(parameters, products, strict=True):
                size = math.sqrt(parameter.numel() * product.numel())
                sums[row, name] += float(product.square().sum()) / size
    return {pair: each / len(points) for pair, each in sums.items()}


def _prepared(
    network: nn.Module, inputs: Tensor, matrix: Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor], dict[str, Tensor]]:
    """Points and a copy in float64 as a function of points, with its parameters. Raises ValueError."""
    points, function, module = prepared(network, inputs.double(), at_least=1)
    if module is None:
        raise ValueError("the network must be a module")
    module.eval()
    parameters = {name: each.requires_grad_() for name, each in module.named_parameters()}
    width = outputs_of(called(function, module, points[:1].clone(), checked_finite), points[:1]).shape[1:]
    if matrix.shape != (*width, *width) or len(width) != 1:
        raise ValueError(
            f"the matrix must be (d, d) for outputs (1, d), found {tuple(matrix.shape)} for {tuple(width)}"
        )
    return points, function, parameters
