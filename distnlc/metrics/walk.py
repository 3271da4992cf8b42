"""Walks from a batch in a random direction until a condition fails (sections E.1, E.3 of the NLC study).

In: a batch of inputs, a direction per datapoint, a condition on the distance k. Out: the largest k that
held. A step of k = 1 has the length sqrt(d_in) Q_i S_x x(i), the radius of the input distribution, so
that k is relative to the size of the input space. The k form the geometric series 1e-9, 1e-9 *
10^(1/10), ..., 1e9.
"""

import math
from collections.abc import Callable

import torch

from distnlc.metrics.batches import gaussian
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
    largest[alive] = DISTANCES[0]
    settled = (alive.shape[1] + 1) // 2  # failed points that settle the (lower) median
    for k in DISTANCES[1:]:
        if bool(((~alive).sum(1) >= settled).all()):
            break
        alive = alive & holds(k)
        largest[alive] = k
    else:
        largest[alive] = math.inf
    return largest.median(dim=1).values
