"""One network measured in 64 and in 32 bits: the same weights, inputs and random vectors.

The weights are numbers of 32 bits, so that both compute with the same; inputs of 64 bits must be rounded for 32, which
is a change of the inputs like any other: the outputs change by about the NLC times as much, measured by the spreads of
either. How much of what 32 bits do to the outputs that explains stands in columns of its own.
"""

import copy
from typing import Any

import torch
from torch import Tensor

from distnlc.metrics.batches import ordered_batches
from distnlc.metrics.measurable import Network, measurable
from distnlc.metrics.nlc import jacobian_norm, nlc_from
from distnlc.metrics.spread import input_moments, output_moments
from distnlc.networks.mlp import MLP


def in_two_precisions(network: MLP, inputs: Tensor, batches: int, seed: int) -> dict[str, Any]:
    """NLC, Jacobian norm and outputs in float64 and float32, as columns of `NetworkRow`.

    inputs: (points, d_in) float64. The quotients are infinite or nan where outputs do not vary.
    """
    single = copy.deepcopy(network).requires_grad_(False).float()
    double = copy.deepcopy(single).double()
    rounded = inputs.float()
    outside, inside = output_moments(double, inputs), input_moments(inputs)
    jacobian, single_jacobian = (
        jacobian_norm(function, points, batches=batches, seed=seed)
        for function, points in ((double, inputs), (single, rounded))
    )
    exact = _outputs(double, inputs)
    return {
        "init_nlc": nlc_from(jacobian, inside, outside),
        "init_bias": float(outside.bias),
        "init_jacobian_norm": jacobian,
        "output_spread": float(outside.spread),
        "single_nlc": nlc_from(single_jacobian, input_moments(rounded), output_moments(single, rounded)),
        "single_jacobian_norm": single_jacobian,
        "input_rounding": _size(rounded.double() - inputs) / float(inside.spread),
        "rounded_inputs_change": float(_size(_outputs(double, rounded.double()) - exact) / outside.spread),
        "single_change": float(_size(_outputs(single, rounded).double() - exact) / outside.spread),
    }


@torch.no_grad()
def _outputs(network: Network, inputs: Tensor) -> Tensor:
    network = measurable(network)
    return torch.cat([network(inputs[rows]) for rows in ordered_batches(inputs, 250)])


def _size(change: Tensor) -> float:
    return float(change.square().mean().sqrt())
