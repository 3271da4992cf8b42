"""The relative diameter of the linearly approximable region (section E.1 and figure 1 of the NLC study).

In: a network and the inputs of the dataset. Out: how far one can go from a datapoint in a random
direction, in units of the size of the input space, while the Jacobian still predicts the output's
change to a factor of 2. The network propagates the whole batch jointly, so that batch statistics need
no code of their own.
"""

from collections.abc import Iterator
from functools import partial

import torch

from distnlc.metrics.batches import (
    Network,
    apart,
    example_outputs,
    gaussian,
    measurable,
    random_batches,
    stack_size,
    stacks,
)
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.walk import largest_distance, median_of_walks, outputs_at, radius, random_direction


@torch.no_grad()
def relative_diameter(
    network: Network,
    inputs: torch.Tensor,
    *,
    batch_size: int = 250,
    batches: int = 10,
    input_directions: int = 10,
    output_directions: int = 10,
    seed: int = 0,
) -> float:
    """Return the median over batches, input directions and output directions of the largest k.

    A configuration's k is the median over the datapoints of its batch; medians are lower medians. 0
    means that even k = 1e-9 failed, inf that k = 1e9 still held: for linear networks, and for networks
    where most datapoints are dead, since a change of 0 that was predicted as 0 counts as predicted. Use
    float64: in float32 the change at the first k drowns in rounding, and the result is 0. Raises
    ValueError for inputs or outputs of a wrong shape and for numbers that are not positive.
    """
    if input_directions < 1 or output_directions < 1:
        raise ValueError(
            "relative_diameter: input_directions and output_directions must be at least 1, "
            f"found {input_directions} and {output_directions}"
        )
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    length = radius(inputs, batch_size=batch_size)
    example = example_outputs(network, inputs, batch_size)

    def drawn() -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        for rows in random_batches(inputs, batch_size, batches, generator):
            directions, projections = [], []
            for _ in range(input_directions):
                directions.append(random_direction(inputs[rows], length, generator))
                projections.append(gaussian(torch.Size([output_directions, *example.shape]), generator, example))
            yield inputs[rows], torch.stack(directions), torch.stack(projections)

    size = stack_size(inputs, batch_size, copies=input_directions)
    walks = (_diameters(network, *stack) for stack in stacks(drawn(), size))
    return median_of_walks(walks, batches * input_directions * output_directions)


def _diameters(
    network: Network, batches: torch.Tensor, directions: torch.Tensor, projections: torch.Tensor
) -> torch.Tensor:
    """The largest k of each configuration, (configurations,).

    Batches have the shape (stack, batch, d_in...), directions (stack, input_directions, batch, d_in...),
    projections (stack, input_directions, output_directions, batch, d_out).
    """
    outputs = apart(network, batches)[:, None]
    predicted = _projected(_predicted_change(network, batches, directions), projections)
    projections = projections * torch.where(predicted < 0, -1, 1)[..., None]  # all predictions become positive
    predicted = predicted.abs()

    def holds(k: float) -> torch.Tensor:
        actual = _projected(outputs_at(k, network, batches, directions) - outputs, projections)
        return ((actual <= 2 * k * predicted) & (k * predicted <= 2 * actual)).flatten(0, 2)

    return largest_distance(holds)


def _predicted_change(network: Network, batches: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """J(X) U, (stack, input_directions, batch, d_out)."""
    _, push_forward, _ = linearize(partial(apart, network), batches)
    return torch.stack([push_forward(direction) for direction in directions.unbind(1)], 1)


def _projected(change: torch.Tensor, projections: torch.Tensor) -> torch.Tensor:
    """The products of each datapoint's d_out numbers: (stack, input_directions, output_directions, batch)."""
    return torch.einsum("sdbo,sdvbo->sdvb", change, projections)
