"""A whole network read for the scaling calculus: which activation each layer makes up for, which share of s it sees.

In: a network or LayerShapes. Out: the nodes of shape_walk.py with `slope` and `share` filled in, from the output to the
input: a branch of a residual block has beta^2 or alpha^2 of the share around it (A9), what comes before an average pool
the s that it lets through (A5).
"""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from distnlc.networks.layer_shapes import LayerShape
from distnlc.networks.shape_walk import UNCOVERED, Branches, Node, Operation, Reader, Scalar, Weights

RELU = 0.0


def read_network(
    network: nn.Module | Sequence[LayerShape], input_shape: Sequence[int] | None, uncovered: str, notes: list[str]
) -> list[Node]:
    """Its nodes in order of execution. Raises ValueError that names the layer."""
    if uncovered not in UNCOVERED:
        raise ValueError(f"uncovered must be one of {', '.join(UNCOVERED)}, found {uncovered!r}")
    if isinstance(network, nn.Module):
        sizes = tuple(input_shape or ())
        if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ValueError(
                f"input_shape must be the shape of one datapoint, such as (3, 32, 32), found {input_shape}"
            )
        reader = Reader(sizes, uncovered, notes=notes)
        nodes = list(reader.read(network, ""))
    else:
        wrong = [each for each in network if not isinstance(each, LayerShape)]
        if wrong:
            raise ValueError(f"expected a module or LayerShapes, found {type(wrong[0]).__name__}")
        return [node for shape in network for node in _of_shape(shape)]
    _choose_slopes(nodes)
    _share(nodes, 1.0)
    return nodes


def _of_shape(shape: LayerShape) -> list[Node]:
    """A layer by itself, with the activation that it makes up for behind it."""
    if shape.slope is None:
        return [Weights(shape)]
    return [Weights(shape), Operation(f"behind {shape.name}", factor=(1 + shape.slope**2) / 2, slope=shape.slope)]


def _choose_slopes(nodes: Sequence[Node], *, branch: bool = False) -> None:
    """Gives each layer of a chain the slope of its activation, and None if it has none."""
    layers = [place for place, node in enumerate(nodes) if isinstance(node, Weights)]
    slopes = [
        (place, node.slope)
        for place, node in enumerate(nodes)
        if isinstance(node, Operation) and node.slope is not None
    ]
    before = bool(layers and slopes) and slopes[0][0] < layers[0]
    for number, place in enumerate(layers):
        node = nodes[place]
        assert isinstance(node, Weights)
        if before:
            low = layers[number - 1] if number else -1
            found = [slope for at, slope in slopes if low < at < place][-1:]
        else:
            high = layers[number + 1] if number + 1 < len(layers) else len(nodes)
            found = [slope for at, slope in slopes if place < at < high][:1]
            if place == layers[-1] and not found and not branch:
                found = [slopes[-1][1] if slopes else RELU]
        node.shape = replace(node.shape, slope=found[0] if found else None)
    for node in nodes:
        if isinstance(node, Branches):
            _choose_slopes(node.main, branch=True)
            _choose_slopes(node.shortcut, branch=True)


def _share(nodes: Sequence[Node], share: float) -> float:
    """Fills in the shares, given that behind the nodes; returns that before them."""
    for node in reversed(nodes):
        if isinstance(node, Weights):
            node.shape = replace(node.shape, share=share)
        elif isinstance(node, Scalar):
            node.share = share
        elif isinstance(node, Operation):
            share *= node.kept
        else:
            alpha, beta = node.shares
            share = _share(node.main, share * beta) + _share(node.shortcut, share * alpha)
    return share
