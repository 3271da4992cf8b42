"""The way of a gradient from a network's error down through its weight layers, which the effective depth follows.

In: a network whose `Linear` and `Conv` layers are known, a batch, and a loss. Out: the crossings and blocks that
`effective_depth.EffectiveDepth` takes. A layer that the whole gradient passes is crossed alone. Layers that some of the
gradient goes past form a block, from where its ways part to where they meet again; they must follow one another, and
what goes past them must have no layers of its own, as in a residual network whose skip connections are not trained.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from distnlc.metrics.effective_depth import Block, LinearCrossing
from distnlc.metrics.gradient_scale import LossOrDirection, errors_of, lengths
from distnlc.metrics.gradient_ways import Edge, GradientWays
from distnlc.metrics.measurable import Network, UnmeasurableError, shown
from distnlc.metrics.passes import NO_DERIVATIVE, called, prepared
from distnlc.metrics.taps import is_of_datapoints

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
Step = LinearCrossing | Block


@dataclass(frozen=True)
class LayerCall:
    """One call of a weight layer on a batch."""

    place: str
    layer: Weighted
    signal: Tensor
    """what the layer got (batch, ...), as a tensor of its own, whose gradient is what comes through the layer alone"""
    edge: Edge
    """its output"""

    @property
    def signal_length(self) -> Tensor:
        """(batch,): what the length of the output's gradient is multiplied by in a bound on that of the weight's
        gradient. Exact for a layer of vectors; of a convolution, the length of all its patches together."""
        if isinstance(self.layer, nn.Linear):
            return lengths(self.signal)
        ones = torch.ones_like(self.layer.weight)
        squares = self.layer._conv_forward(self.signal.detach().square(), ones, None)
        per_group = self.layer.out_channels // self.layer.groups
        return (squares.double().flatten(1).sum(1) / per_group).sqrt()


@dataclass(frozen=True)
class Route:
    """The calls that the gradient of one batch's summed error reaches, and its lengths there."""

    calls: list[LayerCall]
    """from the top"""
    blocks: list[tuple[Edge, Edge] | None]
    """of each call: where the ways around it meet and part; None where the whole gradient passes"""
    gradients: Mapping[Edge, Tensor]
    """(batch, ...) of the outputs, of every call's output and signal, and of the blocks' ends"""
    inside: Mapping[Edge, Tensor]
    """lower end of a block -> the gradient's part there that comes through the block"""
    top: Edge

    def steps(self, residuals: Sequence[Tensor | float], rows: Sequence[int], rates: Sequence[float]) -> list[Step]:
        """As `EffectiveDepth.add` takes them. Of each call: the operator norm of its residual, the number of its layer,
        and what the summed error's gradient is multiplied by in the update."""
        crossings = [
            LinearCrossing(
                layer=row,
                above=self.length(call.edge),
                below=self.length(edge_of(call.signal)),
                signal=call.signal_length,
                residual=residual,
                rate=rate,
            )
            for call, residual, row, rate in zip(self.calls, residuals, rows, rates, strict=True)
        ]
        steps = list[Step]()
        for block, members in groupby(zip(self.blocks, crossings, strict=True), key=lambda pair: pair[0]):
            together = [crossing for _, crossing in members]
            if block is None:
                steps += together
            else:
                above, below = block
                through = lengths(self.inside[below])
                steps.append(
                    Block(crossings=together, above=self.length(above), below=self.length(below), inside=through)
                )
        return steps

    def length(self, edge: Edge) -> Tensor:
        """(batch,): of the gradient there."""
        return lengths(self.gradients[edge])


