"""Many parameter sets of one architecture as one batched tensor program, with its own backward pass.

All parameters of a member lie in one row of a flat (population, parameters) tensor, in the order of
`MLP.parameters()`, so that a snapshot or a rewind is one row copy; per layer there are views of shape
(population, d_out, d_in) and (population, d_out, 1). Activations have shape (population, width, batch): datapoints
are columns, as in the papers, because matrix products of narrow layers run 1.2 to 1.8 times faster on a CPU with the
batch contiguous. They live in buffers that are allocated once. Autograd is not used: per layer, `forward` keeps the
normalized signal, the activation function's slope and its value, and `backward` needs nothing else. Same function
as `mlp.MLP`, which the tests hold it to.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from distnlc.networks.architecture import Architecture
from distnlc.networks.mlp import EPSILON

NORMALIZED_DIMENSION = {"batch": -1, "layer": -2}
"""over which dimension of (population, width, batch) mean and variance are taken"""


@dataclass
class _Layer:
    """Views of one layer for the present members; d_in and d_out are its own widths."""

    weight: Tensor  # (population, d_out, d_in)
    bias: Tensor  # (population, d_out, 1)
    signal: Tensor  # (population, d_out, batch): after the linear operation, then normalized in place
    inverse_std: Tensor  # (population, d_out, 1) for batch norm, (population, 1, batch) for layer norm
    value: Tensor  # (population, d_out, batch): after the activation function
    slope: Tensor  # (population, d_out, batch): derivative of the activation function


class PopulationMLP:
    """`parameters` rows of one architecture, computed together.

    `flat` (population, parameters) may be changed in place at any time; `keep` shrinks the population.
    """

    def __init__(self, architecture: Architecture, flat: Tensor, projection: Tensor | None, *, batch_size: int) -> None:
        self.architecture = architecture
        self.activation = architecture.activation_function
        self.batch_size = batch_size
        self.projection = None if projection is None else projection.to(flat)  # (d_out, width)
        members, hidden, width = len(flat), architecture.depth - 1, architecture.width
        layer_norm = architecture.normalization == "layer"
        statistic = (1, batch_size) if layer_norm else (width, 1)
        self._signals = flat.new_empty(hidden, members, width, batch_size)
        self._values = torch.empty_like(self._signals)
        self._slopes = torch.empty_like(self._signals)
        self._inverse_stds = flat.new_empty(hidden, members, *statistic)
        self._scratch = flat.new_empty(4, members, width, batch_size)
        self._outputs = flat.new_empty(members, architecture.d_out, batch_size)
        self._storage = flat.clone()
        self._bind(members)

    def _bind(self, members: int) -> None:
        """Makes views of the first `members` rows of all buffers."""
        self.flat = self._storage[:members]
        self.outputs = self._outputs[:members]
        self.carried, self.delta, self.delta_below, self.delta_carried = self._scratch[:, :members]
        self.layers: list[_Layer] = []
        start, widths, hidden = 0, self.architecture.widths, self.architecture.depth - 1
        for index, (d_in, d_out) in enumerate(pairwise(widths)):
            end = start + d_in * d_out
            weight = self.flat[:, start:end].view(members, d_out, d_in)
            bias = self.flat[:, end : end + d_out].view(members, d_out, 1)
            if index < hidden:
                buffers = (self._signals, self._inverse_stds, self._values, self._slopes)
                self.layers.append(_Layer(weight, bias, *(buffer[index, :members] for buffer in buffers)))
            else:
                self.layers.append(_Layer(weight, bias, *[self.outputs] * 4))
            start = end + d_out

    def keep(self, members: Tensor) -> None:
        """Goes on with these members only (indices in rising order)."""
        self._storage[: len(members)] = self._storage[members]
        self._bind(len(members))

    def forward(self, inputs: Tensor, *, training: bool) -> Tensor:
        """(d_in, batch) shared by all members -> (population, d_out, batch), a buffer that the next call reuses.

        With `training` it keeps what `backward` needs.
        """
        skips, depth = self.architecture.skip_strength > 0, self.architecture.depth
        below = inputs.expand(len(self.flat), *inputs.shape)
        for number, layer in enumerate(self.layers, start=1):
            torch.baddbmm(layer.bias, layer.weight, below, out=layer.signal)
            joint = skips and number % 2 == 1
            if joint and number > 1:
                self._add_carried(layer.signal, last=number == depth)
            if number == depth:
                break
            if joint and self.architecture.skip_start == "linear":
                self.carried.copy_(layer.signal)
            self._normalize(layer)
            if joint and self.architecture.skip_start == "normalization":
                self.carried.copy_(layer.signal)
            self.activation.value_and_slope(layer.signal, layer.value, layer.slope if training else None)
            below = layer.value
        return self.outputs

    def _add_carried(self, signal: Tensor, *, last: bool) -> None:
        strength = self.architecture.skip_strength
        if last:
            assert self.projection is not None  # an architecture with skip connections has one
            signal.add_(self.projection @ self.carried, alpha=strength)
        else:
            signal.add_(self.carried, alpha=strength)

    def _normalize(self, layer: _Layer) -> None:
        """In place; the scratch of the backward pass is free during the forward pass."""
        kind = self.architecture.normalization
        if kind == "none":
            return
        signal, dimension = layer.signal, NORMALIZED_DIMENSION[kind]
        signal.sub_(signal.mean(dimension, keepdim=True))
        torch.mul(signal, signal, out=self.delta)
        torch.mean(self.delta, dimension, keepdim=True, out=layer.inverse_std)
        layer.inverse_std.add_(EPSILON).rsqrt_()
        signal.mul_(layer.inverse_std)

    def backward(self, inputs: Tensor, delta: Tensor, gradients: Tensor | None = None) -> None:
        """One step down the gradient, or the gradient itself.

        `delta` (population, d_out, batch) is the derivative of each member's loss by its outputs of the last
        `forward(inputs, training=True)`. Without `gradients` the parameters move by minus the gradient: multiply
        `delta` by each member's learning rate and no gradient buffer is needed (the backward pass is linear).
        With `gradients` (population, parameters) the gradient is written there and the parameters stay.
        """
        skips, start = self.architecture.skip_strength > 0, self.architecture.skip_start
        end = self.flat.shape[1]
        for number in range(len(self.layers), 0, -1):
            layer = self.layers[number - 1]
            joint = skips and number % 2 == 1
            if number < len(self.layers):
                delta.mul_(layer.slope)
                if joint and start == "normalization":
                    delta.add_(self.delta_carried)
                self._normalize_backward(layer, delta)
                if joint and start == "linear":
                    delta.add_(self.delta_carried)
            if joint and number > 1:
                self._carry_back(delta, last=number == len(self.layers))
            below = self.layers[number - 2].value if number > 1 else inputs.expand(len(self.flat), *inputs.shape)
            next_delta = self.delta_below if number % 2 == 0 else self.delta
            if number > 1:
                torch.bmm(layer.weight.mT, delta, out=next_delta)
            if gradients is None:
                layer.weight.baddbmm_(delta, below.mT, alpha=-1)
                layer.bias.sub_(delta.sum(-1, keepdim=True))
            else:
                d_out, d_in = layer.weight.shape[1:]
                gradients[:, end - d_out : end] = delta.sum(-1)
                end -= d_out + d_in * d_out
                place = gradients[:, end : end + d_in * d_out].view(len(self.flat), d_out, d_in)
                torch.bmm(delta, below.mT, out=place)
            delta = next_delta

    def _carry_back(self, delta: Tensor, *, last: bool) -> None:
        """The derivative by the signal that the skip connection ending here carries."""
        if last:
            assert self.projection is not None
            torch.matmul(self.projection.T, delta, out=self.delta_carried)
        else:
            self.delta_carried.copy_(delta)
        self.delta_carried.mul_(self.architecture.skip_strength)

    def _normalize_backward(self, layer: _Layer, delta: Tensor) -> None:
        """`delta` by the normalized signal n becomes, in place, that by the signal before:
        (delta - mean(delta) - n mean(delta n)) / std, means over the normalized dimension."""
        kind = self.architecture.normalization
        if kind == "none":
            return
        dimension = NORMALIZED_DIMENSION[kind]
        product = torch.mul(delta, layer.signal, out=self.carried)
        along = product.mean(dimension, keepdim=True)
        delta.sub_(delta.mean(dimension, keepdim=True))
        delta.addcmul_(layer.signal, along, value=-1).mul_(layer.inverse_std)
