"""Every call of an activation function, seen or replaced, whether it is a module, a function or a method of torch's, or
belongs to a layered network (MLP).

In: a copy of a network, which is changed, and what to do at each call. Out: a mode; while it lasts, that is done.
One written by hand, such as `signal.clamp(min=0)`, or in a script, is not known as an activation function.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from distnlc.metrics.neurons import Thresholds, neuron_of_activation
from distnlc.networks.activations import Activation
from distnlc.networks.mlp import MLP

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
KINKS: dict[str, Thresholds] = {
    **dict.fromkeys(("relu", "leaky_relu", "prelu", "rrelu"), (0.0,)),
    "relu6": (0.0, 6.0),
    "hardsigmoid": (-3.0, 3.0),
}
"""piecewise linear functions of torch's -> between which numbers they are linear"""


class ActivationCall(NamedTuple):
    """One call of an activation function."""

    name: str
    """such as `relu`"""
    signal: Tensor
    """what it is applied to"""
    kinks: Thresholds | None
    """between which numbers it is linear; None where it is not piecewise linear"""
    compute: Callable[[], Any]
    """gives its value"""


class ActivationCalls(TorchFunctionMode):
    """While this lasts, every call of an activation function gives what `act` makes of it.

    A function that calls another one makes one call. The layered networks in `module`, a copy of one's own, are changed
    for good.
    """

    def __init__(self, module: nn.Module | None, act: Callable[[ActivationCall], Any]) -> None:
        super().__init__()
        self._act = act
        for each in module.modules() if module is not None else ():
            if isinstance(each, MLP):
                layers = (replace(layer, activation=self._inside(layer.activation)) for layer in each.layered.layers)
                each.layered = replace(each.layered, layers=tuple(layers))

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Inside, the mode is off."""
        compute = partial(function, *args, **(kwargs or {}))
        name = ACTIVATIONS.get(function)
        if name is None:
            return compute()
        signal = args[0] if args else compute.keywords["input"]
        kinks = _of_hardtanh(signal, *args[1:], **compute.keywords) if name == "hardtanh" else KINKS.get(name)
        return self._act(ActivationCall(name, signal, kinks, compute))

    def _inside(self, activation: Activation | None) -> "_Replaced | None":
        return None if activation is None else _Replaced(**vars(activation), act=self._act)


@dataclass(frozen=True)
class _Replaced(Activation):
    """The activation function of a layered network, of which each call is told."""

    act: Callable[[ActivationCall], Any]

    def __call__(self, s: Tensor) -> Tensor:
        neuron = neuron_of_activation(self)
        kinks = None if neuron.slopes is None else neuron.thresholds
        compute = partial(Activation.__call__, self, s)
        with torch._C.DisableTorchFunction():
            found: Tensor = self.act(ActivationCall(self.name, s, kinks, compute))
        return found


def _of_hardtanh(_: Tensor, min_val: float = -1.0, max_val: float = 1.0, *__: bool, **___: Any) -> Thresholds:
    """The thresholds, from the arguments of `functional.hardtanh`."""
    return float(min_val), float(max_val)
