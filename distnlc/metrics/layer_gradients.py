"""Sizes of signal and gradient at every operation of a layered network, by one pass forward and one back on a CPU.

In: the description and numbers of a network of linear layers without bias and, behind each, perhaps a normalization
and ReLU, tanh or SELU; datapoints, and for each the direction that its outputs are multiplied by: f_0 = f_1 . y is the
error ("Gradients explode - Deep Networks are shallow - ResNet explained", section I.2). Out: quadratic means over the
datapoints, from which gradient scale coefficients follow; spread and signs of what enters each activation; sizes of
what each skip connection brings and of what its block adds.

The backward pass is written out: no weight's gradient is computed, and of each layer only what enters the activation
is kept, 8 bytes a number. Points go through in chunks that stay in the cache from one product to the next; with batch
norm, whose statistics couple all points and carry gradients, every layer's chunks come one after the other, else every
chunk's layers. Normalizations add nothing to variances; a neuron or datapoint without any spread becomes 0.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from distnlc.metrics.layer_passes import KINDS, Passes, passes
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import Parameters
from distnlc.networks.layered import Layered, Skip
from distnlc.networks.operations import operations

CHUNK = 256
"""datapoints from one product to the next: of width 100 a fifth of a MB each for signal, value and gradient"""


@dataclass(frozen=True)
class Spread:
    """How what enters an activation function is spread (section 2, item 5)."""

    std: float
    """quadratic mean over the neurons of their standard deviations over the datapoints"""
    sign_diversity: float
    """mean over the neurons of the share of the rarer sign"""


@dataclass(frozen=True)
class LayerGradients:
    """Quadratic means over datapoints; places are the inputs and then every operation's output, the lowest first."""

    widths: tuple[int, ...]
    lengths: tuple[float, ...]
    """of the signal at each place"""
    gradients: tuple[float, ...]
    """of the gradient of each datapoint's error"""
    error: float
    spreads: dict[int, Spread]
    """by layer, from 1"""
    carried: tuple[float, ...]
    """lengths of what each skip connection brings"""
    added: tuple[float, ...]
    """lengths of what the block beside it adds"""

    def scale(self, place: int) -> float:
        """The expected gradient scale coefficient GSC(l, 0) of a place (section 2, item 2)."""
        per_entry = self.gradients[place] / math.sqrt(self.widths[place])
        return per_entry * self.lengths[place] / self.error if self.error else math.nan


def layer_gradients(
    layered: Layered, parameters: Parameters, inputs: Tensor, directions: Tensor, by: Passes | None = None
) -> LayerGradients:
    """Measures inputs (points, d_in) with directions (points, d_out), float64. `by`: the C functions, if there are.

    Raises ValueError for a network that has something else in it, by name.
    """
    check_covered(layered)
    together = any(layer.normalization == "batch" for layer in layered.layers)
    size = len(inputs) if together else min(CHUNK, len(inputs))
    pass_ = _Pass(layered, parameters, size, by or passes())
    for some, their_directions in zip(inputs.split(size), directions.split(size), strict=True):
        pass_.forward(some, their_directions)
        pass_.backward(some, their_directions)
    return pass_.result(len(inputs))


def check_covered(layered: Layered) -> None:
    """Raises ValueError for what there is no fast pass for."""
    for number, layer in enumerate(layered.layers, start=1):
        name = layer.activation.name if layer.activation else None
        if layer.bias:
            raise ValueError(f"layer {number} has a bias, which layer gradients do not cover")
        if layer.activation and (name not in KINDS or layer.activation != plain_activation(name)):
            raise ValueError(f"layer gradients cover plain {', '.join(KINDS)}, but layer {number} has {name}")
        if layer.activation is None and number < layered.depth:
            raise ValueError(f"layer {number} has no activation function, which only the last may lack")
    if layered.layers[-1].activation is not None:
        raise ValueError("the last layer has an activation function, which layer gradients do not cover")
    for skip in layered.skips:
        if skip.begins_after != "linear" or skip.strength != 1:
            raise ValueError("layer gradients cover skip connections of strength 1 that begin after a linear operation")


