"""Many parameter sets of one layered network on a GPU: the products by cuBLAS, one Triton kernel between any two.

Computes what `layered_population.py` computes, which is the readable statement of it, but for rounding. Activations
have shape (members, width + 1, stride): datapoints are columns, whose number is padded to a multiple of 16, and the row
behind the last neuron holds ones, by which the next layer's product adds its biases (`fused_layout.py`). A hidden layer
takes five launches a training step: a product and a kernel forward, a kernel and two products backward.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from triton import cdiv, next_power_of_2

from distnlc.networks.layered import Layer, Layered, Skip
from distnlc.networks.mlp import EPSILON
from distnlc.training.fused_kernels import backward_columns, backward_rows, forward_columns, forward_rows
from distnlc.training.fused_layout import Layout, Matrix, aligned

FORWARD, BACKWARD = (forward_rows, forward_columns), (backward_rows, backward_columns)
TILE, WARPS = 2048, 8
"""elements of a signal that a kernel's program holds at a time, and its warps: 8 elements a thread spill no register"""
DATAPOINTS = 8
"""that a program of the kernels for layer and length norm takes: 64 bytes in float64, two sectors of memory"""
KEPT, ARRIVING, CARRIED, LEAVING = 0, 1, 3, 0
"""scratch buffers: what a skip connection takes along, behind its matrix; the same backward. 1 and 2 alternate as the
deltas"""


@dataclass
class _Layer:
    """One layer's description and its views for the present members."""

    form: Layer
    place: Matrix
    weight: Tensor
    """(members, d_out, columns)"""
    signal: Tensor
    """(members, d_out, stride): after the linear operation, then normalized in place"""
    value: Tensor
    """(members, d_out + 1, stride)"""
    inverse_std: Tensor
    """(members, d_out) for batch norm, else (members, stride)"""
    constants: Tensor
    beginning: Skip | None
    ending: Skip | None
    matrix: Tensor | None
    """(members, d_out, width where it began) of the skip connection that ends here"""

    @property
    def bare(self) -> bool:
        """Whether it is a linear operation and nothing else: its signal lies where its value does."""
        return not (self.form.activation or self.ending or self.beginning or self.form.normalization != "none")

    @property
    def kind(self) -> str:
        return self.form.activation.name if self.form.activation else "identity"

    @property
    def begins(self) -> str:
        return self.beginning.begins_after if self.beginning else ""


