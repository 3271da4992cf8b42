"""One network as a function of a batch, computed by native.c where possible, for the metrics.

In: a network as a torch module. Out: the same function, but for rounding, which autograd can
differentiate as often as the module's. Outputs and first derivatives come from C; further derivatives
(`create_graph`) go through the module's graph.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from distnlc.networks.mlp import MLP
from distnlc.training.native_library import NoLibrary
from distnlc.training.native_program import NativeProgram
from distnlc.training.once import warn_once
from distnlc.training.spec import StepSpec
from distnlc.training.start import start_of


def fast_network(network: nn.Module, *, batch_size: int) -> Callable[[Tensor], Tensor]:
    """(batch, d_in) -> (batch, d_out) with the network's present parameters, fast for batches of `batch_size`.

    The module itself, frozen, where there is no native program: for a module that is no layered network, on a GPU,
    without a compiler.
    """
    frozen = copy.deepcopy(network).requires_grad_(False)
    if not isinstance(frozen, MLP):
        return frozen
    start = start_of(frozen)
    if start.rows.device.type != "cpu":
        return frozen
    try:
        program = NativeProgram(start, StepSpec(batch_size=batch_size))
    except NoLibrary as reason:
        warn_once(str(reason))
        return frozen

    shared = _Shared(program, frozen)

    def function(batch: Tensor) -> Tensor:
        outputs: Tensor = _Native.apply(batch, shared) if len(batch) == batch_size else frozen(batch)
        return outputs

    return function


@dataclass
class _Shared:
    """The state that all calls of one fast network share."""

    program: NativeProgram
    module: MLP
    calls: int = 0
    """so that a backward pass knows whether the program still keeps the batch of its own forward pass"""

    def propagate(self, batch: Tensor, *, keep: bool) -> Tensor:
        self.calls += 1
        return self.program.propagate(batch, keep=keep)


class _Native(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, batch: Tensor, shared: _Shared) -> Tensor:
        outputs = shared.propagate(batch, keep=ctx.needs_input_grad[0])
        ctx.save_for_backward(batch)
        ctx.shared, ctx.call = shared, shared.calls
        return outputs

    @staticmethod
    def backward(ctx: Any, vectors: Tensor) -> tuple[Tensor, None]:
        (batch,), shared = ctx.saved_tensors, ctx.shared
        if torch.is_grad_enabled():  # with create_graph
            (pulled,) = torch.autograd.grad(shared.module(batch), batch, vectors, create_graph=True)
            return pulled, None
        if ctx.call != shared.calls:
            shared.propagate(batch, keep=True)
            ctx.call = shared.calls
        return shared.program.pull_back(vectors), None
