"""Many parameter sets of one layered network as one batched tensor program, with its own backward pass.

All parameters of a member lie in one row of a flat (population, parameters) tensor, in the order of
`MLP.parameters()`, so that a snapshot or a rewind is one row copy; per layer there are views of shape
(population, d_out, d_in) and (population, d_out, 1). Activations have shape (population, width, batch): datapoints
are columns, as in the papers, because matrix products of narrow layers run 1.2 to 1.8 times faster on a CPU with the
batch contiguous. They live in buffers that are allocated once. Autograd is not used: per layer, `forward` keeps the
normalized signal, the activation function's slope and its value, and `backward` needs nothing else. Same function
as `mlp.MLP`, which the tests hold it to.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from distnlc.networks.layered import Layer, Layered, Skip
from distnlc.networks.mlp import EPSILON

NORMALIZED_DIMENSION = {"batch": -1, "layer": -2, "length": -2}
"""over which dimension of (population, width, batch) mean and variance are taken"""


@dataclass
class _Layer:
    """One layer's description and its views for the present members; d_in and d_out are its own widths."""

    form: Layer
    weight: Tensor  # (population, d_out, d_in)
    bias: Tensor | None  # (population, d_out, 1)
    signal: Tensor  # (population, d_out, batch): after the linear operation, then normalized in place
    inverse_std: Tensor  # (population, d_out, 1) for batch norm, else (population, 1, batch)
    value: Tensor  # (population, d_out, batch): after the activation function; the signal itself without one
    slope: Tensor  # (population, d_out, batch): derivative of the activation function
    beginning: Skip | None
    ending: Skip | None
    matrix: Tensor | None  # (population, d_out, width where it began) of the skip connection that ends here


