"""The study's networks: fully connected, no biases, logits as outputs (section 1).

In: a cell, the dimensions and a seed. Out: the description as `Layered`, the network at initialization. Weights are
N(0, scale^2 v / fan_in), with v = 2 for relu, relu6 and hardsigmoid and 1 for tanh and hardtanh, not truncated; they
are drawn in float64.
"""

from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.studies.sensitivity.cells import Cell

VARIANCES = {"relu": 2.0, "relu6": 2.0, "hardsigmoid": 2.0, "tanh": 1.0, "hardtanh": 1.0}
"""activation function -> v"""


def layered_of(cell: Cell, d_in: int, d_out: int) -> Layered:
    """The description of the cell's networks."""
    widths = [cell.width] * (cell.depth - 1) + [d_out]
    return Layered(d_in, uniform_layers(widths, activation=plain_activation(cell.activation), bias=False))


def initial_network(cell: Cell, d_in: int, d_out: int, seed: int) -> MLP:
    """The untrained network of a seed, float64."""
    layered = layered_of(cell, d_in, d_out)
    variance = VARIANCES[cell.activation] * cell.scale**2
    return MLP(layered, gaussian(layered, [variance / fan_in for _, fan_in, _ in layered.sizes], seed))
