"""Taylor reduction: how much of a trained network's depth it needs (Philipp, Song & Carbonell 2017, appendix G).

The lowest n linear layers, with all that lies between them, are replaced by their first-order expansion around the
initial network; the layers above stay as they were trained. In: the initial and the trained numbers of a layered
network without biases, and a batch. Out: its outputs with n = 1 ... N layers replaced.

Three streams run from the input upwards: the initial network I, the first-order change V of it, and the expansion T,
where each layer's initial part acts on the whole and its residual part on I + V. After every linear layer a copy of T
leaves for the trained layers, so that one pass serves every n.

Chosen where the text is silent: each stream is normalized by its own statistics; where layers are replaced up to the
inside of a block, the skip connection carries T as it was where the block begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distnlc.metrics.gradient_lengths import activated, along_normalization, normalized
from distnlc.networks.layered import Layer, Layered


def taylor_outputs(
    network: Layered, initial: Sequence[Tensor], trained: Sequence[Tensor], matrices: Sequence[Tensor], inputs: Tensor
) -> Tensor:
    """Outputs (layers, points, d_out) with the lowest 1, 2, ... all linear layers replaced; the first are the trained
    network's own. `initial`, `trained`: weights (d_out, d_in) of every layer; inputs (points, d_in)."""
    given = iter(matrices)
    fixed = {skip.end: next(given) for skip in network.skips if skip.matrix}
    streams = carried = _Streams(inputs, torch.zeros_like(inputs), [inputs])
    for number, (layer, first, last) in enumerate(zip(network.layers, initial, trained, strict=True), start=1):
        streams = streams.through_linear(first, last)
        if ending := network.ending_in(number):
            streams = streams.plus(carried, ending.strength, fixed.get(number))
        streams, carried = streams.with_another(), carried.with_another()
        beginning = network.beginning_in(number)
        if beginning and beginning.begins_after == "linear":
            carried = streams
        streams = streams.normalized(layer.normalization)
        if beginning and beginning.begins_after == "normalization":
            carried = streams
        streams = streams.activated(layer)
    return torch.stack(streams.expansions[:-1])


@dataclass(frozen=True)
class _Streams:
    """I and V, and the expansions: those that have left, and last T itself. Each is (points, width); on a CPU many
    small tensors are faster than one, since they stay in the cache."""

    initial: Tensor
    change: Tensor
    expansions: list[Tensor]

    def through_linear(self, first: Tensor, last: Tensor) -> "_Streams":
        residual = last - first
        within = self.expansions[-1] @ first.T + (self.initial + self.change) @ residual.T
        return _Streams(
            self.initial @ first.T,
            self.change @ first.T + self.initial @ residual.T,
            [*(each @ last.T for each in self.expansions[:-1]), within],
        )

    def plus(self, carried: "_Streams", strength: float, matrix: Tensor | None) -> "_Streams":
        """What a skip connection brings."""

        def joined(own: Tensor, other: Tensor) -> Tensor:
            return own + strength * (other if matrix is None else other @ matrix.T)

        pairs = zip(self.expansions, carried.expansions, strict=True)
        return _Streams(
            joined(self.initial, carried.initial),
            joined(self.change, carried.change),
            [joined(own, other) for own, other in pairs],
        )

    def with_another(self) -> "_Streams":
        """A copy of T leaves, and T goes on."""
        return _Streams(self.initial, self.change, [*self.expansions, self.expansions[-1]])

    def normalized(self, kind: str) -> "_Streams":
        if kind == "none":
            return self
        initial, inverse = normalized(kind, self.initial)
        change = along_normalization(kind, initial, inverse, self.change)
        return _Streams(initial, change, [normalized(kind, each)[0] for each in self.expansions])

    def activated(self, layer: Layer) -> "_Streams":
        initial, slope = activated(layer, self.initial)
        if slope is None or layer.activation is None:
            return self
        return _Streams(initial, slope * self.change, [layer.activation(each) for each in self.expansions])