class _Pass:
    """One network's buffers and sums. Signals and gradients are (points, width), changed in place."""

    def __init__(self, layered: Layered, parameters: Parameters, points: int, by: Passes) -> None:
        self.layered, self.by, self.points = layered, by, points
        self.weights, self.matrices = parameters.weights, iter(parameters.matrices)
        self.matrix = {skip.end: next(self.matrices) for skip in layered.skips if skip.matrix}
        self.kinds = [layer.normalization for layer in layered.layers]
        widest = max(layered.widths)
        self.signals = [_empty(points, layer.width) for layer in layered.layers]
        self.inverse = [
            _empty(points if kind in {"layer", "length"} else layer.width)
            for layer, kind in zip(layered.layers, self.kinds, strict=True)
        ]
        self.means = [_zeros(layer.width) for layer in layered.layers]
        self.value, self.brought = _empty(CHUNK * widest), _empty(CHUNK * widest)
        self.stream = _empty(points * widest if layered.skips else 0)
        self.flow = [_empty(points * widest) for _ in range(2)]
        self.neurons = [_zeros(3, layer.width) for layer in layered.layers]
        self.places = {(each.layer, each.kind): index for index, each in enumerate(operations(layered), start=1)}
        self.lengths, self.gradients = ([0.0] * (len(self.places) + 1) for _ in range(2))
        self.error = 0.0
        self.carried, self.added = ([0.0] * len(layered.skips) for _ in range(2))

    def chunks(self, points: int) -> Iterator[slice]:
        for first in range(0, points, CHUNK):
            yield slice(first, min(first + CHUNK, points))

    def add(self, sums: list[float], layer: int, kind: str, value: float) -> None:
        sums[self.places[layer, kind]] += value  # type: ignore[index]  # the kind is one of three words

    # forward

    def forward(self, inputs: Tensor, directions: Tensor) -> None:
        self.lengths[0] += self.by.square_sum(inputs)
        for number, weight in enumerate(self.weights, start=1):
            signal, sums = self.signals[number - 1], _zeros(2, weight.shape[0])
            shift = _zeros(weight.shape[0])
            for rows in self.chunks(len(inputs)):
                below = inputs[rows] if number == 1 else self.activated(number - 1, rows)
                torch.mm(below, weight.T, out=signal[rows])
                self.arrive(number, rows)
                if self.kinds[number - 1] == "batch":
                    if rows.start == 0:  # sums of what is less one of the values lose no digits
                        shift = signal[0].clone()
                    self.by.neuron_sums(signal[rows], shift, sums)
            if self.kinds[number - 1] == "batch":
                self.set_statistics(number, shift, sums / len(inputs))
        for rows in self.chunks(len(inputs)):
            outputs = self.normalized(self.layered.depth, rows)
            if self.kinds[-1] != "none":
                self.add(self.lengths, self.layered.depth, "normalization", self.by.square_sum(outputs))
            self.error += float((outputs * directions[rows]).sum(1).square().sum())

    def arrive(self, number: int, rows: slice) -> None:
        """What follows a product within its rows: the skip connections and a normalization of datapoints."""
        signal = self.signals[number - 1][rows]
        if ending := self.layered.ending_in(number):
            index, carried = self.layered.skips.index(ending), _view(self.stream, rows, self.width(ending))
            if ending.matrix:
                carried = torch.mm(
                    carried, self.matrix[number].T, out=_view(self.brought, _all(signal), signal.shape[1])
                )
            added, brought, length = self.by.add_carried(signal, carried)
            self.added[index] += added
            self.carried[index] += brought
        else:
            length = self.by.square_sum(signal)
        self.add(self.lengths, number, "linear", length)
        if self.layered.beginning_in(number):
            _view(self.stream, rows, signal.shape[1]).copy_(signal)
        if (kind := self.kinds[number - 1]) in {"layer", "length"}:
            self.by.normalize_points(signal, kind == "layer", self.inverse[number - 1][rows])

    def width(self, skip: Skip) -> int:
        return self.layered.widths[skip.start]

    def set_statistics(self, number: int, shift: Tensor, means: Tensor) -> None:
        """Mean and inverse deviation of every neuron, from the mean of what is less the shift, and of its square."""
        deviations = (means[1] - means[0].square()).clamp(min=0).sqrt()
        self.means[number - 1] = shift + means[0]
        self.inverse[number - 1] = torch.where(deviations == 0, 0, 1 / deviations)

    def normalized(self, number: int, rows: slice) -> Tensor:
        """What enters a layer's activation; datapoints were normalized when they arrived."""
        signal = self.signals[number - 1][rows]
        if self.kinds[number - 1] == "batch":
            self.by.normalize_neurons(signal, self.means[number - 1], self.inverse[number - 1])
        return signal

    def activated(self, number: int, rows: slice) -> Tensor:
        """A layer's values, until the next are asked for."""
        signal = self.normalized(number, rows)
        values = _view(self.value, _all(signal), signal.shape[1])
        length = self.by.activate(self.kind(number), signal, values, self.neurons[number - 1])
        self.add(self.lengths, number, "activation", length)
        return values

    def kind(self, number: int) -> str:
        activation = self.layered.layers[number - 1].activation
        assert activation is not None  # of all layers but the last
        return activation.name

    # backward

    def backward(self, inputs: Tensor, directions: Tensor) -> None:
        flow, below = self.flow
        gradient = _view(flow, slice(0, len(inputs)), directions.shape[1])
        gradient.copy_(directions)
        sums = self.new_sums(self.layered.depth)
        for rows in self.chunks(len(inputs)):
            self.to_normalization(self.layered.depth, gradient[rows], rows, sums)
        for number in range(self.layered.depth, 0, -1):
            means, sums = sums / len(inputs), self.new_sums(number - 1)
            lower = _view(below, slice(0, len(inputs)), self.layered.widths[number - 1])
            for rows in self.chunks(len(inputs)):
                self.to_linear(number, gradient[rows], rows, means)
                torch.mm(gradient[rows], self.weights[number - 1], out=lower[rows])
                if number > 1:
                    self.to_normalization(number - 1, lower[rows], rows, sums)
            flow, below, gradient = below, flow, lower
        self.gradients[0] += self.by.square_sum(gradient)

    def new_sums(self, number: int) -> Tensor:
        return _zeros(2, self.layered.widths[number])

    def to_normalization(self, number: int, gradient: Tensor, rows: slice, sums: Tensor) -> None:
        """From a layer's value down to its normalization; where that is of neurons, no further than its sums."""
        signal, kind = self.signals[number - 1][rows], self.kinds[number - 1]
        if number < self.layered.depth:
            above, length = self.by.through_activation(self.kind(number), signal, gradient)
            self.add(self.gradients, number, "activation", above)
        else:
            length = self.by.square_sum(gradient)
        if kind != "none":
            self.add(self.gradients, number, "normalization", length)
        if kind == "batch":
            self.by.gradient_sums(signal, gradient, sums)
        elif kind != "none":
            length = self.by.through_points(signal, gradient, kind == "layer", self.inverse[number - 1][rows])
        if kind != "batch" and not self.layered.beginning_in(number):
            self.add(self.gradients, number, "linear", length)

    def to_linear(self, number: int, gradient: Tensor, rows: slice, means: Tensor) -> None:
        """Down to the output of a layer's linear operation, and what skip connections pass on."""
        if self.kinds[number - 1] == "batch":
            signal = self.signals[number - 1][rows]
            length = self.by.through_neurons(signal, gradient, means, self.inverse[number - 1])
            if not self.layered.beginning_in(number):
                self.add(self.gradients, number, "linear", length)
        if self.layered.beginning_in(number):
            _, _, length = self.by.add_carried(gradient, _view(self.stream, rows, gradient.shape[1]))
            self.add(self.gradients, number, "linear", length)
        if ending := self.layered.ending_in(number):
            carried = _view(self.stream, rows, self.width(ending))
            if ending.matrix:
                torch.mm(gradient, self.matrix[number], out=carried)
            else:
                carried.copy_(gradient)

    def result(self, points: int) -> LayerGradients:
        """Quadratic means of all that was summed."""
        for layer in operations(self.layered):
            if layer.kind == "normalization" and layer.layer < self.layered.depth:  # it is what enters the activation
                self.lengths[self.places[layer.layer, layer.kind]] = float(self.neurons[layer.layer - 1][1].sum())

        def means(sums: list[float]) -> tuple[float, ...]:
            return tuple(math.sqrt(each / points) for each in sums)

        return LayerGradients(
            widths=(self.layered.d_in, *(each.width for each in operations(self.layered))),
            lengths=means(self.lengths),
            gradients=means(self.gradients),
            error=math.sqrt(self.error / points),
            spreads={number: _spread(sums / points) for number, sums in enumerate(self.neurons[:-1], start=1)},
            carried=means(self.carried),
            added=means(self.added),
        )


def _spread(means: Tensor) -> Spread:
    mean, square, positive = means
    variances = (square - mean.square()).clamp(min=0)
    return Spread(float(variances.mean().sqrt()), float(torch.minimum(positive, 1 - positive).mean()))


def _empty(*shape: int) -> Tensor:
    return torch.empty(*shape, dtype=torch.float64)


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float64)


def _view(buffer: Tensor, rows: slice, width: int) -> Tensor:
    """Some rows of a buffer that is used for signals of several widths."""
    return buffer[rows.start * width : rows.stop * width].view(-1, width)


def _all(signal: Tensor) -> slice:
    return slice(0, len(signal))