def find_route(network: Network, layers: Collection[str], inputs: Tensor, loss: LossOrDirection) -> Route:
    """`layers` has the paths of the network's weight layers.

    Raises ValueError for a network, inputs or a loss that cannot be measured, and for layers whose order is not
    covered, by their names.
    """
    inputs, function, module = prepared(network, inputs, at_least=1)
    points = inputs.clone().requires_grad_()
    with _calls(module, layers, len(inputs)) as every:
        outputs = called(function, module, points.clone(), lambda *_: None)
    if unseen := set(layers) - {call.place for call in every}:
        raise UnmeasurableError(
            f"the weights of {min(unseen)} are trained, but the network does not call it as a module; what it does "
            "with them cannot be followed (freeze them by requires_grad_(False) if they are not used)"
        )
    errors = errors_of(outputs, loss)
    ways = GradientWays(get_gradient_edge(errors), get_gradient_edge(points))
    if not ways.total:
        raise UnmeasurableError(NO_DERIVATIVE)
    calls = [call for call in reversed(every) if ways.through(call.edge)]
    blocks = [None if ways.whole(call.edge) else ways.between(call.edge) for call in calls]
    _check_blocks(calls, blocks, ways)
    top = edge_of(outputs)
    edges = dict.fromkeys([top, *(edge for call in calls for edge in (call.edge, edge_of(call.signal)))])
    edges |= dict.fromkeys(end for block in blocks if block for end in block)
    found = torch.autograd.grad(errors.sum(), [GradientEdge(*edge) for edge in edges], retain_graph=True)
    gradients = {edge: _of_datapoints(gradient, len(inputs)) for edge, gradient in zip(edges, found, strict=True)}
    lowest = {block: edge_of(call.signal) for call, block in zip(calls, blocks, strict=True) if block}  # the last stays
    signals = {edge_of(call.signal): call.signal for call in calls}
    inside = {
        block[1]: torch.autograd.grad(signals[edge], GradientEdge(*block[1]), gradients[edge], retain_graph=True)[0]
        for block, edge in lowest.items()
    }
    return Route(calls, blocks, gradients, inside, top)


def _check_blocks(calls: Sequence[LayerCall], blocks: Sequence[tuple[Edge, Edge] | None], ways: GradientWays) -> None:
    """Raises UnmeasurableError for a block whose layers do not follow one another."""
    for block, members in groupby(zip(blocks, calls, strict=True), key=lambda pair: pair[0]):
        together = [call for _, call in members]
        edges = [call.edge for call in together]
        if block is not None and {ways.through(edge) for edge in edges} != {ways.through_any(edges)}:
            names = ", ".join(dict.fromkeys(call.place for call in reversed(together)))
            raise UnmeasurableError(
                f"the layers {names} are on different ways of the gradient, which part and meet again. Effective depth "
                "covers layers that follow one another, and skip connections past them that have no trained layers of "
                "their own (freeze these by requires_grad_(False)); attention, gates and parallel branches are not "
                "covered"
            )


def _of_datapoints(gradient: Tensor, batch: int) -> Tensor:
    """Raises UnmeasurableError if it is that of a tensor of another order."""
    if not is_of_datapoints(gradient, batch):
        raise UnmeasurableError(
            f"the gradient's ways part or meet at {shown(gradient)}, which is not of the shape ({batch}, ...): it has "
            "no length for each datapoint"
        )
    return gradient


def edge_of(tensor: Tensor) -> Edge:
    """Where the gradient of a tensor is found, also after an operation has changed the tensor in place."""
    edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr


@contextmanager
def _calls(module: nn.Module | None, layers: Collection[str], batch: int) -> Iterator[list[LayerCall]]:
    """While this lasts, the calls of these layers gather in the list, in order of execution."""
    calls, entered = list[LayerCall](), list[Tensor]()

    def enter(place: str, layer: Weighted, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        signal = args[0] if args else kwargs["input"]
        if not is_of_datapoints(signal, batch):
            raise UnmeasurableError(
                f"{place} ({type(layer).__name__}) gets {shown(signal)}, which is not of the shape ({batch}, ...): its "
                "gradient has no length for each datapoint"
            )
        if not signal.requires_grad:
            raise UnmeasurableError(f"what {place} ({type(layer).__name__}) gets does not depend on the inputs")
        entered.append(signal.view_as(signal))
        return (entered[-1],), {}

    def leave(place: str, layer: Weighted, _: Any, output: Tensor) -> None:
        calls.append(LayerCall(place, layer, entered.pop(), edge_of(output)))

    with ExitStack() as hooks:
        for place, layer in module.named_modules() if module is not None else ():
            if place in layers:
                hooks.callback(layer.register_forward_pre_hook(partial(enter, place), with_kwargs=True).remove)
                hooks.callback(layer.register_forward_hook(partial(leave, place)).remove)
        yield calls
