"""Small layered networks whose gradients are measured: vanilla and residual, at initialization and moved."""

import numpy as np
import torch
from torch import Tensor

from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import Parameters, gaussian
from distnlc.networks.layered import Layer, Layered, Skip


def vanilla(
    depth: int, *, width: int = 6, d_in: int = 6, d_out: int = 4, normalization: str = "layer", activation: str = "tanh"
) -> Layered:
    """Linear, normalization, activation; no activation behind the last."""
    hidden = Layer(width=width, bias=False, normalization=normalization, activation=plain_activation(activation))
    last = Layer(width=d_out, bias=False, normalization=normalization)
    return Layered(d_in, (hidden,) * (depth - 1) + (last,))


def residual(
    blocks: int,
    *,
    width: int = 6,
    normalization: str = "layer",
    activation: str = "tanh",
    begins_after: str = "linear",
) -> Layered:
    """The first linear layer, blocks of two, and a last skip connection with a matrix."""
    plain = vanilla(2 * blocks + 1, width=width, normalization=normalization, activation=activation)
    skips = [
        Skip(start=2 * block + 1, end=2 * block + 3, begins_after=begins_after, matrix=block == blocks - 1)
        for block in range(blocks)
    ]
    return Layered(plain.d_in, plain.layers, tuple(skips))


def numbers(network: Layered, seed: int = 0) -> Parameters:
    return gaussian(network, [1 / d_in for _, d_in, _ in network.sizes], seed)


def moved(weights: list[Tensor], size: float, seed: int = 1) -> list[Tensor]:
    """The weights, each changed by a Gaussian matrix of `size` times its own scale."""
    generator = np.random.default_rng(seed)
    changes = [torch.from_numpy(generator.standard_normal(tuple(weight.shape))) for weight in weights]
    return [weight + size * weight.std() * change for weight, change in zip(weights, changes, strict=True)]


def batch(network: Layered, points: int, seed: int = 2) -> tuple[Tensor, Tensor]:
    """Inputs (points, d_in) and labels (points,)."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(network.d_out, size=points)
    return torch.from_numpy(generator.standard_normal((points, network.d_in))), torch.from_numpy(labels)
