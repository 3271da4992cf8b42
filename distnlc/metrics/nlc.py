"""The nonlinearity coefficient and the Jacobian's size (equation 1 and section G of the NLC study).

In: a network (batch, d_in...) -> (batch, d_out) and the inputs (points, d_in...) of the dataset. Out:
one number,
    NLC = Q_x ||J(x)||_F  Q_i S_x x(i)  /  (sqrt(d_out)  Q_j S_x f(x,j)),
which is 1 for a linear network with an isotropic input distribution and grows with nonlinearity. The
two spreads are exact; the Jacobian's size is estimated by backpropagating Gaussian output vectors.
"""

import math

import torch

from distnlc.metrics.batches import (
    apart,
    checked_batch_size,
    example_outputs,
    gaussian,
    random_batches,
    stack_size,
    stacks,
)
from distnlc.metrics.measurable import Network, UnmeasurableError, measurable, undisturbed
from distnlc.metrics.spread import Moments, input_moments, output_moments


def nlc(network: Network, inputs: torch.Tensor, *, batch_size: int = 250, batches: int = 100, seed: int = 0) -> float:
    """Return the nonlinearity coefficient; its relative error falls as 1 / sqrt(batches * batch_size).

    Networks with batch statistics are measured as functions of whole batches; so the batches should
    have the size that they are trained with. Fewer inputs than `batch_size` make one batch of all;
    otherwise a ragged last batch is left out, since the statistics of a small remainder are another
    function. nan if the outputs do not vary. Nothing that is given changes; dropout is left out
    (see measurable.py). Raises ValueError for inputs or outputs of a wrong shape, and for a network that
    is no function or has no derivative.
    """
    return nlc_and_bias(network, inputs, batch_size=batch_size, batches=batches, seed=seed)[0]


@undisturbed()
def nlc_and_bias(
    network: Network, inputs: torch.Tensor, *, batch_size: int, batches: int, seed: int
) -> tuple[float, float]:
    """Return the coefficient and the output bias (see bias.py), which take the same pass; else as `nlc`."""
    network = measurable(network)
    if why_not := network.why_no_function(inputs[: checked_batch_size(inputs, batch_size)]):
        raise UnmeasurableError(why_not)
    inside = input_moments(inputs, batch_size=batch_size)
    outside = output_moments(network, inputs, batch_size=batch_size)
    jacobian = jacobian_norm(network, inputs, batch_size=batch_size, batches=batches, seed=seed)
    return nlc_from(jacobian, inside, outside), float(outside.bias)


def nlc_from(jacobian: float, inside: Moments, outside: Moments) -> float:
    """Return the coefficient of a measured Q_x ||J(x)||_F and the moments of inputs and outputs; nan where no output
    varies, since how they would vary is lost in rounding."""
    if not outside.spread > 0:
        return math.nan
    return float(jacobian * inside.spread / (math.sqrt(len(outside.mean)) * outside.spread))


@torch.enable_grad()
def jacobian_norm(
    network: Network, inputs: torch.Tensor, *, batch_size: int = 250, batches: int = 100, seed: int = 0
) -> float:
    """Return an estimate of Q_x ||J(x)||_F from `batches` random batches; its square is unbiased.

    For a unit Gaussian matrix u at the output of a batch X, E ||u J(X)||^2 = ||J(X)||_F^2, which is the
    sum of the datapoints' ||J(x)||_F^2 if they are independent, and the generalization of section G if
    they are not.
    """
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    example = example_outputs(network, inputs, batch_size)
    drawn = (
        (inputs[rows], gaussian(example.shape, generator, example))
        for rows in random_batches(inputs, batch_size, batches, generator)
    )
    squares = []
    for stack, vectors in stacks(drawn, stack_size(inputs, batch_size)):
        points = stack.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(apart(network, points), points, vectors)
        squares.append(gradient.double().square().flatten(1).sum(1) / len(example))
    return float(torch.cat(squares).mean().sqrt())
