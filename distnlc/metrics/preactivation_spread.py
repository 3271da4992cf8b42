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
from typing import Any, NamedTuple

import torch
from torch import Tensor

from distnlc.metrics.activation_calls import ActivationCall, ActivationCalls
from distnlc.metrics.measurable import Network, undisturbed
from distnlc.metrics.passes import called, checked_finite, prepared
from distnlc.metrics.taps import Running, Tap, is_of_datapoints

NETWORK = "(network)"


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
    running, rows, calls = Running(), list[Spread](), Counter[str]()

    def see(call: ActivationCall) -> Any:
        if is_of_datapoints(call.signal, len(inputs)):
            tap = running.innermost or Tap(NETWORK, call.name)
            checked_finite(tap, call.signal)
            calls[tap.place] += 1
            rows.append(Spread(tap.place, *spread(call.signal), call.name, calls[tap.place]))
        return call.compute()

    with torch.no_grad(), ActivationCalls(module, see):
        called(function, module, inputs.clone(), lambda *_: None, running=running)
    return rows


def spread(signal: Tensor) -> tuple[float, float]:
    """Standard deviation and sign diversity of pre-activations (batch, ...)."""
    neurons = signal.detach().reshape(len(signal), -1).double()
    positive = (neurons > 0).double().mean(0)
    return float(neurons.var(0, correction=0).mean().sqrt()), float(torch.minimum(positive, 1 - positive).mean())
