"""Initial numbers of fully-connected networks, in float64 on the CPU wherever they are trained later.

`initialize` is the NLC study's orthogonal initialization (section C, "linear operation"), `gaussian` the independent
Gaussian weights of the other studies. Biases begin at zero there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from distnlc.networks.layered import Layered
from distnlc.spec import derive_seed


@dataclass(frozen=True)
class Parameters:
    """One network's numbers at initialization."""

    weights: list[Tensor]
    """one (d_out, d_in) matrix per linear operation"""
    biases: list[Tensor | None]
    """one (d_out,) vector per linear operation; None where it has none"""
    matrices: list[Tensor]
    """the fixed matrix of each skip connection that has one, in their order"""


def orthogonal(d_out: int, d_in: int, generator: np.random.Generator) -> Tensor:
    """A `d_out x d_in` slice of a uniformly random `max x max` orthogonal matrix, times `max(1, sqrt(d_out/d_in))`.

    The orthonormal columns of a tall Gaussian's QR factorization, with the signs that make it unique, have the
    distribution of such a slice.
    """
    tall = torch.from_numpy(generator.standard_normal((max(d_out, d_in), min(d_out, d_in))))
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    return (q if d_out >= d_in else q.T).contiguous() * max(1.0, math.sqrt(d_out / d_in))


def initialize(
    widths: Sequence[int], *, seed: int, bias_variance: float, initial_scale: float, projected: bool
) -> Parameters:
    """Draws the parameters of a network with layer widths `d_in, width, ..., width, d_out`.

    With biases the weights are scaled by `sqrt(1 - bias_variance)`, so that the output of a linear operation
    keeps the scale of its input; `initial_scale` then multiplies everything but the skip projection.
    """
    generator = np.random.default_rng(derive_seed("parameters", seed))
    weights, biases = list[Tensor](), list[Tensor | None]()
    for d_in, d_out in pairwise(widths):
        weights.append(orthogonal(d_out, d_in, generator) * (math.sqrt(1 - bias_variance) * initial_scale))
        bias = torch.from_numpy(generator.standard_normal(d_out))
        biases.append(bias * (math.sqrt(bias_variance) * initial_scale))
    matrices = [orthogonal(widths[-1], widths[-2], generator)] if projected else []
    return Parameters(weights, biases, matrices)


def gaussian(layered: Layered, variances: Sequence[float], seed: int) -> Parameters:
    """Independent weights N(0, variance), one variance per layer; zero biases; fixed matrices of variance 1 / columns.

    The fixed matrices have a random stream of their own, so that a network with them has the weights of one without.
    """
    generator, fixed = (np.random.default_rng(derive_seed(name, seed)) for name in ("weights", "skip matrices"))
    weights, biases = list[Tensor](), list[Tensor | None]()
    for (d_out, d_in, bias), variance in zip(layered.sizes, variances, strict=True):
        weights.append(torch.from_numpy(generator.standard_normal((d_out, d_in))) * math.sqrt(variance))
        biases.append(torch.zeros(d_out, dtype=torch.float64) if bias else None)
    shapes = layered.matrix_shapes
    return Parameters(weights, biases, [torch.from_numpy(fixed.standard_normal(s)) / math.sqrt(s[1]) for s in shapes])
