"""Squares of signals and gradients in a network's layers, summed over one pass of each datapoint.

In: a module whose parameters may get gradients, a function that runs it, datapoints and losses. Out: rows of
scaling_rows.py. A signal is squared when it is there, before a later operation can change it in place; its gradient is
that of the edge which it had then.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from distnlc.metrics.gradient_ways import GradientWays
from distnlc.metrics.measurable import Network, UnmeasurableError
from distnlc.metrics.passes import called, checked_finite
from distnlc.metrics.scaling_rows import ScalingRow
from distnlc.networks.residual import Multiplier
from distnlc.networks.shape_walk import LAYERS, TRANSPOSED, trained

Loss = Callable[[Tensor, int], Tensor]
"""of one datapoint's outputs (1, ...) and its index"""


@dataclass
class _Call:
    """Sums over datapoints (and draws, for gradients) of one call of a layer."""

    x_size: int = 0
    y_size: int = 0
    x: float = 0.0
    y: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    whole: bool = False
    """whether the whole gradient passes its output"""
    edges: list[GradientEdge] = field(default_factory=list)
    """of input and output, in the datapoint that is being looked at"""


class Passes:
    """What is seen of a module, one datapoint after the other."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        for each in module.parameters():
            each.requires_grad_(each.is_floating_point() or each.is_complex())
        self.parameters = {name: each for name, each in module.named_parameters() if each.requires_grad}
        self.squares = dict.fromkeys(self.parameters, 0.0)
        self.layers = {name: each for name, each in module.named_modules() if isinstance(each, (*LAYERS, Multiplier))}
        self.calls = dict[str, list[_Call]]()
        self.passed = dict[str, int]()
        self.backward = 0
        self.points = 0

    def watching(self) -> ExitStack:
        """While this lasts the layers are watched."""
        hooks = ExitStack()
        for name, layer in self.layers.items():
            hooks.callback(layer.register_forward_pre_hook(partial(self._enter, name)).remove)
            hooks.callback(layer.register_forward_hook(partial(self._leave, name)).remove)
        return hooks

    def _enter(self, name: str, _: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        number = self.passed[name] = self.passed.get(name, -1) + 1
        calls = self.calls.setdefault(name, [])
        if number == len(calls):
            calls.append(_Call())
        calls[number].edges = []
        if not arguments or not arguments[0].requires_grad:
            return None
        own = arguments[0].view_as(arguments[0])  # its gradient is what comes through this layer
        call = calls[number]
        call.x_size, call.x = own.numel(), call.x + _squares(own)
        call.edges = [get_gradient_edge(own)]
        return own, *arguments[1:]

    def _leave(self, name: str, _: nn.Module, __: Any, output: Any) -> None:
        call = self.calls[name][self.passed[name]]
        if call.edges:
            call.y_size, call.y = output.numel(), call.y + _squares(output)
            call.edges.append(get_gradient_edge(output))

    def add(self, function: Network, point: Tensor, losses: Sequence[Loss], index: int) -> None:
        """Adds one datapoint (1, ...). Raises ValueError."""
        self.passed.clear()
        leaf = point.clone().requires_grad_()
        outputs = called(function, self.module, leaf.clone(), checked_finite)
        if not outputs.requires_grad:
            raise UnmeasurableError("the network's outputs have no derivative (does it leave torch, or detach?)")
        calls = [call for calls in self.calls.values() for call in calls if len(call.edges) == 2]
        if not self.points:
            ways = GradientWays(get_gradient_edge(outputs), get_gradient_edge(leaf))
            for call in calls:
                call.whole = ways.whole((call.edges[1].node, call.edges[1].output_nr))
        edges = [edge for call in calls for edge in call.edges]
        of: Any = [*edges, *self.parameters.values()]
        for number, loss in enumerate(losses, start=1):
            found = torch.autograd.grad(loss(outputs, index), of, retain_graph=number < len(losses), allow_unused=True)
            sums = [0.0 if each is None else _squares(each) for each in found]
            for call, dx, dy in zip(calls, sums[: len(edges) : 2], sums[1 : len(edges) : 2], strict=True):
                call.dx, call.dy = call.dx + dx, call.dy + dy
            for name, square in zip(self.parameters, sums[len(edges) :], strict=True):
                self.squares[name] += square
        self.points += 1
        self.backward += len(losses)

    def rows(self) -> list[ScalingRow]:
        """Layers in order of execution, then those that were never called, then the other parameters."""
        order = [*self.calls, *(name for name in self.layers if name not in self.calls)]
        names = {id(each): name for name, each in self.parameters.items()}
        rows, of_layers = list[ScalingRow](), set[str]()
        for layer in order:
            each = self.layers[layer]
            weight = trained(each, "value" if isinstance(each, Multiplier) else "weight")
            own = names.get(id(weight))
            if own is None and isinstance(each, Multiplier):
                continue  # a fixed one
            of_layers |= {own} if own else set()
            rows.append(self._layer(layer, each, own))
        return rows + [
            self._other(name) for name, each in self.parameters.items() if name not in of_layers and each.numel()
        ]

    def _layer(self, name: str, layer: Any, own: str | None) -> ScalingRow:
        scalar = isinstance(layer, Multiplier)
        kind = "scalar" if scalar else "linear" if isinstance(layer, nn.Linear) else "conv"
        weight = self.parameters[own] if own else layer.weight
        calls = [call for call in self.calls.get(name, []) if call.y_size]
        s_in, s_out = (self._s(calls, of) for of in ("x", "y"))
        variance = _mean_square(weight)
        return ScalingRow(
            name=name,
            kind="transposed" if isinstance(layer, TRANSPOSED) else kind,
            N=weight.numel(),
            variance=variance,
            x_second=self._second(calls, "x"),
            y_second=self._second(calls, "y"),
            s_in=s_in,
            s_out=s_out,
            kept=s_in / s_out if s_in is not None and s_out else None,
            gamma=s_in / (weight.numel() * variance**2) if s_in and variance else None,
            ratio=self._ratio(own) if own else None,
            gamma_bias=None if scalar or layer.bias is None else self._gamma_bias(calls, layer),
            calls=len(calls),
            whole=len(calls) == 1 and calls[0].whole,
            random_bias=not scalar and layer.bias is not None and bool(layer.bias.any()),
            note=_note(own, variance, s_in, calls),
        )

    def _other(self, name: str) -> ScalingRow:
        weight = self.parameters[name]
        kind = "bias" if name.rpartition(".")[2] == "bias" else "parameter"
        return ScalingRow(
            name=name, kind=kind, N=weight.numel(), variance=_mean_square(weight), ratio=self._ratio(name)
        )

    def _s(self, calls: Sequence[_Call], of: str) -> float | None:
        if not calls:
            return None
        gradients = self.points * self.backward
        return (
            sum(getattr(call, of) * getattr(call, f"d{of}") / getattr(call, f"{of}_size") for call in calls) / gradients
        )

    def _second(self, calls: Sequence[_Call], of: str) -> float | None:
        size = sum(getattr(call, f"{of}_size") for call in calls)
        return sum(getattr(call, of) for call in calls) / (size * self.points) if size else None

    def _gamma_bias(self, calls: Sequence[_Call], layer: Any) -> float | None:
        if not calls or not all(call.y for call in calls):
            return None
        sums = sum(call.dy / self.backward * call.y_size * self.points / call.y for call in calls)
        return sums / (layer.bias.numel())

    def _ratio(self, name: str) -> float | None:
        weight = self.parameters[name]
        variance = _mean_square(weight)
        return self.squares[name] / (self.backward * weight.numel()) / variance if variance else None


def _squares(tensor: Tensor) -> float:
    return float(tensor.detach().abs().square().sum())


def _mean_square(tensor: Tensor) -> float:
    return _squares(tensor) / tensor.numel()


def _note(own: str | None, variance: float, s_in: float | None, calls: Sequence[_Call]) -> str:
    if not calls:
        return "not called as a module, or without a gradient"
    if not variance:
        return "its weights are all 0"
    if not s_in:
        return "it gets no gradient" if any(call.x for call in calls) else "its inputs are all 0"
    return "" if own else "its weights are computed from others (weight norm?), which have rows of their own"
