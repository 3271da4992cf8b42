"""One batch through a layered network and its gradient back, with every length on the way: without autograd.

In: the network's numbers, a batch, and the gradient of the batch's summed error with respect to the outputs. Out: the
lengths of each datapoint's signal and gradient at every operation, which gradient scale coefficients and the effective
depth are made of.

The derivative of a normalization is a symmetric matrix, so that one function moves tangents up and gradients down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distnlc.metrics.effective_depth import Block, LinearCrossing
from distnlc.networks.layered import Layer, Layered
from distnlc.networks.mlp import EPSILON

Place = tuple[str, int]
"""("linear" | "normalization" | "activation", layer from 1): the output of an operation; INPUT: the network's input"""
INPUT: Place = ("input", 0)


@dataclass(frozen=True)
class _Kept:
    """What the backward pass needs of a layer."""

    normalized: Tensor
    inverse: Tensor | None
    slope: Tensor | None


class GradientLengths:
    """A layered network without biases, with its present numbers; lengths are (points,) tensors."""

    def __init__(self, network: Layered, weights: Sequence[Tensor], matrices: Sequence[Tensor]) -> None:
        """`weights`: (d_out, d_in) of every layer; `matrices`: the skip connections' fixed ones, in their order."""
        self.network, self.weights = network, weights
        given = iter(matrices)
        self.matrices = {skip.end: next(given) for skip in network.skips if skip.matrix}
        self.signals: dict[Place, Tensor] = {}
        """length of the signal at each place"""
        self.gradients: dict[Place, Tensor] = {}
        """length of the summed error's gradient at each place"""
        self.below: list[Tensor] = []
        """of each layer: length of the gradient that its linear operation passes down, without what bypasses it"""
        self.inside: dict[int, Tensor] = {}
        """layer where a skip connection begins -> length of the part of the gradient there that came through the
        block"""
        self.carried: dict[int, Tensor] = {}
        """layer where a skip connection ends -> length of what it brings"""
        self.added: dict[int, Tensor] = {}
        """layer where a skip connection ends -> length of what the block adds to that"""
        self.preactivations: dict[int, Tensor] = {}
        """layer with an activation function -> what enters that (points, width)"""
        self._kept: list[_Kept] = []

    def forward(self, inputs: Tensor) -> Tensor:
        """(points, d_in) -> (points, d_out)."""
        self._kept, self.signals, signal, carried = [], {INPUT: norms(inputs)}, inputs, inputs
        for number, (layer, weight) in enumerate(zip(self.network.layers, self.weights, strict=True), start=1):
            signal = signal @ weight.T
            if ending := self.network.ending_in(number):
                matrix = self.matrices.get(number)
                arriving = ending.strength * (carried if matrix is None else carried @ matrix.T)
                self.carried[number], self.added[number] = norms(arriving), norms(signal)
                signal = signal + arriving
            self.signals["linear", number] = norms(signal)
            if self._begins(number, "linear"):
                carried = signal
            inverse = None
            if layer.normalization != "none":
                signal, inverse = normalized(layer.normalization, signal)
                self.signals["normalization", number] = norms(signal)
            if self._begins(number, "normalization"):
                carried = signal
            output, slope = activated(layer, signal)
            self._kept.append(_Kept(signal, inverse, slope))
            if slope is not None:
                self.preactivations[number] = signal
                self.signals["activation", number] = norms(output)
            signal = output
        return signal

    def backward(self, delta: Tensor) -> None:
        """`delta` (points, d_out): the gradient with respect to the outputs of the last `forward`, which this call
        completes."""
        self.gradients, self.inside, self.below, self.top = (
            {},
            {},
            [delta.new_empty(0)] * len(self.weights),
            norms(delta),
        )
        bypassing = delta
        for number in range(len(self.weights), 0, -1):
            layer, kept = self.network.layers[number - 1], self._kept[number - 1]
            if kept.slope is not None:
                self.gradients["activation", number] = norms(delta)
                delta = delta * kept.slope
            if self._begins(number, "normalization"):
                self.inside[number], delta = norms(delta), delta + bypassing
            if kept.inverse is not None:
                self.gradients["normalization", number] = norms(delta)
                delta = along_normalization(layer.normalization, kept.normalized, kept.inverse, delta)
            if self._begins(number, "linear"):
                self.inside[number], delta = norms(delta), delta + bypassing
            self.gradients["linear", number] = norms(delta)
            if ending := self.network.ending_in(number):
                matrix = self.matrices.get(number)
                bypassing = ending.strength * (delta if matrix is None else delta @ matrix)
            delta = delta @ self.weights[number - 1]
            self.below[number - 1] = norms(delta)
        self.gradients[INPUT] = self.below[0]

    def _begins(self, number: int, place: str) -> bool:
        skip = self.network.beginning_in(number)
        return skip is not None and skip.begins_after == place

    def way(self, residuals: Tensor, rates: Sequence[float]) -> list[LinearCrossing | Block]:
        """The gradient's way for `EffectiveDepth.add`, after `backward`: `residuals` (layers,) the operator norms of
        what training has added, `rates` of each layer over the batch size."""
        way, inside = list[LinearCrossing | Block](), list[LinearCrossing]()
        block_top: Tensor | None = None
        for number in range(len(self.weights), 0, -1):
            beginning = self.network.beginning_in(number)
            if beginning and block_top is not None:
                # where the skip connection begins behind a normalization that there is none of, it begins before it
                place: Place = (beginning.begins_after, number)
                whole = self.gradients.get(place, self.gradients["linear", number])
                way.append(Block(crossings=inside, above=block_top, below=whole, inside=self.inside[number]))
                inside, block_top = [], None
            if self.network.ending_in(number):
                block_top = self.gradients["linear", number]
            crossing = LinearCrossing(
                layer=number - 1,
                above=self.gradients["linear", number],
                below=self.below[number - 1],
                signal=self.signals[INPUT] if number == 1 else self._signal_out(number - 1),
                residual=residuals[number - 1],
                rate=rates[number - 1],
            )
            (way if block_top is None else inside).append(crossing)
        return way

    def _signal_out(self, number: int) -> Tensor:
        """Length of what a layer gives to the next."""
        kinds = ("activation", "normalization", "linear")
        return next(self.signals[kind, number] for kind in kinds if (kind, number) in self.signals)


