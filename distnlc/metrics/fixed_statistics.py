"""Batch norm whose statistics are constants to a derivative: the noise is divided by the signal's deviations alone.

In: a copy of a network, which is changed, and a pass of it that is differentiated. Out: the same outputs, with the
derivative of the network that has these statistics for good. Held fixed are `functional.batch_norm` with the batch's
own statistics, which all of torch's batch norms call, and the batch norm of layered networks. In evaluation the
statistics are constants anyway. A batch norm that a network computes by hand, or in a script, is not known as one: its
derivative includes that of the statistics, a share of about 2 / batch of the noise's variance.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode

from distnlc.networks.mlp import EPSILON, MLP


class FixedStatistics(TorchFunctionMode):
    """While this lasts, `functional.batch_norm` takes the statistics of a batch as constants, and updates none."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (_batch_norm if function is nn.functional.batch_norm else function)(*args, **(kwargs or {}))


def _batch_norm(
    signal: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As `functional.batch_norm`."""
    if training:
        constant = _constant(signal)
        dimensions = [0, *range(2, signal.ndim)]
        running_var, running_mean = torch.var_mean(constant, dimensions, correction=0)
    return nn.functional.batch_norm(signal, running_mean, running_var, weight, bias, False, momentum, eps)


def hold_statistics(network: nn.Module) -> None:
    """Makes the layered networks inside compute batch norm in the same way, from now on."""
    for module in network.modules():
        if isinstance(module, MLP):
            module.normalize = partial(_normalize, module.normalize)  # type: ignore[method-assign]


def _normalize(otherwise: Any, signal: Tensor, kind: str) -> Tensor:
    """As `MLP.normalize`."""
    if kind != "batch":
        normalized: Tensor = otherwise(signal, kind)
        return normalized
    variance, mean = torch.var_mean(_constant(signal), -2, correction=0, keepdim=True)
    return (signal - mean) * torch.rsqrt(variance + EPSILON)


def _constant(signal: Tensor) -> Tensor:
    """The same numbers without a derivative, forward or backward."""
    return forward_ad.unpack_dual(signal).primal.detach()
