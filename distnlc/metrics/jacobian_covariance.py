"""`jacobian_covariance`: do the gradients at different inputs differ? (J. Mellor, J. Turner, A. Storkey and E. J.
Crowley, "Neural Architecture Search without Training", first version of 2020, section 3.)

    S = - sum over eigenvalues s of the correlation matrix of [ log(s + k) + 1 / (s + k) ],    k = 1e-5

The correlation matrix is that of the rows J_n = d (sum of the outputs) / dx_n, each centred over its own entries and
divided by its length. The largest value, that of rows without any correlation, is -N of N points (but for k); a linear
network, all of whose rows are the same, has about -(N - 1) / k. Each linear dependence between rows adds about -1 / k:
there are some where a layer has fewer neurons than there are points. Larger is taken for better. Needs neither labels
nor ReLU. Choices:
    batch norm      in training mode with the statistics of the points as one batch, held fixed: J_n is the slope of one
                    point's outputs. In public code it runs through the statistics. Then all rows of a fully-connected
                    network add up to 0, since nothing changes as all inputs move by the same: one such dependence
    numbers         eigenvalues are those of a symmetric matrix, in float64. Public code takes a general one's, in
                    float32, where those near 0, which carry the sum, are rounding
Missing where a row's entries are all alike: it has no correlation.
"""

import torch
from torch import Tensor

from distnlc.metrics.fixed_statistics import FixedStatistics
from distnlc.metrics.measurable import Network, UnmeasurableError, undisturbed
from distnlc.metrics.prepared import checked_points, prepared
from distnlc.metrics.weight_gradients import parts

SMALL = 1e-5
"""k"""


@undisturbed()
def jacobian_covariance(network: Network, inputs: Tensor) -> float:
    """Return the Jacobian covariance, a number without a unit.

    network: (points, d_in...) -> (points, d_out), a module or another callable. inputs: (points, d_in...), float32 or
    float64, at least two, one batch. Nothing that is given changes. Raises ValueError for a network or inputs that
    cannot be measured.
    """
    function, module, _ = prepared(network, checked_points(inputs))
    if module is not None:
        FixedStatistics().take_layered(module)
    if len(inputs) < 2:
        raise ValueError("a correlation needs at least 2 inputs, found 1")
    rows = []
    for part in parts(function, len(inputs), inputs.detach()):
        with torch.enable_grad(), FixedStatistics():
            points = inputs[part].detach().clone().requires_grad_()
            outputs = function(points)
            if not outputs.requires_grad:
                raise UnmeasurableError("the network's outputs have no derivative by its inputs")
            rows.append(torch.autograd.grad(outputs.sum(), points)[0].flatten(1).double())
    return score(torch.cat(rows))


def score(jacobians: Tensor) -> float:
    """S of the rows (points, d_in). Raises UnmeasurableError where a row has no correlation."""
    centred = jacobians - jacobians.mean(1, keepdim=True)
    lengths = centred.norm(dim=1, keepdim=True)
    rounding = jacobians.norm(dim=1, keepdim=True) * jacobians.shape[1] * torch.finfo(torch.float64).eps
    if not bool((lengths > rounding).all()) or not bool(lengths.isfinite().all()):
        raise UnmeasurableError("a gradient's entries are all alike, or not finite, so that it has no correlation")
    centred = centred / lengths
    eigenvalues = torch.linalg.eigvalsh(centred @ centred.T).clamp(min=0) + SMALL
    return -float((eigenvalues.log() + 1 / eigenvalues).sum())