class LayeredPopulation:
    """The rows of `flat` (population, parameters), computed together; `matrices` (population, numbers) are fixed.

    `flat` may be changed in place at any time; `keep` shrinks the population.
    """

    def __init__(self, network: Layered, flat: Tensor, matrices: Tensor, *, batch_size: int) -> None:
        self.network, self.batch_size = network, batch_size
        members, widest = len(flat), max(network.widths[1:])
        shapes = [(members, layer.width, batch_size) for layer in network.layers]
        self._signals = [flat.new_empty(shape) for shape in shapes]
        active = [layer.activation is not None for layer in network.layers]
        self._values = [torch.empty_like(s) if a else s for s, a in zip(self._signals, active, strict=True)]
        self._slopes = [torch.empty_like(s) if a else s for s, a in zip(self._signals, active, strict=True)]
        self._inverse_stds = [
            flat.new_empty(members, *((layer.width, 1) if layer.normalization == "batch" else (1, batch_size)))
            for layer in network.layers
        ]
        self._scratch = flat.new_empty(4, members * widest * batch_size)
        self._storage, self._matrices = flat.clone(), matrices.clone()
        self._bind(members)

    def _bind(self, members: int) -> None:
        """Makes views of the first `members` rows of all buffers."""
        self.flat = self._storage[:members]
        self.layers: list[_Layer] = []
        start = matrix_start = 0
        for index, (form, (d_out, d_in, biases)) in enumerate(
            zip(self.network.layers, self.network.sizes, strict=True)
        ):
            end, number, matrix = start + d_in * d_out, index + 1, None
            ending = self.network.ending_in(number)
            if ending and ending.matrix:
                columns = self.network.widths[ending.start]
                entries = self._matrices[:members, matrix_start : matrix_start + d_out * columns]
                matrix, matrix_start = entries.view(members, d_out, columns), matrix_start + d_out * columns
            self.layers.append(
                _Layer(
                    form,
                    weight=self.flat[:, start:end].view(members, d_out, d_in),
                    bias=self.flat[:, end : end + biases].view(members, d_out, 1) if biases else None,
                    signal=self._signals[index][:members],
                    inverse_std=self._inverse_stds[index][:members],
                    value=self._values[index][:members],
                    slope=self._slopes[index][:members],
                    beginning=self.network.beginning_in(number),
                    ending=ending,
                    matrix=matrix,
                )
            )
            start = end + biases

    def keep(self, members: Tensor) -> None:
        """Goes on with these members only (indices in rising order)."""
        self._storage[: len(members)] = self._storage[members]
        self._matrices[: len(members)] = self._matrices[members]
        self._bind(len(members))

    def _place(self, number: int, width: int) -> Tensor:
        """One of four scratch buffers as (population, width, batch)."""
        shape = (len(self.flat), width, self.batch_size)
        return self._scratch[number, : shape[0] * shape[1] * shape[2]].view(shape)

    def forward(self, inputs: Tensor, *, training: bool) -> Tensor:
        """(1 or population, d_in, batch) -> (population, d_out, batch), a buffer that the next call reuses.

        With `training` it keeps what `backward` needs.
        """
        below, carried = inputs.expand(len(self.flat), -1, -1), inputs
        for layer in self.layers:
            if layer.bias is None:
                torch.bmm(layer.weight, below, out=layer.signal)
            else:
                torch.baddbmm(layer.bias, layer.weight, below, out=layer.signal)
            if layer.ending:
                arriving = carried if layer.matrix is None else torch.bmm(layer.matrix, carried)
                layer.signal.add_(arriving, alpha=layer.ending.strength)
            begins = layer.beginning.begins_after if layer.beginning else None
            if begins == "linear":
                carried = self._place(0, layer.form.width).copy_(layer.signal)
            self._normalize(layer)
            if begins == "normalization":
                carried = self._place(0, layer.form.width).copy_(layer.signal)
            if layer.form.activation is not None:
                slope = layer.slope if training else None
                layer.form.activation.value_and_slope(layer.signal, layer.value, slope)
            below = layer.value
        return below

    def _normalize(self, layer: _Layer) -> None:
        """In place; the scratch of the backward pass is free during the forward pass."""
        kind = layer.form.normalization
        if kind == "none":
            return
        signal, dimension = layer.signal, NORMALIZED_DIMENSION[kind]
        if kind != "length":
            signal.sub_(signal.mean(dimension, keepdim=True))
        square = self._place(1, layer.form.width)
        torch.mul(signal, signal, out=square)
        torch.mean(square, dimension, keepdim=True, out=layer.inverse_std)
        layer.inverse_std.add_(EPSILON).rsqrt_()
        signal.mul_(layer.inverse_std)

    def backward(self, inputs: Tensor, delta: Tensor, gradients: Tensor | None = None) -> None:
        """One step down the gradient, or the gradient itself.

        `delta` (population, d_out, batch) is the derivative of each member's loss by its outputs of the last
        `forward(inputs, training=True)`; it is overwritten. Without `gradients` the parameters move by minus the
        gradient: multiply `delta` by each member's learning rate and no gradient buffer is needed (the backward pass is
        linear). With `gradients` (population, parameters) the gradient is written there and the parameters stay.
        """
        carried, end = delta, self.flat.shape[1]  # nothing is carried at first
        for index in range(len(self.layers) - 1, -1, -1):
            layer, begins = self.layers[index], None
            if layer.beginning:
                begins = layer.beginning.begins_after
            if layer.form.activation is not None:
                delta.mul_(layer.slope)
            if begins == "normalization":
                delta.add_(carried)
            self._normalize_backward(layer, delta)
            if begins == "linear":
                delta.add_(carried)
            if layer.ending:
                carried = self._carry_back(layer, layer.ending, delta)
            below = self.layers[index - 1].value if index else inputs.expand(len(self.flat), -1, -1)
            # the delta below goes to the place that this one does not hold
            next_delta = self._place(1 + index % 2, below.shape[1]) if index else delta
            if index:
                torch.bmm(layer.weight.mT, delta, out=next_delta)
            end = self._apply(layer, delta, below, gradients, end)
            delta = next_delta

    def _apply(self, layer: _Layer, delta: Tensor, below: Tensor, gradients: Tensor | None, end: int) -> int:
        """Moves the layer's parameters, or writes their gradient in front of column `end`. Gives where it begins."""
        d_out, d_in = layer.weight.shape[1:]
        biases = 0 if layer.bias is None else d_out
        start = end - biases - d_out * d_in
        if gradients is None:
            layer.weight.baddbmm_(delta, below.mT, alpha=-1)
            if layer.bias is not None:
                layer.bias.sub_(delta.sum(-1, keepdim=True))
            return start
        if biases:
            gradients[:, end - biases : end] = delta.sum(-1)
        torch.bmm(delta, below.mT, out=gradients[:, start : end - biases].view(len(self.flat), d_out, d_in))
        return start

    def _carry_back(self, layer: _Layer, ending: Skip, delta: Tensor) -> Tensor:
        """The derivative by the signal that the skip connection ending here carries."""
        carried = self._place(3, self.network.widths[ending.start])
        if layer.matrix is None:
            carried.copy_(delta)
        else:
            torch.bmm(layer.matrix.mT, delta, out=carried)
        return carried.mul_(ending.strength)

    def _normalize_backward(self, layer: _Layer, delta: Tensor) -> None:
        """`delta` by the normalized signal n becomes, in place, that by the signal before:
        (delta - mean(delta) - n mean(delta n)) / std, means over the normalized dimension; without the first mean
        where none was subtracted."""
        kind = layer.form.normalization
        if kind == "none":
            return
        dimension = NORMALIZED_DIMENSION[kind]
        product = torch.mul(delta, layer.signal, out=self._place(0, layer.form.width))
        along = product.mean(dimension, keepdim=True)
        if kind != "length":
            delta.sub_(delta.mean(dimension, keepdim=True))
        delta.addcmul_(layer.signal, along, value=-1).mul_(layer.inverse_std)
