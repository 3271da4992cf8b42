"""Walks from a batch in a random direction until a condition fails (sections E.1, E.3 of the NLC study).

In: batches of inputs, a direction per datapoint, a condition on the distance k. Out: the largest k that
held, and the median over many walks. A step of k = 1 has the length sqrt(d_in) Q_i S_x x(i), the radius
of the input distribution, so that k is relative to the size of the input space. The k form the
geometric series 1e-9, 1e-9 * 10^(1/10), ..., 1e9. All directions of a batch are walked in step, so that
memory holds a copy of the batch for each direction (on a GPU, about 10,000 moved datapoints at a time).
"""

import math
from collections.abc import Callable, Iterable

import torch

from distnlc.metrics.batches import Network, apart, gaussian
from distnlc.metrics.spread import input_moments

DISTANCES = tuple(10 ** (step / 10) for step in range(-90, 91))


def radius(inputs: torch.Tensor, *, batch_size: int) -> float:
    """Return sqrt(d_in) Q_i S_x x(i), the length of a step of k = 1."""
    return math.sqrt(inputs[0].numel()) * float(input_moments(inputs, batch_size=batch_size).spread)


def random_direction(batch: torch.Tensor, length: float, generator: torch.Generator) -> torch.Tensor:
    """Return a tensor shaped like `batch`, whose rows have uniformly random directions and that length."""
    direction = gaussian(batch.shape, generator, batch)
    rows = direction.flatten(1)
    return (rows * (length / torch.linalg.vector_norm(rows, dim=1, keepdim=True))).view_as(batch)


def outputs_at(k: float, network: Network, batches: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Return f(X + k U), (stack, directions, batch, d_out).

    Batches X have the shape (stack, batch, d_in...), directions U (stack, directions, batch, d_in...).
    """
    moved = torch.add(batches[:, None], directions, alpha=k)
    return apart(network, moved.flatten(0, 1)).unflatten(0, directions.shape[:2])


def largest_distance(holds: Callable[[float], torch.Tensor]) -> torch.Tensor:
    """Return, for each of several configurations, the median over its points of the largest k that held.

    `holds(k)` is asked for growing k and says for every configuration and point whether the condition
    holds, as booleans of shape (configurations, points). Each point's walk ends where the condition
    first fails: its value is the last k before, 0 if it failed at the first, and inf if it still held
    at the last. The shape of the result is (configurations,); the walk stops as soon as all these
    medians are settled.
    """
    alive = holds(DISTANCES[0])
    largest = torch.zeros(alive.shape, dtype=torch.float64, device=alive.device)
    largest.masked_fill_(alive, DISTANCES[0])
    settled = (alive.shape[1] + 1) // 2  # failed points that settle the (lower) median
    for k in DISTANCES[1:]:
        if bool(((~alive).sum(1) >= settled).all()):
            break
        alive = alive & holds(k)
        largest.masked_fill_(alive, k)
    else:
        largest.masked_fill_(alive, math.inf)
    return largest.median(dim=1).values


def median_of_walks(walks: Iterable[torch.Tensor], total: int) -> float:
    """Return the lower median of `total` values that come in tensors of one dimension.

    The values lie close together, mostly on three neighbouring k; so the median is often certain before
    the last walks, which are then left out.
    """
    known = torch.empty(0, dtype=torch.float64)
    place = (total - 1) // 2
    for values in walks:
        known = torch.cat([known, values.cpu()]).sort().values
        lowest_place = place - (total - len(known))  # of the median, if all that is missing lay below
        if lowest_place >= 0 and place < len(known) and known[lowest_place] == known[place]:
            break
    return float(known[place])