def norms(rows: Tensor) -> Tensor:
    """Length of each datapoint: (points, width) -> (points,)."""
    return torch.linalg.vector_norm(rows, dim=-1)


def normalized(kind: str, signal: Tensor) -> tuple[Tensor, Tensor]:
    """A signal (..., points, width) normalized as in `MLP.normalize`, and the inverse standard deviations."""
    dimension = -2 if kind == "batch" else -1
    centered = signal if kind == "length" else signal - signal.mean(dimension, keepdim=True)
    inverse = centered.square().mean(dimension, keepdim=True).add_(EPSILON).rsqrt_()
    return centered * inverse, inverse


def along_normalization(kind: str, output: Tensor, inverse: Tensor, vectors: Tensor) -> Tensor:
    """Vectors times the derivative of a normalization, which is symmetric: (..., points, width) like its `output`."""
    dimension = -2 if kind == "batch" else -1
    centered = vectors if kind == "length" else vectors - vectors.mean(dimension, keepdim=True)
    return (centered - output * (output * vectors).mean(dimension, keepdim=True)) * inverse


def activated(layer: Layer, signal: Tensor) -> tuple[Tensor, Tensor | None]:
    """The activation function of a layer and its slope; None for the identity."""
    if layer.activation is None:
        return signal, None
    value, slope = torch.empty_like(signal), torch.empty_like(signal)
    layer.activation.value_and_slope(signal, value, slope)
    return value, slope
