"""How many batches a device propagates at a time, where a network is only looked at.

A GPU is nearly idle with one batch of a small network, and starting its kernels takes longer than they run. So it
propagates several batches at a time, as a stack (stack, batch, d_in), each batch still by itself. A CPU takes one batch
after the other, which stays in its cache.
"""

import torch
from torch import nn

from distnlc.networks.mlp import MLP

STACKING_DEVICES = {"cuda"}
STACKED_POINTS = 10_000
"""datapoints that such a device propagates at a time: enough to keep it busy, and a bound on the memory"""


def stacking(device: torch.device) -> bool:
    """Whether the device propagates many batches at a time."""
    return device.type in STACKING_DEVICES


def batches_together(device: torch.device, points: int) -> int:
    """The number of batches of so many points each that the device propagates at a time; at least 1."""
    return max(1, STACKED_POINTS // points) if stacking(device) else 1


def takes_stacks(network: object) -> bool:
    """Whether a network maps (stack, batch, d_in) to (stack, batch, d_out), is a pure function, and consists of torch
    operations that a CUDA graph can capture: the layered networks, while modules of other classes may do anything."""
    return type(network) is MLP


def stacked_batches(network: nn.Module, inputs: torch.Tensor, batch_size: int) -> list[torch.Tensor]:
    """All inputs (points, d_in) in what one call of the network takes: batches (batch, d_in), or stacks of whole ones.

    The last batch may be smaller, and is then by itself.
    """
    size = batches_together(inputs.device, batch_size) if takes_stacks(network) else 1
    if size == 1:
        return list(inputs.split(batch_size))
    whole = len(inputs) // batch_size * batch_size
    stacks = [part.unflatten(0, (-1, batch_size)) for part in inputs[:whole].split(size * batch_size) if len(part)]
    return stacks + [part for part in [inputs[whole:]] if len(part)]
