"""The study's networks and their first numbers (section 3).

In: a part of the spec and a seed. Out: the description as `Layered`, the numbers as `Parameters`. Choices where the
text is silent: matrices behind a ReLU layer have sqrt(2) times the size of others, orthogonal ones and those of table 3
too; a sequence of autoregressive matrices begins in the lowest block, and the first matrix is a Gaussian one.
"""

import math

import numpy as np
import torch

from distnlc.networks import matrices
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import Parameters, orthogonal
from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.spec import derive_seed
from distnlc.studies.gradients.spec import SYSTEMS, Spec, check_widths, skip_ends, widths


def layered_of(part: Spec, d_in: int | None = None, d_out: int | None = None) -> Layered:
    """The description of a part's networks; without dimensions those of noise. Raises ValueError for widths that do not
    allow its matrices or skip connections."""
    inputs, outputs = d_in or part.dimension, d_out or part.dimension
    check_widths(part, inputs, outputs)
    sizes = widths(part, inputs, outputs)
    layers = uniform_layers(
        sizes[1:],
        activation=plain_activation(part.nonlinearity),
        bias=False,
        normalization=part.normalization,
        output_normalization=part.normalization,
    )
    skips = [
        Skip(start=start, end=end, matrix=part.skip == "gaussian" or sizes[start] != sizes[end])
        for start, end in skip_ends(part)
    ]
    return Layered(inputs, layers, tuple(skips))


def parameters_of(part: Spec, seed: int, layered: Layered | None = None) -> Parameters:
    """First numbers of a network, float64: weights by the part's `matrices`, and the skip connections' fixed matrices,
    Gaussian of variance 1 / columns or slices of orthogonal ones, from a stream of their own."""
    layered = layered or layered_of(part)
    generator, fixed = (np.random.default_rng(derive_seed(name, seed)) for name in ("weights", "skip matrices"))
    weights = _weights(part, layered, generator)
    if part.skip == "gaussian":
        carried = [matrices.standard(*shape, fixed) / math.sqrt(shape[1]) for shape in layered.matrix_shapes]
    else:
        carried = [orthogonal(*shape, fixed) for shape in layered.matrix_shapes]
    return Parameters(weights, [None] * layered.depth, carried)


def _weights(part: Spec, layered: Layered, generator: np.random.Generator) -> list[torch.Tensor]:
    """One matrix after another, the lowest first."""
    found, last = list[torch.Tensor](), layered.depth - 1
    chain: torch.Tensor | None = None
    for number, (d_out, d_in, _) in enumerate(layered.sizes):
        size = math.sqrt(2) if part.nonlinearity == "relu" and number > 0 else 1.0
        if part.matrices == "looks-linear":
            place: matrices.Place = "lowest" if number == 0 else "highest" if number == last else "intermediate"
            found.append(matrices.looks_linear(d_out, d_in, place, generator))
            continue
        if part.matrices == "orthogonal":
            found.append(orthogonal(d_out, d_in, generator) * size)
            continue
        if part.matrices == "skew-symmetric":
            drawn = matrices.skew_symmetric(d_out, generator)
        elif part.matrices == "negative-definite":
            drawn = matrices.negative_definite(d_out, generator)
        elif part.matrices == "autoregressive" and number > 0:
            drawn = chain = matrices.autoregressive(chain, d_out, generator)
        else:
            drawn = matrices.standard(d_out, d_in, generator)
        exactly = part.matrices in SYSTEMS or (part.skip != "none" and part.block_layers == 1)
        found.append(matrices.scaled(drawn, size) if exactly else drawn * (size / math.sqrt(d_in)))
    return found