class FusedPopulation:
    """The padded parameters in the rows of `flat`, computed together; `matrices` (members, numbers) are fixed."""

    def __init__(self, network: Layered, rows: Tensor, matrices: Tensor, *, batch_size: int) -> None:
        """`rows` (members, parameters) are copied into `flat`, which may be changed in place at any time; `keep`
        shrinks the population."""
        self.network, self.batch_size, self.stride = network, batch_size, aligned(batch_size)
        self.layout, members = Layout(network, rows.device), len(rows)
        flat = self.layout.pad(rows)
        self._values = [self.with_ones(members, layer.width, like=flat) for layer in network.layers]
        self._signals = [value.new_zeros(members, value.shape[1] - 1, self.stride) for value in self._values]
        self._inverse_stds = [
            flat.new_zeros(members, layer.width if layer.normalization == "batch" else self.stride)
            for layer in network.layers
        ]
        self._constants = torch.stack([_constants(network, number) for number in range(1, network.depth + 1)]).to(flat)
        self._scratch = flat.new_zeros(4, members * max(network.widths[1:]) * self.stride)
        self._storage, self._matrices = flat, matrices.clone()
        self._bind(members)

    def with_ones(self, members: int, width: int, *, like: Tensor) -> Tensor:
        """A place (members, width + 1, stride) whose last row is ones."""
        place = like.new_zeros(members, width + 1, self.stride)
        place[:, width] = 1
        return place

    def _bind(self, members: int) -> None:
        """Makes views of the first `members` rows of all buffers."""
        self.flat = self._storage[:members]
        self.layers: list[_Layer] = []
        matrix_start = 0
        for index, (form, place) in enumerate(zip(self.network.layers, self.layout.matrices, strict=True)):
            number, matrix = index + 1, None
            ending = self.network.ending_in(number)
            if ending and ending.matrix:
                columns = self.network.widths[ending.start]
                entries = self._matrices[:members, matrix_start : matrix_start + place.d_out * columns]
                matrix, matrix_start = entries.view(members, place.d_out, columns), matrix_start + entries.shape[1]
            layer = _Layer(
                form,
                place,
                weight=place.of(self.flat),
                signal=self._signals[index][:members],
                value=self._values[index][:members],
                inverse_std=self._inverse_stds[index][:members],
                constants=self._constants[index],
                beginning=self.network.beginning_in(number),
                ending=ending,
                matrix=matrix,
            )
            if layer.bare:
                layer.signal = layer.value[:, :-1]
            self.layers.append(layer)

    def keep(self, members: Tensor) -> None:
        """Goes on with these members only (indices in rising order)."""
        self._storage[: len(members)] = self._storage[members]
        self._matrices[: len(members)] = self._matrices[members]
        self._bind(len(members))

    def _place(self, number: int, width: int) -> Tensor:
        """One of four scratch buffers as (members, width, stride)."""
        shape = (len(self.flat), width, self.stride)
        return self._scratch[number, : shape[0] * shape[1] * shape[2]].view(shape)

    def _points(self, signal: Tensor) -> Tensor:
        """The columns of a signal that hold datapoints."""
        return signal[:, :, : self.batch_size]

    def forward(self, inputs: Tensor, *, training: bool) -> Tensor:
        """A place `with_ones` (1 or members, d_in + 1, stride) -> that of the outputs, which the next call overwrites.

        With `training` it keeps what `backward` needs.
        """
        below, carried = inputs.expand(len(self.flat), -1, -1), inputs
        for layer in self.layers:
            torch.bmm(layer.weight, self._points(below[:, : layer.place.columns]), out=self._points(layer.signal))
            below = layer.value
            if layer.bare:
                continue
            width, arriving = layer.place.d_out, carried
            if layer.matrix is not None:
                arriving = self._place(ARRIVING, width)
                torch.bmm(layer.matrix, self._points(carried), out=self._points(arriving))
            kept = self._place(KEPT, width)
            tensors = (layer.signal, layer.value, arriving, kept)
            self._launch(FORWARD, layer, tensors, layer.value.stride(0), TRAINING=training)
            if layer.beginning:
                carried = kept
        return below

    def backward(self, inputs: Tensor, gradients: Tensor | None = None) -> None:
        """One step down the gradient, or the gradient itself, from what the outputs' place holds: the derivative of
        each member's loss by its outputs. `gradients` as in `LayeredPopulation.backward`, padded."""
        carried, delta = self._place(CARRIED, 1), self.layers[-1].value[:, :-1]  # nothing is carried at first
        for index in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[index]
            place = layer.place
            if not layer.bare:
                leaving = self._place(CARRIED if layer.matrix is None else LEAVING, place.d_out)
                self._launch(BACKWARD, layer, (delta, layer.signal, carried, leaving), delta.stride(0))
                if layer.ending and layer.matrix is not None:
                    carried = self._place(CARRIED, self.network.widths[layer.ending.start])
                    torch.bmm(layer.matrix.mT, self._points(leaving), out=self._points(carried))
                elif layer.ending:
                    carried = leaving
            below, points = self.layers[index - 1].value if index else inputs, self._points(delta)
            if index:
                delta = self._place(1 + index % 2, place.d_in)
                torch.bmm(layer.weight[:, :, : place.d_in].mT, points, out=self._points(delta))
            below = self._points(below[:, : place.columns]).expand(len(self.flat), -1, -1).mT
            if gradients is None:
                layer.weight.baddbmm_(points, below, alpha=-1)
            else:
                torch.bmm(points, below, out=place.of(gradients))

    def _launch(
        self, kernels: tuple[Any, Any], layer: _Layer, tensors: tuple[Tensor, ...], value_member: int, **flags: Any
    ) -> None:
        """The first kernel on a layer's signal, or the second where datapoints are normalized."""
        width, norm = layer.place.d_out, layer.form.normalization
        if norm in {"layer", "length"}:
            kernel, grid = kernels[1], (cdiv(self.batch_size, DATAPOINTS), len(self.flat))
            tile = {"ROWS": TILE // DATAPOINTS, "COLUMNS": DATAPOINTS}
        else:
            whole = next_power_of_2(self.batch_size)
            block = max(1, TILE // whole)
            kernel, grid = kernels[0], (cdiv(width, block), len(self.flat))
            tile = {"ROWS": block, "COLUMNS": whole}
        flags |= {"NORM": norm, "KIND": layer.kind, "ENDS": layer.ending is not None, "BEGINS": layer.begins}
        numbers = (width, self.batch_size, layer.signal.stride(0), value_member)
        kernel[grid](
            *tensors, layer.inverse_std, layer.constants, *numbers, STRIDE=self.stride, num_warps=WARPS, **flags, **tile
        )


def _constants(network: Layered, number: int) -> Tensor:
    """A layer's numbers for the kernels, `fused_kernels.CONSTANTS`; two more keep the next layer's aligned."""
    activation, ending = network.layers[number - 1].activation, network.ending_in(number)
    own = (activation.dilation, activation.shift, activation.scale, activation.offset) if activation else (1, 0, 1, 0)
    return torch.tensor([*own, ending.strength if ending else 0, EPSILON, 0, 0], dtype=torch.float64)
