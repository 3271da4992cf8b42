"""What a neuron's code is: the thresholds of each activation function, and its slopes where it is piecewise linear.

In: a torch module or an activation function of a layered network. Out: a `Neuron`. A neuron's code is the number of
thresholds below its pre-activation, the index of its linear region; a pre-activation exactly at a threshold belongs to
the lower one, and so does its slope. Functions without pieces have one threshold where the text is silent: smooth ones
at 0, as the study of sensitivity has tanh, and those of layered networks at 0 of what tau is applied to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from distnlc.networks.activations import PIECES, Activation, PaperHardSigmoid

Thresholds = tuple[float, ...]


@dataclass(frozen=True)
class Neuron:
    """One activation function, element by element."""

    value: Callable[[Tensor], Tensor]
    thresholds: Thresholds
    """ascending"""
    slopes: tuple[float, ...] | None
    """of each region, from the lowest; None for a function that is not piecewise linear"""

    def slope(self, s: Tensor) -> Tensor:
        """The derivative at pre-activations `s` of any shape."""
        if self.slopes is None:
            with torch.enable_grad():
                s = s.detach().requires_grad_()
                return torch.autograd.grad(self.value(s).sum(), s)[0]
        slope = torch.full_like(s, self.slopes[0])
        for threshold, below, above in zip(self.thresholds, self.slopes[:-1], self.slopes[1:], strict=True):
            slope.add_((s > threshold).to(s), alpha=above - below)
        return slope


def _clamp(low: float, high: float, slope: float = 1.0) -> tuple[Thresholds, tuple[float, ...]]:
    return (float(low), float(high)), (0.0, slope, 0.0)


def neuron_of(module: nn.Module) -> Neuron | None:
    """The neuron of an activation module; None for another module, or one without thresholds."""
    pieces: tuple[Thresholds, tuple[float, ...] | None] | None = None
    match module:
        case nn.ReLU():
            pieces = (0.0,), (0.0, 1.0)
        case nn.LeakyReLU():
            pieces = (0.0,), (module.negative_slope, 1.0)
        case nn.Hardtanh():  # ReLU6 is one, from 0 to 6
            pieces = _clamp(module.min_val, module.max_val)
        case nn.Hardsigmoid():
            pieces = _clamp(-3, 3, 1 / 6)
        case PaperHardSigmoid():
            pieces = _clamp(*PIECES["hardsigmoid"])
        case nn.Tanh() | nn.Sigmoid():
            pieces = (0.0,), None
    return None if pieces is None else Neuron(_out_of_place(module), *pieces)


def _out_of_place(module: nn.Module) -> Callable[[Tensor], Tensor]:
    if getattr(module, "inplace", False):
        return lambda s: module(s.clone())
    return module


def neuron_of_activation(activation: Activation) -> Neuron:
    """The neuron of a layered network's activation function, `scale * tau(dilation * s + shift) + offset`."""
    steepness = activation.scale * activation.dilation
    slopes: tuple[float, ...] | None = None
    if activation.name == "relu":
        slopes = 0.0, steepness
    elif activation.name in PIECES:
        slopes = 0.0, steepness, 0.0
    thresholds = tuple((c - activation.shift) / activation.dilation for c in PIECES.get(activation.name, (0.0,)))
    return Neuron(activation, thresholds, slopes)


def zero_of_activation(activation: Activation) -> Thresholds:
    """The one threshold where tau's argument is 0."""
    return (-activation.shift / activation.dilation,)
