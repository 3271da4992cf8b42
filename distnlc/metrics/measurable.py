"""The caller's network made safe to measure: nothing of the caller's changes, and every call is the same function.

In: any torch module or callable (batch, d_in...) -> (batch, d_out). Out: a function of the same kind that is called in
its place. Where a network could be measured in several ways, these were chosen:
    a module            a frozen copy is called, with the module's own training mode, but without dropout
    its buffers         each call finds them as they were given: a spectral norm's power iteration, a running mean that
                        is used in training. So the function is the one that the network's next call computes
    the inputs          each call gets a copy, since a network's first operation may be in place
    several outputs     the tensor where there is one, else the one that is named `logits`
A callable that is no module (or method of one) cannot be copied; it is called as it is. Layered networks (MLP) change
neither their inputs nor their matrices: they are called without copies of these, and take stacks of batches.
"""

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from distnlc.networks.device_errors import of_device
from distnlc.networks.stacks import takes_stacks

Network = Callable[[Tensor], Tensor]

TYPES = (torch.float32, torch.float64)
"""in which a network is measured"""
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPOUTS = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.MultiheadAttention, nn.RNNBase),
)
"""in these modules the training mode means dropout and nothing else"""


class UnmeasurableError(ValueError):
    """A network that cannot be measured; the message says why and what to do."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leaves what is the caller's and global as it was, whatever the network does, also after an error.

    Global are the generators of torch, numpy and Python, the default dtype, the grad mode and the inference mode; the
    last is off inside, since nothing can be differentiated there. To be used as a decorator, too.
    """
    of_python, of_numpy, dtype = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.inference_mode(False), torch.set_grad_enabled(True), torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        torch.set_default_dtype(dtype)


def measurable(network: Network) -> "Measurable":
    """The network for measuring; one that was made here already is returned as it is. Raises UnmeasurableError."""
    return network if isinstance(network, Measurable) else Measurable(network)


class Measurable:
    """A network that is called in the caller's network's place: see above."""

    def __init__(self, network: Network) -> None:
        """Raises UnmeasurableError for a module that cannot be copied."""
        self._network, self.module = copied_network(network)
        self.takes_stacks = takes_stacks(self._network)
        changing = self.module.modules() if self.module is not None and not self.takes_stacks else ()
        self._buffers = [
            (each._buffers, name, buffer)
            for each in changing
            if not isinstance(each, BATCH_NORMS)
            for name, buffer in each._buffers.items()
        ]

    def __call__(self, batch: Tensor) -> Tensor:
        """The outputs (batch, d_out) of a batch (batch, d_in...). Raises UnmeasurableError for others."""
        for buffers, name, buffer in self._buffers:
            buffers[name] = None if buffer is None else buffer.clone()
        outputs = output_tensor(self._network(batch if self.takes_stacks else batch.clone()))
        if outputs.ndim != 2 or len(outputs) != len(batch):
            raise UnmeasurableError(
                f"the network must map {shown(batch)} to ({len(batch)}, d_out), but it returned {shown(outputs)}"
            )
        return outputs

    def of_stack(self, batches: Tensor) -> Tensor:
        """The same of every batch of a stack by itself, in one call; only where the network `takes_stacks`."""
        return self._network(batches)

    def why_no_function(self, batch: Tensor) -> str | None:
        """Why its outputs are not those of a function that has a derivative, if so; two passes of the batch."""
        points = batch.detach().clone().requires_grad_()
        with torch.enable_grad():
            outputs = self(points)
        if not outputs.requires_grad:
            return "the network's outputs have no derivative by its inputs (do they leave torch on the way?)"
        with torch.no_grad():
            again = self(batch)
        if not torch.allclose(outputs, again, equal_nan=True):
            return (
                "the network gives other outputs each time it sees the same inputs, so it is no function to be "
                "measured; is there dropout? Return it with dropout switched off"
            )
        return None


def convert(module: nn.Module, like: Tensor) -> None:
    """Brings a module to the device of a tensor and to its type, one of TYPES; complex numbers stay complex."""
    module.to(like.device)
    module.double() if like.dtype == torch.float64 else module.float()


def copied_network(network: Network) -> tuple[Network, nn.Module | None]:
    """The network with a frozen copy in the place of its module, and that copy, if it is a module or a method of one.

    Raises UnmeasurableError.
    """
    owner = getattr(network, "__self__", None)  # of a bound method
    module = network if isinstance(network, nn.Module) else owner if isinstance(owner, nn.Module) else None
    if module is None:
        return network, None
    copied = frozen_copy(module)
    return (copied if module is network else _bound(network, copied)), copied


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy without dropout whose parameters need no gradient; the module is not called. Raises UnmeasurableError."""
    lazy = [name for name, each in (*module.named_parameters(), *module.named_buffers()) if is_lazy(each)]
    if lazy:
        raise UnmeasurableError(
            f"the network is lazy, it has no {', '.join(lazy[:3])} before its first call; "
            "call it once, with a batch of the inputs, and measure it then"
        )
    try:
        with _Detaching():
            copied = copy.deepcopy(module)
        for parameter in copied.parameters():
            parameter.requires_grad_(False)
        for each in copied.modules():
            if each.training and isinstance(each, BATCH_NORMS):
                each.track_running_stats = False  # no output depends on them, and `vmap` refuses their update
        return without_dropout(copied)
    except Exception as error:  # whatever the attributes' own code raises
        if of_device(error):
            raise
        raise UnmeasurableError(
            "a copy of the network is measured, so that nothing about it changes, and it cannot be copied "
            f"({type(error).__name__}: {' '.join(str(error).split())}); remove what it holds besides tensors and "
            "modules, or measure lambda batch: network(batch), which is called as it is"
        ) from None


class _Detaching(TorchFunctionMode):
    """Copies tensors that were computed (a last output that is kept, the weight of a weight norm), which torch refuses
    since their graph cannot be copied: their numbers are."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            return memo.setdefault(id(tensor), tensor.detach().clone())
        return function(*args, **(kwargs or {}))


def without_dropout(network: nn.Module) -> nn.Module:
    """The network itself, made one function: its dropouts are switched off, and nothing else is."""
    for module in network.modules():
        if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
            module.dropout = 0.0  # a number there; a GPU differentiates an RNN in training mode only
        elif isinstance(module, DROPOUTS):
            module.eval()
    return network


def output_tensor(outputs: Any) -> Tensor:
    """The tensor among what a network returns. Raises UnmeasurableError where that is not clear."""
    if isinstance(outputs, Tensor):
        return outputs
    fields = outputs if isinstance(outputs, Mapping) else getattr(outputs, "__dict__", {})
    logits = fields.get("logits", getattr(outputs, "logits", None))
    if isinstance(logits, Tensor):
        return logits
    values = outputs if isinstance(outputs, list | tuple) else fields.values()
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) == 1:
        return tensors[0]
    raise UnmeasurableError(
        f"the network must return a tensor (batch, d_out), but it returned {type(outputs).__name__} with "
        f"{len(tensors) or 'no'} tensors, none of them named logits; measure a network that returns its outputs alone"
    )


def _bound(method: Any, owner: nn.Module) -> Network:
    """The method of that owner."""
    bound: Network = method.__func__.__get__(owner)
    return bound


def shown(value: Any) -> str:
    """Such as 'float64 (250, 40)'."""
    if isinstance(value, Tensor):
        return f"{dtype_name(value.dtype)} {tuple(value.shape)}"
    return type(value).__name__


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
