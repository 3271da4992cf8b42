"""The largest error-preserving perturbation (section E.3 and figure 3 E of the NLC study).

In: a trained network (batch, d_in...) -> (batch, classes), test inputs and their labels. Out: how far a
batch can be moved in random directions, in units of the size of the input space, before more than 5 %
of its datapoints have been misclassified on the way.
"""

import torch

from distnlc.metrics.batches import Network, measurable, random_batches
from distnlc.metrics.walk import largest_distance, radius, random_direction


@torch.no_grad()
def error_preserving_perturbation(
    network: Network,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    batch_size: int = 250,
    batches: int = 10,
    input_directions: int = 10,
    seed: int = 0,
) -> float:
    """Return the median over batches and input directions of the largest k (the lower median).

    `labels` are class numbers of shape (points,). k holds while the error over the path is at most 0.05
    above the batch's error; over the path, a datapoint is right if it was right at the start and at
    every step so far. 0 means that even k = 1e-9 failed, inf that k = 1e9 held. Raises ValueError for
    inputs, labels or outputs of a wrong shape and numbers that are not positive.
    """
    if labels.shape != inputs.shape[:1]:
        raise ValueError(
            f"error_preserving_perturbation: labels must have the shape ({len(inputs)},), one per input, "
            f"found {tuple(labels.shape)}"
        )
    if input_directions < 1:
        raise ValueError(
            f"error_preserving_perturbation: input_directions must be at least 1, found {input_directions}"
        )
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    length = radius(inputs, batch_size=batch_size)
    values = []
    for rows in random_batches(inputs, batch_size, batches, generator):
        for _ in range(input_directions):
            direction = random_direction(inputs[rows], length, generator)
            values.append(_perturbation(network, inputs[rows], labels[rows], direction))
    return float(torch.cat(values).median())


def _perturbation(network: Network, batch: torch.Tensor, labels: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """The largest k of one batch and direction, of shape (1,)."""
    right_at_start = network(batch).argmax(1) == labels
    right_so_far = right_at_start.clone()

    def holds(k: float) -> torch.Tensor:
        right_so_far.logical_and_(network(batch + k * direction).argmax(1) == labels)
        lost = right_at_start.sum() - right_so_far.sum()
        return (lost <= len(labels) / 20).reshape(1, 1)

    return largest_distance(holds)
