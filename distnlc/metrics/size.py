"""Depth, width and number of parameters of any torch module: what every other metric has to beat.

    depth         the most weight layers (Linear, Conv1d to 3d, ConvTranspose1d to 3d) on one path from the inputs to
                  the outputs; each call counts. Of nn.Sequential(Linear, ReLU, Linear): 2
    width         the mean number of outputs (features, channels) of the weight layers but the last that is called
    parameters    numbers in its parameters, each of them once; biases and gains are parameters

For the layered networks of the NLC study they are its columns `depth`, `width` and `parameters`. Larger is taken for
better. They need neither labels nor ReLU; a path is seen where gradients pass.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from distnlc.metrics.measurable import Network, UnmeasurableError, undisturbed
from distnlc.metrics.prepared import checked_points, prepared
from distnlc.networks.shape_walk import LAYERS


class Size(NamedTuple):
    """The sizes of one network."""

    depth: int
    width: float | None
    """None for a network without a hidden layer"""
    parameters: int


@undisturbed()
def size(network: Network, inputs: Tensor) -> Size:
    """Return the sizes of a network.

    network: (points, d_in...) -> (points, d_out), a torch module with weight layers. inputs: (points, d_in...), of
    which the first two are propagated. Nothing that is given changes. Raises ValueError for a network that cannot be
    measured.
    """
    function, module, _ = prepared(network, checked_points(inputs))
    if module is None or not any(isinstance(each, LAYERS) for each in module.modules()):
        raise UnmeasurableError("the network must be a module with weight layers (Linear, convolutions)")
    widths, layers = list[int](), set[Node]()

    def see(layer: nn.Module, _: object, outputs: Tensor) -> None:
        widths.append(outputs.shape[-1 if isinstance(layer, nn.Linear) else 1])
        if outputs.requires_grad:
            layers.add(get_gradient_edge(outputs).node)

    for each in module.modules():
        if isinstance(each, LAYERS):
            each.register_forward_hook(see)
    with torch.enable_grad():
        outputs = function(inputs[:2].detach().clone().requires_grad_())
    if not outputs.requires_grad:
        raise UnmeasurableError("the network's outputs have no derivative by its inputs")
    hidden = widths[:-1]
    return Size(
        _longest(get_gradient_edge(outputs).node, layers),
        sum(hidden) / len(hidden) if hidden else None,
        sum(each.numel() for each in module.parameters()),
    )


def _longest(end: Node, counted: set[Node]) -> int:
    """The largest number of counted nodes on one way down from this node; without recursion, as networks are deep."""
    length, ways = dict[Node, int](), [end]
    while ways:
        node = ways[-1]
        below = [each for each, _ in node.next_functions if each is not None]
        if waiting := [each for each in below if each not in length]:
            ways += waiting
            continue
        ways.pop()
        length[node] = max((length[each] for each in below), default=0) + (node in counted)
    return length[end]
