"""What enters a network's activation functions: do they see both of their sides, or is the network pseudo-linear?
(Philipp, Song & Carbonell 2017, section 6; gradient_scale.md says how to read it.)

In: a network and inputs (batch, ...), float32 or float64. Out: one row per activation function in order of execution,
from one pass. Where the text is silent:
    activation functions   torch's, as modules, functions and methods, and those of layered networks (MLP). One written
                           by hand, such as `signal.clamp(min=0)`, or in a script, is not known as one
    neurons                every entry of a datapoint, of an image's convolution at every position
    place                  the module inside which the function is called; `(network)` outside all of them
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from distnlc.metrics.measurable import Network, undisturbed
from distnlc.metrics.passes import called, checked_finite, prepared
from distnlc.metrics.taps import Running, Tap, is_of_datapoints
from distnlc.networks.activations import Activation
from distnlc.networks.mlp import MLP

NETWORK = "(network)"
NAMES = (
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "threshold", "elu", "celu", "selu", "gelu", "silu", "mish"),
    *("tanh", "sigmoid", "logsigmoid", "softplus", "softsign", "softshrink", "hardshrink", "tanhshrink"),
    *("hardtanh", "hardsigmoid", "hardswish"),
)
ACTIVATIONS = {
    function: name
    for name in NAMES
    for variant in (name, f"{name}_")
    for owner in (functional, torch, Tensor)
    if (function := getattr(owner, variant, None)) is not None
}
"""torch's functions and methods -> the name of the activation function"""


class Spread(NamedTuple):
    """What enters one activation function."""

    place: str
    """the path of the module that computes it; `(network)` where that is the network's own code"""
    std: float
    """standard deviation over datapoints, quadratic mean over neurons"""
    sign_diversity: float
    """share of datapoints with the rarer sign, mean over neurons: 0 to 0.5; 0 counts as not positive"""
    function: str
    """such as `relu`"""
    call: int
    """which of that place's activation functions, from 1"""


@undisturbed()
def preactivation_spread(network: Network, inputs: Tensor) -> list[Spread]:
    """Return the spread and the sign diversity before every activation function, in order of execution.

    network: a module, or another callable. inputs: (batch, ...), all propagated as one batch; a symmetric neuron's sign
    diversity is 0.5 - 0.4 / sqrt(batch). Batch norm uses running statistics in `eval()` mode and else those of the
    batch. Nothing that is given changes; dropout is left out (see measurable.py). Raises ValueError for inputs or a
    network that cannot be measured. No row for a network without activation functions.
    """
    inputs, function, module = prepared(network, inputs, at_least=2)
    seeing = _Seeing(len(inputs))
    for each in module.modules() if module is not None else ():
        if isinstance(each, MLP):
            layers = (replace(layer, activation=seeing.inside(layer.activation)) for layer in each.layered.layers)
            each.layered = replace(each.layered, layers=tuple(layers))
    with torch.no_grad(), seeing:
        called(function, module, inputs.clone(), lambda *_: None, running=seeing.running)
    return seeing.rows


class _Seeing(TorchFunctionMode):
    """While this lasts, every activation function makes a row of what it gets."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch, self.running, self.rows, self._calls = batch, Running(), list[Spread](), Counter[str]()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Inside, the mode is off: a function that calls another one makes one row."""
        if name := ACTIVATIONS.get(function):
            self._enter(name, args[0] if args else kwargs["input"])
        return function(*args, **(kwargs or {}))

    def _enter(self, name: str, signal: Tensor) -> None:
        if not is_of_datapoints(signal, self.batch):
            return
        tap = self.running.innermost or Tap(NETWORK, name)
        checked_finite(tap, signal)
        self._calls[tap.place] += 1
        self.rows.append(Spread(tap.place, *spread(signal), name, self._calls[tap.place]))

    def inside(self, activation: Activation | None) -> "_SeenActivation | None":
        """The same activation function of a layered network, seen as one."""
        return None if activation is None else _SeenActivation(**vars(activation), seeing=self)


@dataclass(frozen=True)
class _SeenActivation(Activation):
    seeing: _Seeing

    def __call__(self, s: Tensor) -> Tensor:
        self.seeing._enter(self.name, s)
        with torch._C.DisableTorchFunction():
            return super().__call__(s)


def spread(signal: Tensor) -> tuple[float, float]:
    """Standard deviation and sign diversity of pre-activations (batch, ...)."""
    neurons = signal.detach().reshape(len(signal), -1).double()
    positive = (neurons > 0).double().mean(0)
    return float(neurons.var(0, correction=0).mean().sqrt()), float(torch.minimum(positive, 1 - positive).mean())
