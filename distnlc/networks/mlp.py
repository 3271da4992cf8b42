"""One network as an ordinary torch module (section C): the readable statement of what every network computes.

    layer l = 1 ... depth - 1:  linear, then optionally a normalization, then the activation function
    layer depth:                linear only
    skip i = 1 ... m (depth 2m + 1): begins in layer 2i - 1, ends after the linear operation of layer 2i + 1

Where skip i - 1 ends and skip i begins after the same linear operation, the carried signal includes what the
earlier one added (the residual stream of He et al.). `training/mlp_population.py` computes the same for many parameter
sets.
"""

import torch
from torch import Tensor, nn

from distnlc.networks.activations import Activation
from distnlc.networks.initialization import Parameters

EPSILON = 1e-12
"""Added to the variance in both normalizations, which the paper does not state: small enough to leave pre-activation
variances of ordinary size alone to twelve digits, large enough to keep a constant signal from dividing by zero."""


class MLP(nn.Module):
    """(batch, d_in) -> (batch, d_out). `linears` are trainable; `projection` (d_out, width) is fixed."""

    projection: Tensor | None

    def __init__(
        self,
        parameters: Parameters,
        *,
        activation: Activation,
        normalization: str,
        skip_strength: float,
        skip_start: str,
    ) -> None:
        super().__init__()
        self.linears = nn.ModuleList()
        for weight, bias in zip(parameters.weights, parameters.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
            linear.weight, linear.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
            self.linears.append(linear)
        self.register_buffer("projection", parameters.projection)
        self.activation = activation
        self.normalization = normalization
        self.skip_strength = skip_strength
        self.skip_start = skip_start

    def forward(self, inputs: Tensor) -> Tensor:
        depth, signal, carried = len(self.linears), inputs, None
        for layer, linear in enumerate(self.linears, start=1):
            signal = linear(signal)
            begins_or_ends = self.skip_strength > 0 and layer % 2 == 1
            if begins_or_ends and carried is not None:
                arriving = carried if self.projection is None or layer < depth else carried @ self.projection.T
                signal = signal + self.skip_strength * arriving
            if layer == depth:
                break
            if begins_or_ends and self.skip_start == "linear":
                carried = signal
            signal = self.normalize(signal)
            if begins_or_ends and self.skip_start == "normalization":
                carried = signal
            signal = self.activation(signal)
        return signal

    def normalize(self, signal: Tensor) -> Tensor:
        """Batch or layer normalization of (batch, width) without trainable parameters; `none` passes through.

        Batch norm always uses the statistics of the current batch, in evaluation too.
        """
        if self.normalization == "none":
            return signal
        dimension = {"batch": 0, "layer": 1}[self.normalization]
        centered = signal - signal.mean(dimension, keepdim=True)
        return centered * torch.rsqrt(centered.square().mean(dimension, keepdim=True) + EPSILON)
