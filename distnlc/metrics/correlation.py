"""Correlation preservation: how a network changes the angle between two inputs.

In: a network and the inputs of the dataset. Out: the mean cosine of random pairs of inputs and the mean
cosine of their outputs. A network that maps all inputs to nearly parallel outputs has an output cosine
of nearly 1.
"""

import torch
from torch.nn.functional import normalize

from distnlc.metrics.batches import Network, checked_batch_size, measurable, random_batches


@torch.no_grad()
def correlation_preservation(
    network: Network, inputs: torch.Tensor, *, pairs: int = 1000, batch_size: int = 250, seed: int = 0
) -> tuple[float, float]:
    """Return (mean cosine of input pairs, mean cosine of output pairs).

    Pairs are different datapoints of one random batch, which is propagated jointly; a vector of zeros
    counts as perpendicular to all. Raises ValueError if there are no two datapoints and for numbers
    that are not positive.
    """
    size = checked_batch_size(inputs, batch_size)
    if pairs < 1 or size < 2:
        raise ValueError(
            "correlation_preservation: expected at least 1 pair, and batches of at least 2 datapoints, "
            f"found {pairs} pairs and batches of {size}"
        )
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    batches = -(-pairs // (size // 2))
    before, after = [], []
    for rows in random_batches(inputs, batch_size, batches, generator):
        before.append(_cosines(inputs[rows].flatten(1)))
        after.append(_cosines(network(inputs[rows])))
    return float(torch.cat(before)[:pairs].mean()), float(torch.cat(after)[:pairs].mean())


def _cosines(vectors: torch.Tensor) -> torch.Tensor:
    """The cosine of rows 0 and 1, of rows 2 and 3, and so on."""
    units = normalize(vectors.double(), dim=1, eps=torch.finfo(torch.float64).tiny)
    half = len(units) // 2
    return (units[0 : 2 * half : 2] * units[1 : 2 * half : 2]).sum(1)
