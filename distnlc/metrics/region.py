"""The relative diameter of the linearly approximable region (section E.1 and figure 1 of the NLC study).

In: a network and the inputs of the dataset. Out: how far one can go from a datapoint in a random
direction, in units of the size of the input space, while the Jacobian still predicts the output's
change to a factor of 2. The network propagates the whole batch jointly, so that batch statistics need
no code of their own.
"""

import torch

from distnlc.metrics.batches import Network, gaussian, measurable, random_batches
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.walk import largest_distance, radius, random_direction


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
    means that even k = 1e-9 failed, inf that k = 1e9 still held: linear networks, and networks where
    most datapoints are dead, for a change of 0 that was predicted as 0 holds. Use float64: in float32
    the change at the first k drowns in rounding, and the result is 0. Raises ValueError for inputs or
    outputs of a wrong shape and for numbers that are not positive.
    """
    if input_directions < 1 or output_directions < 1:
        raise ValueError(
            "relative_diameter: input_directions and output_directions must be at least 1, "
            f"found {input_directions} and {output_directions}"
        )
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    length = radius(inputs, batch_size=batch_size)
    values = []
    for rows in random_batches(inputs, batch_size, batches, generator):
        for _ in range(input_directions):
            direction = random_direction(inputs[rows], length, generator)
            values.append(_diameters(network, inputs[rows], direction, output_directions, generator))
    return float(torch.cat(values).median())


def _diameters(
    network: Network,
    batch: torch.Tensor,
    direction: torch.Tensor,
    output_directions: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """The largest k of one batch and input direction for each output direction, (output_directions,)."""
    outputs, push_forward, _ = linearize(network, batch)
    projections = gaussian(torch.Size([output_directions, *outputs.shape]), generator, outputs)
    predicted_at_1 = (projections * push_forward(direction)).sum(2)

    def holds(k: float) -> torch.Tensor:
        actual = (projections * (network(batch + k * direction) - outputs)).sum(2)
        predicted = k * predicted_at_1
        low, high = torch.minimum(actual / 2, actual * 2), torch.maximum(actual / 2, actual * 2)
        return (low <= predicted) & (predicted <= high)

    return largest_distance(holds)
