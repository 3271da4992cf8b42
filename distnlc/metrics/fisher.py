"""`fisher`: how much the loss depends on whether channels are there (L. Theis, I. Korshunova, A. Tejani and F. Huszar,
"Faster gaze prediction with dense networks and Fisher pruning", 2018, section 3; J. Turner and others, "BlockSwap",
ICLR 2020, equation 2).

    Fisher = sum over channels c of  1 / (2 N) sum over points n of ( sum over positions of a_n dL_n/da_n )^2

a: the outputs of a weight layer (Linear, Conv1d to 3d, ConvTranspose1d to 3d), a channel's positions together. The
papers take them behind ReLU, where a dL/da is the same as before it; behind another function, or a normalization
between the two, it is not, and the layer's own outputs are the choice here. L_n: the loss of one point, as in the
paper; public code has the mean loss of the batch there, so that its numbers are smaller by the square of the batch's
size. With batch norm in training mode it is the sum of the batch's losses. All layers add up, the last one too
(Abdelfattah and others, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, equation 4). Larger is taken for better.
Needs labels.
"""

from collections.abc import Sequence
from functools import partial
from itertools import count

import torch
from torch import Tensor, nn

from distnlc.metrics.measurable import Measurable, Network, UnmeasurableError, undisturbed
from distnlc.metrics.prepared import checked_points, prepared
from distnlc.metrics.weight_gradients import checked_classes, checked_number, losses, parts
from distnlc.networks.shape_walk import LAYERS


@undisturbed()
def fisher(network: Network, inputs: Tensor, labels: Tensor, *, loss_scale: float = 1.0) -> float:
    """Return the Fisher score, in units of loss^2.

    network: (points, d_in...) -> (points, classes), a torch module with weight layers. inputs: (points, d_in...),
    float32 or float64, one batch; labels: (points,) whole numbers. Nothing that is given changes. Raises ValueError for
    a network, inputs or labels that cannot be measured.
    """
    function, module, _ = prepared(network, checked_points(inputs))
    inputs = inputs.detach()
    layers = [] if module is None else [each for each in module.modules() if isinstance(each, LAYERS)]
    if not layers:
        raise UnmeasurableError("the network must be a module with weight layers (Linear, convolutions), it has none")
    labels = checked_classes(function, inputs, labels)
    rows = parts(function, len(inputs), inputs)
    overwritten = _overwritten(function, layers, inputs[:2])
    # waiting: a layer's call, counted in each pass -> its outputs, and the axis of their channels.
    waiting, found, calls = dict[int, tuple[Tensor, int]](), list[float](), count()

    def see(layer: nn.Module, _: object, outputs: Tensor) -> None:
        call = next(calls)
        if outputs.requires_grad:
            kept = outputs.detach().clone() if call in overwritten else outputs.detach()
            waiting[call] = kept, -1 if isinstance(layer, nn.Linear) else 1
            outputs.register_hook(partial(take, call))

    def take(call: int, gradient: Tensor) -> None:
        """Gives each layer's outputs up as its gradient comes: together they are as large as what the pass keeps."""
        outputs, axis = waiting.pop(call)
        products = (outputs * gradient).movedim(axis, 1)
        found.append(float(products.reshape(*products.shape[:2], -1).sum(2).square().sum()))

    for each in layers:
        each.register_forward_hook(see)
    for part in rows:
        waiting.clear()
        calls = count()
        with torch.enable_grad():
            points = inputs[part].clone().requires_grad_()
            loss = losses(function, points, labels[part], loss_scale).sum()
            torch.autograd.grad(loss, points, allow_unused=True)
    return checked_number(sum(found) / (2 * len(inputs)), "Fisher")


def _overwritten(function: Measurable, layers: Sequence[nn.Module], pair: Tensor) -> set[int]:
    """The calls of layers, in their order, whose outputs are changed in place behind them, as by nn.ReLU(inplace=True);
    of the others no copy is needed."""
    seen = list[tuple[Tensor, int]]()
    hooks = [
        each.register_forward_hook(lambda _, __, outputs: seen.append((outputs, outputs._version))) for each in layers
    ]
    with torch.no_grad():
        function(pair)
    for hook in hooks:
        hook.remove()
    return {call for call, (outputs, version) in enumerate(seen) if outputs._version != version}
