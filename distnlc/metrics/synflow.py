"""`synflow`: how much flows along the paths of weights from the inputs to the outputs (H. Tanaka, D. Kunin, D. L. K.
Yamins and S. Ganguli, "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS 2020,
equations 1 and 3 and algorithm 1).

    SynFlow = sum over weights of |theta| dR/d|theta|,    R = 1^T |W_L| ... |W_1| 1

R is a product of absolute weights, so each of L layers in a row contributes R itself. For any module it is the sum of
the outputs that inputs of 1 give, where
    weights             are absolute values, those of fixed skip connections in layered networks too
    biases              are 0: the paper's R has none (public code adds their absolute values)
    activations         are the identity, as in R. For ReLU, behind positive numbers, that is what public code computes;
                        with tanh or sigmoid that measures saturation instead
    normalizations      (batch, layer, group, instance, RMS) are the identity, as public code has batch norm
Larger is taken for better. Needs neither inputs nor labels. Always float64: the product grows by a factor for each
layer, and float32 overflows.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from distnlc.metrics.activation_calls import ActivationCalls
from distnlc.metrics.measurable import Network, UnmeasurableError, undisturbed
from distnlc.metrics.weight_gradients import Weighted, checked_number, weighted
from distnlc.networks.mlp import MLP

NORMALIZATIONS = {
    getattr(functional, f"{name}_norm") for name in ("batch", "layer", "group", "instance", "rms", "local_response")
    if hasattr(functional, f"{name}_norm")
}  # fmt: skip


@undisturbed()
def synflow(network: Network, inputs: Tensor) -> float:
    """Return the SynFlow score, a number without a unit.

    network: (points, d_in...) -> (points, d_out), a torch module. inputs: (points, d_in...), of which only shape and
    device are used. Nothing that is given changes. Raises ValueError for a network that cannot be measured, and where
    the flow is beyond the largest float64.
    """
    ones = torch.ones_like(inputs[:1], dtype=torch.float64)
    measured = weighted(network, ones)
    _make_flow(measured)
    with torch.enable_grad(), ActivationCalls(measured.module, lambda call: call.signal), _Unnormalized():
        flow = measured.function(ones).sum()
    if not flow.requires_grad:
        raise UnmeasurableError("the network's outputs have no derivative by its weights (does it detach on the way?)")
    leaves = list(measured.weights.values())
    gradients = torch.autograd.grad(flow, leaves, allow_unused=True, materialize_grads=True)
    total = sum(float((w.detach() * g).abs().sum()) for w, g in zip(leaves, gradients, strict=True))
    return checked_number(total, "SynFlow")


@torch.no_grad()
def _make_flow(measured: Weighted) -> None:
    for name, each in measured.module.named_parameters():
        each.zero_() if name.rpartition(".")[2].endswith("bias") else each.abs_()
    for module in measured.module.modules():
        if isinstance(module, MLP):
            for matrix in module.matrices:
                matrix.abs_()
            module.normalize = partial(_unchanged)  # type: ignore[method-assign]


def _unchanged(signal: Tensor, _: str) -> Tensor:
    return signal


class _Unnormalized(TorchFunctionMode):
    """While this lasts, torch's normalizations are the identity."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in NORMALIZATIONS:
            return args[0] if args else kwargs["input"]
        return function(*args, **(kwargs or {}))
