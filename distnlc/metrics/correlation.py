"""Correlation preservation: whether inputs that are alike become outputs that are alike (section 6 of the NLC study).

In: a network and the inputs of the dataset. Out: `Cosines`, over all pairs of datapoints of a few batches. **Reading**:
it is a property of pairs, the correlation of the cosine of two inputs with the cosine of their outputs. The difference
of the two mean cosines would say nothing: inputs of mean 0 have a mean cosine near 0, and a network that sends every
pair to 0 too, and so has destroyed all it knew of them, would seem to have preserved it.
"""

import math
from typing import NamedTuple

import torch
from torch.nn.functional import normalize, pdist

from distnlc.metrics.batches import checked_batch_size, passed, random_batches, stack_size, stacks
from distnlc.metrics.measurable import Network, measurable, undisturbed

MOST_POINTS = 1_000
"""of a batch, whose pairs are compared: their number is the square of this"""
RESOLVED = 1e3
"""times the spacing of floating-point numbers: directions that differ by less are told apart by rounding alone"""


class Cosines(NamedTuple):
    """What a network makes of the cosines between pairs of inputs."""

    inputs: float
    """mean cosine of two inputs"""
    outputs: float
    """mean cosine of their outputs"""
    correlation: float
    """of the one with the other, over pairs; nan where one of them does not vary by more than rounding"""


@undisturbed()
@torch.no_grad()
def correlation_preservation(
    network: Network, inputs: torch.Tensor, *, batches: int = 4, batch_size: int = 250, seed: int = 0
) -> Cosines:
    """Return the cosines of all pairs of datapoints within random batches, each propagated jointly.

    A vector of zeros counts as perpendicular to all. Raises ValueError if batches have fewer than three datapoints and
    for numbers that are not positive.
    """
    size = checked_batch_size(inputs, batch_size)
    if size < 3:
        raise ValueError(f"correlation_preservation: expected batches of at least 3 datapoints, found {size}")
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    before, after = [], []
    drawn = ((inputs[rows],) for rows in random_batches(inputs, batch_size, batches, generator))
    for (stack,) in stacks(drawn, stack_size(inputs, batch_size)):
        outputs = passed(network, stack)
        before += [_distances(batch[:MOST_POINTS].flatten(1)) for batch in stack]
        after += [_distances(batch[:MOST_POINTS]) for batch in outputs]
    spacing = torch.finfo(outputs.dtype).eps
    return _cosines(torch.cat(before), torch.cat(after), spacing)


def _distances(vectors: torch.Tensor) -> torch.Tensor:
    """|u - v|^2 = 2 (1 - cos) of the directions u, v of all pairs of rows; small angles keep all their digits."""
    vectors = vectors.double()
    vectors = vectors / vectors.abs().amax(1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    zero = (vectors == 0).all(1)
    distances = pdist(normalize(vectors, dim=1, eps=torch.finfo(torch.float64).tiny)).square()
    first, second = torch.triu_indices(len(vectors), len(vectors), 1, device=vectors.device)
    return distances.masked_fill(zero[first] | zero[second], 2.0)


def _cosines(before: torch.Tensor, after: torch.Tensor, spacing: float) -> Cosines:
    means = float(1 - before.mean() / 2), float(1 - after.mean() / 2)
    if not (_varies(before, spacing) and _varies(after, spacing)):
        return Cosines(*means, math.nan)
    together = torch.corrcoef(torch.stack([before, after]))[0, 1]
    return Cosines(*means, float(together))


def _varies(distances: torch.Tensor, spacing: float) -> bool:
    """Whether directions differ, and some more than others, by more than rounding."""
    differ = float(distances.mean().sqrt()) > RESOLVED * spacing
    return differ and float(distances.std()) > RESOLVED * spacing * float(distances.mean())
