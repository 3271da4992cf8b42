"""What `distnlc measure` shows of a network's gradient: one number for each quantity of gradient_scale.md.

In: a network, inputs (points, d_in...) and a seed. Out: numbers of one random batch. The error is that of the study's
noise networks: the outputs' product with independent Gaussian labels, so that no labels of the user's are needed. The
top is the last activation function in order of execution.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from distnlc.metrics.batches import gaussian, random_batches
from distnlc.metrics.gradient_scale import gradient_growth, gradient_scale
from distnlc.metrics.measurable import Network
from distnlc.metrics.preactivation_spread import preactivation_spread
from distnlc.spec import derive_seed


class GradientSummary(NamedTuple):
    """Fields are None where a network has no such number."""

    gradient_scale: float
    """at the input"""
    gradient_growth: float | None
    """from layer to layer; None for a callable that is no module, whose layers are not seen"""
    preactivation_spread: float | None
    """at the top; None for a network without activation functions of torch's"""
    sign_diversity: float | None
    """at the top, likewise"""


def gradient_summary(network: Network, inputs: Tensor, *, batch_size: int, seed: int) -> GradientSummary:
    """Return these of one random batch. Raises ValueError for a network that cannot be measured."""
    random = torch.Generator().manual_seed(derive_seed("metrics", seed, "gradient scale"))
    (rows,) = random_batches(inputs, batch_size, 1, random)
    batch = inputs[rows]

    def noise_error(outputs: Tensor) -> Tensor:
        labels = gaussian(outputs.shape, random, outputs) / math.sqrt(outputs[0].numel())
        return (labels * outputs).flatten(1).sum(1) if outputs.ndim > 1 else labels * outputs

    scales = gradient_scale(network, batch, noise_error)
    growth = gradient_growth(scales).rate if isinstance(network, nn.Module) else None
    spreads = preactivation_spread(network, batch)
    top = (spreads[-1].std, spreads[-1].sign_diversity) if spreads else (None, None)
    return GradientSummary(scales[0].gsc, growth, *top)
