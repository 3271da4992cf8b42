"""A local Lipschitz estimate: the largest singular value of a batch's Jacobian, by power iteration.

In: a network and the inputs of the dataset. Out: its quadratic mean over random batches. The Jacobian is that of the
whole batch. Where datapoints are independent it consists of their own, and its largest singular value is the largest of
theirs: each then has an iteration of its own, all in parallel, which takes fewer steps than one of all together.
"""

import torch

from distnlc.metrics.batches import (
    checked_batch_size,
    couples,
    gaussian,
    random_batches,
    repeated,
    stack_size,
    stacks,
)
from distnlc.metrics.jacobian import linearize_apart
from distnlc.metrics.measurable import Network, measurable, undisturbed


@undisturbed()
@torch.no_grad()
def local_lipschitz(
    network: Network,
    inputs: torch.Tensor,
    *,
    batch_size: int = 250,
    batches: int = 10,
    iterations: int = 20,
    seed: int = 0,
) -> float:
    """Return the estimate, a lower bound that grows with `iterations`; each costs three backward passes.

    Raises ValueError for inputs or outputs of a wrong shape and for numbers that are not positive.
    """
    if iterations < 1:
        raise ValueError(f"local_lipschitz: iterations must be at least 1, found {iterations}")
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    coupled = couples(network, inputs[: checked_batch_size(inputs, batch_size)])
    drawn = (
        (inputs[rows], gaussian(inputs[rows].shape, generator, inputs))
        for rows in random_batches(inputs, batch_size, batches, generator)
    )
    values = [
        _singular_values(network, batch, start, iterations, coupled)
        for batch, start in stacks(drawn, stack_size(inputs, batch_size))
    ]
    return float(torch.cat(values).double().square().mean().sqrt())


def _singular_values(
    network: Network, batches: torch.Tensor, start: torch.Tensor, iterations: int, coupled: bool
) -> torch.Tensor:
    """The largest singular value of each batch's Jacobian, (stack,).

    Batches and start have the shape (stack, batch, d_in...).
    """
    push_forward, pull_back = linearize_apart(network, batches)
    vector, values = _normalized(start, coupled)

    def iterate() -> None:
        image, _ = _normalized(push_forward(vector), coupled)
        pulled, lengths = _normalized(pull_back(image), coupled)
        vector.copy_(pulled)
        values.copy_(lengths)

    iteration = repeated(network, batches)
    for _ in range(iterations):
        iteration(iterate)
    return values.flatten(1).amax(1)


def _normalized(tensor: torch.Tensor, coupled: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The tensor with rows (or whole batches, if coupled) of length 1, and the lengths; zeros stay zeros."""
    dims = tuple(range(1 if coupled else 2, tensor.ndim))
    lengths = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)
    return tensor / lengths.clamp(min=torch.finfo(tensor.dtype).tiny), lengths
