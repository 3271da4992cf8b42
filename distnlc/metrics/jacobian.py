"""The Jacobian of a batch as a linear map, in both directions.

In: a network and a batch X (batch, d_in...). Out: f(X), the map that pushes a change of inputs forward
to the change of outputs J(X) v, and the one that pulls output vectors back to u J(X). J is that of the
whole batch. Both come from one graph by backpropagation alone (J v is the derivative of u J v with
respect to u), so that any network will do that autograd can differentiate twice. Forward differentiation would start
more kernels, and compiles scripts first.
"""

from collections.abc import Callable
from functools import partial

import torch

from distnlc.metrics.batches import apart, in_one_piece
from distnlc.metrics.measurable import Network

LinearMap = Callable[[torch.Tensor], torch.Tensor]


@torch.enable_grad()
def linearize(network: Network, batch: torch.Tensor) -> tuple[torch.Tensor, LinearMap, LinearMap]:
    """Return (f(X), push forward, pull back); tensors shaped like the batch and like the outputs."""
    batch = batch.detach().requires_grad_()
    outputs = network(batch)
    dummy = torch.zeros_like(outputs).requires_grad_()
    (pulled,) = torch.autograd.grad(outputs, batch, dummy, create_graph=True)

    def push_forward(change: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(pulled, dummy, change, retain_graph=True)[0]

    def pull_back(vectors: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(outputs, batch, vectors, retain_graph=True)[0]

    return outputs.detach(), push_forward, pull_back


def linearize_apart(network: Network, batches: torch.Tensor) -> tuple[LinearMap, LinearMap]:
    """Return (push forward, pull back) of every batch of a stack (stack, batch, d_in...) by itself.

    On a GPU those of a layered network make a graph of their own in each call, so that the call can be captured.
    """
    function = partial(apart, network)
    if not in_one_piece(network, batches):
        _, *maps = linearize(function, batches)
        return maps[0], maps[1]

    def push_forward(change: torch.Tensor) -> torch.Tensor:
        return linearize(function, batches)[1](change)

    @torch.enable_grad()
    def pull_back(vectors: torch.Tensor) -> torch.Tensor:
        points = batches.detach().requires_grad_()
        return torch.autograd.grad(function(points), points, vectors)[0]

    return push_forward, pull_back
