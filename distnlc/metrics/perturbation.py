"""The largest error-preserving perturbation (section E.3 and figure 3 E of the NLC study).

In: a trained network (batch, d_in...) -> (batch, classes), test inputs and their labels. Out: how far a
batch can be moved in random directions, in units of the size of the input space, before more than 5 %
of its datapoints have been misclassified on the way.
"""

from collections.abc import Iterator

import torch

from distnlc.metrics.batches import apart, random_batches, stack_size, stacks
from distnlc.metrics.measurable import Network, measurable, undisturbed
from distnlc.metrics.walk import (
    AtDistances,
    Distance,
    MedianOfWalks,
    Walks,
    distances,
    outputs_at,
    radius,
    random_direction,
    seen,
)


@undisturbed()
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

    def drawn() -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        for rows in random_batches(inputs, batch_size, batches, generator):
            directions = [random_direction(inputs[rows], length, generator) for _ in range(input_directions)]
            yield inputs[rows], labels[rows], torch.stack(directions)

    size = stack_size(inputs, batch_size, copies=input_directions)
    median = MedianOfWalks(batches * input_directions)
    for stack in stacks(drawn(), size):
        median.add(_perturbations(network, *stack))
        if median.certain:
            break
    return median.value


def _perturbations(
    network: Network, batches: torch.Tensor, labels: torch.Tensor, directions: torch.Tensor
) -> torch.Tensor:
    """The largest k of each walk, (walks,).

    Batches have the shape (stack, batch, d_in...), labels (stack, batch), directions (stack,
    input_directions, batch, d_in...).
    """
    labels = labels[:, None]
    right_at_start = apart(network, batches)[:, None].argmax(3) == labels
    right_so_far = right_at_start.expand(directions.shape[:3]).clone()

    walks = Walks(right_so_far.new_zeros(right_so_far.shape[:2].numel(), 1, dtype=torch.float64))

    def step(k: Distance) -> None:
        right_so_far.logical_and_(outputs_at(k, network, batches, directions).argmax(3) == labels)
        lost = right_at_start.sum(2) - right_so_far.sum(2)
        walks.step(k, (lost <= labels.shape[2] / 20).flatten()[:, None])

    step_to = AtDistances(step, network, batches)
    for number, k in enumerate(distances()):
        step_to(k)
        if seen(number, batches.device) and walks.settled:
            break
    return walks.medians()
