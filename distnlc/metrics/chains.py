"""Plain chains: linear layers with activation functions between them and nothing else, for which there are fast routes.

In: a network. Out: its matrices, biases and neurons, or None if it is anything else. Plain are `torch.nn.Sequential` of
`Linear` (with or without bias) and activation modules in turn, with any `Flatten`, `Identity` and dropout (which is
never measured) among them, and layered networks (MLP) without normalization, skip connections and output activation.
Modules that somebody hung hooks on are not plain.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from distnlc.metrics.measurable import DROPOUTS
from distnlc.metrics.neurons import Neuron, neuron_of, neuron_of_activation
from distnlc.networks.mlp import MLP

PASSIVE = (nn.Identity, *DROPOUTS[:6])
"""modules that leave a signal as it is, where there is no dropout"""


@dataclass(frozen=True)
class Chain:
    """`W_D phi(... phi(W_1 x + b_1) ...) + b_D`, x as rows."""

    weights: Sequence[Tensor]
    """D matrices (d_out, d_in)"""
    biases: Sequence[Tensor | None]
    neurons: Sequence[Neuron]
    """of the D - 1 hidden layers"""
    names: Sequence[str]
    """of the D - 1 hidden layers, by the network's modules"""

    @cached_property
    def reduced_first(self) -> Tensor:
        """A matrix (width, at most width columns) with which a product has the rows' norms, and inner products, that it
        has with W_1: W_1's own triangle, by QR, of fewer columns."""
        first = self.weights[0]
        if first.shape[0] >= first.shape[1]:
            return first
        return torch.linalg.qr(first.double().T, mode="r").R.T.to(first)

    def linear(self, layer: int, signal: Tensor) -> Tensor:
        """The pre-activations of a layer, counted from 0; behind the last hidden one, the outputs."""
        return linear(signal, self.weights[layer], self.biases[layer])

    def pre_activations(self, first: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Each hidden layer's number and pre-activations, from those of the first on; `first`: (points, width)."""
        found = first
        for layer in range(len(self.neurons)):
            if layer:
                found = self.linear(layer, self.neurons[layer - 1].value(found))
            yield layer, found


def plain_chain(network: Callable[[Tensor], Tensor]) -> Chain | None:
    """The chain that a network is, in its own type; None if it is none."""
    found = None
    if type(network) is MLP and not _hooked(network):
        found = _of_layered(network)
    elif type(network) is nn.Sequential or type(network) is nn.Linear:
        found = _of_modules(network)
    if found is None or any(weight.is_complex() for weight in found.weights):
        return None
    return found


def _of_layered(network: MLP) -> Chain | None:
    *hidden, last = network.layered.layers
    plain = all(layer.normalization == "none" for layer in network.layered.layers) and not network.layered.skips
    activations = [layer.activation for layer in hidden]
    if not plain or last.activation is not None or None in activations:
        return None
    linears = [each for each in network.linears if isinstance(each, nn.Linear)]
    weights = [each.weight.detach() for each in linears]
    biases = [None if each.bias is None else each.bias.detach() for each in linears]
    neurons = [neuron_of_activation(each) for each in activations if each is not None]
    return Chain(weights, biases, neurons, [f"linears.{layer}" for layer in range(len(neurons))])


def _of_modules(network: nn.Module) -> Chain | None:
    """The chain that a module, or a sequence of modules, computes; None where it computes something else."""
    weights, biases, neurons, names = list[Tensor](), list[Tensor | None](), list[Neuron](), list[str]()
    for name, module in network.named_modules(remove_duplicate=False):
        if _hooked(module):
            return None
        if type(module) is nn.Sequential or isinstance(module, PASSIVE) or _flattens(module, first=not weights):
            continue
        if type(module) is nn.Linear and len(weights) == len(neurons):
            weights.append(module.weight.detach())
            biases.append(None if module.bias is None else module.bias.detach())
        elif (neuron := neuron_of(module)) and len(weights) == len(neurons) + 1:
            neurons.append(neuron)
            names.append(name)
        else:
            return None
    return Chain(weights, biases, neurons, names) if len(weights) == len(neurons) + 1 else None


def _flattens(module: nn.Module, *, first: bool) -> bool:
    """Whether it makes rows of the inputs, as the chain does itself; behind a linear layer they are rows already."""
    return type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1) and first


def _hooked(module: nn.Module) -> bool:
    inside = module.modules() if isinstance(module, MLP) else (module,)
    return any(each._forward_hooks or each._forward_pre_hooks for each in inside)
