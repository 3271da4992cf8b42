"""The common part of the zero-cost proxies: a network's weights, and the gradient of its loss by them.

In: a torch module, inputs (points, d_in...), labels (points,). Out: a copy that can be differentiated by its weights.
Where the papers and the public implementations differ, these were chosen, for all proxies alike:
    weights         every parameter of at least two axes: the connections that pruning is about; biases and the gains of
                    normalizations are none
    loss            the mean over the points of the cross-entropy of softmax(outputs / loss_scale)
    batch norm      as the network has it. In training mode with the statistics of all the points as one batch, through
                    which the gradient runs, as in the papers; what is a function of single points is split into parts,
                    which changes nothing but the memory that it takes
    numbers         in the type of the inputs, which should be float64: float32 rounds differences of gradients away
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from distnlc.metrics.batches import couples
from distnlc.metrics.measurable import Measurable, Network, UnmeasurableError
from distnlc.metrics.prepared import checked_points, prepared
from distnlc.metrics.sensitivity import checked_labels
from distnlc.networks.device_errors import of_device
from distnlc.networks.loss import cross_entropy

PART = 8
"""points that are differentiated at a time, where that is possible"""

Weights = Mapping[str, Tensor]


class Weighted(NamedTuple):
    """A copy of a network, in the inputs' type and on their device."""

    function: Measurable
    module: nn.Module
    weights: Weights
    """name -> leaf that gets a gradient"""


def weighted(network: Network, inputs: Tensor) -> Weighted:
    """The network's copy. Raises ValueError for inputs, and for a network without weights."""
    function, module, _ = prepared(network, checked_points(inputs))
    if module is None:
        raise UnmeasurableError("the network must be a torch module, since the weights of other callables are not seen")
    weights = {name: each for name, each in module.named_parameters() if each.ndim > 1 and each.is_floating_point()}
    if not weights:
        raise UnmeasurableError("the network must have weights, but it has no parameter of two axes or more")
    for each in weights.values():
        each.requires_grad_(True)
    return Weighted(function, module, weights)


def parts(function: Measurable, points: int, inputs: Tensor) -> list[slice]:
    """The rows that can go through the network by themselves: all together where points influence one another."""
    size = points if points < 2 or couples(function, inputs[:4]) else PART
    return [slice(start, start + size) for start in range(0, points, size)]


def checked_classes(function: Measurable, inputs: Tensor, labels: Tensor) -> Tensor:
    """The labels as whole numbers of the network's classes. Raises ValueError."""
    with torch.no_grad():
        classes = function(inputs[:2]).shape[1]
    if classes < 2:
        raise UnmeasurableError(f"a cross-entropy needs at least two outputs, the network has {classes}")
    return checked_labels(labels, len(inputs), classes).to(inputs.device)


def losses(function: Measurable, inputs: Tensor, labels: Tensor, loss_scale: float) -> Tensor:
    """(points,)."""
    return cross_entropy(function(inputs), labels, loss_scale=loss_scale)


@contextmanager
def twice() -> Iterator[None]:
    """Inside, a network is differentiated twice. Raises UnmeasurableError where it cannot be.

    Attention is computed by its definition: torch's fused kernels have one derivative alone.
    """
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    except RuntimeError as error:
        if of_device(error):
            raise
        raise UnmeasurableError(f"the network cannot be differentiated twice: {error}") from None


def check_differentiable(value: Tensor) -> None:
    """Raises RuntimeError where a way down from the value ends in an operation that has one derivative alone.

    To `autograd.grad` such a way seems to lead nowhere, and it leaves its share out without a word.
    """
    waiting, known = [value.grad_fn], {None, value.grad_fn}
    while waiting:
        node = waiting.pop()
        if node is not None and "Error" in node.name():
            raise RuntimeError("an operation in it is marked as differentiable once")
        below = {each for each, _ in node.next_functions} - known if node is not None else set()
        known |= below
        waiting += below


class BatchLoss:
    """The mean loss of one batch, as a function of a network's weights."""

    def __init__(self, network: Weighted, inputs: Tensor, labels: Tensor, loss_scale: float) -> None:
        """Raises ValueError for labels that are not the network's classes."""
        self.network, self.inputs, self.scale = network, inputs.detach(), loss_scale
        self.labels = checked_classes(network.function, self.inputs, labels)
        self.parts = parts(network.function, len(inputs), self.inputs)

    def gradients(self) -> dict[str, Tensor]:
        """Weight -> g, the gradient by it."""
        return dict(zip(self.network.weights, self._added(map(self._gradients, self.parts)), strict=True))

    def gradients_and_products(self, vectors: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """g and H v, H being the Hessian by the weights, for each weight in their order, from one pass. Raises
        UnmeasurableError."""

        def both(part: slice) -> Sequence[Tensor]:
            gradients = self._gradients(part, graph=True)
            along = torch.stack([(g * v).sum() for g, v in zip(gradients, vectors, strict=True)]).sum()
            check_differentiable(along)
            return [*(each.detach() for each in gradients), *self._derivative(along)]

        with twice():
            added = self._added(both(part) for part in self.parts)
        return added[: len(vectors)], added[len(vectors) :]

    def _gradients(self, part: slice, *, graph: bool = False) -> Sequence[Tensor]:
        with torch.enable_grad():
            loss = losses(self.network.function, self.inputs[part], self.labels[part], self.scale)
            return self._derivative(loss.sum() / len(self.inputs), graph=graph)

    def _derivative(self, value: Tensor, *, graph: bool = False) -> Sequence[Tensor]:
        leaves = list(self.network.weights.values())
        if not value.requires_grad:
            raise UnmeasurableError("the loss has no derivative by the weights (does the network detach on the way?)")
        return torch.autograd.grad(value, leaves, create_graph=graph, allow_unused=True, materialize_grads=True)

    @staticmethod
    def _added(found: Iterable[Sequence[Tensor]]) -> list[Tensor]:
        """Sums over the parts, in the first one's memory."""
        sums = list[Tensor]()
        for tensors in found:
            if not sums:
                sums = [each.detach() for each in tensors]
                continue
            for total, each in zip(sums, tensors, strict=True):
                total.add_(each.detach())
        return sums


def checked_number(value: Tensor | float, what: str) -> float:
    """Raises UnmeasurableError for what is no finite number."""
    number = float(value)
    if not math.isfinite(number):
        raise UnmeasurableError(f"{what} is {number}: gradients are beyond the largest number of their type, or nan")
    return number
