"""One layered network as an ordinary torch module: the readable statement of what every network computes.

`training/layered_population.py` and `training/native/` compute the same for many parameter sets.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from distnlc.networks.initialization import Parameters
from distnlc.networks.layered import Layered

EPSILON = 1e-12
"""Added to the variance in all normalizations, which the papers do not state: small enough to leave pre-activation
variances of ordinary size alone to twelve digits, large enough to keep a constant signal from dividing by zero."""


class MLP(nn.Module):
    """(..., batch, d_in) -> (..., batch, d_out): a batch, or a stack of batches, each propagated by itself.

    `linears` are trainable; the skip connections' `matrices` are fixed.
    """

    def __init__(self, layered: Layered, parameters: Parameters) -> None:
        super().__init__()
        self.layered = layered
        self.linears = nn.ModuleList()
        for weight, bias in zip(parameters.weights, parameters.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
            linear.weight = nn.Parameter(weight.clone())
            if bias is not None:
                linear.bias = nn.Parameter(bias.clone())
            self.linears.append(linear)
        for number, matrix in enumerate(parameters.matrices):
            self.register_buffer(f"matrix{number}", matrix)
        pairs = zip(parameters.weights, parameters.biases, strict=True)
        shapes = [(*weight.shape, 0 if bias is None else len(bias)) for weight, bias in pairs]
        if shapes != layered.sizes or [tuple(matrix.shape) for matrix in self.matrices] != layered.matrix_shapes:
            raise ValueError(f"expected parameters of layers (d_out, d_in, biases) {layered.sizes}, found {shapes}")

    @property
    def matrices(self) -> list[Tensor]:
        """The fixed matrix of each skip connection that has one, in their order."""
        return list(self.buffers())

    def forward(self, inputs: Tensor) -> Tensor:
        output = inputs
        for signal in self.signals(inputs):
            output = signal
        return output

    def signals(self, inputs: Tensor) -> Iterator[Tensor]:
        """The output of every operation in order of execution: linear with what a skip connection brings,
        normalization, activation function; a layer without one of the two has no output of it."""
        signal, carried, matrices = inputs, inputs, iter(self.matrices)
        for number, (linear, layer) in enumerate(zip(self.linears, self.layered.layers, strict=True), start=1):
            signal = linear(signal)
            if ending := self.layered.ending_in(number):
                arriving = carried @ next(matrices).T if ending.matrix else carried
                signal = signal + ending.strength * arriving
            yield signal
            beginning = self.layered.beginning_in(number)
            if beginning and beginning.begins_after == "linear":
                carried = signal
            if layer.normalization != "none":
                signal = self.normalize(signal, layer.normalization)
                yield signal
            if beginning and beginning.begins_after == "normalization":
                carried = signal
            if layer.activation is not None:
                signal = layer.activation(signal)
                yield signal

    def normalize(self, signal: Tensor, kind: str) -> Tensor:
        """(..., batch, width) normalized as `layered.NORMALIZATIONS` says; `none` passes through.

        Batch norm always uses the statistics of the current batch, in evaluation too.
        """
        if kind == "none":
            return signal
        dimension = -2 if kind == "batch" else -1
        if kind != "length":
            signal = signal - signal.mean(dimension, keepdim=True)
        return signal * torch.rsqrt(signal.square().mean(dimension, keepdim=True) + EPSILON)
