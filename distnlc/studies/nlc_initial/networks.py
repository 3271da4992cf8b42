"""The networks of tables 1 and 2, of He et al. and of the sine experiment; the exact NLC of one without activation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.networks.activations import make_activation, plain_activation
from distnlc.networks.architecture import Architecture
from distnlc.networks.initialization import Parameters, gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP


def orthogonal_network(activation: str, *, depth: int, width: int, d_in: int, d_out: int, seed: int) -> MLP:
    """A batch-norm network as the NLC study initializes it: orthogonal, zero biases, tau scaled to Q = 1, no skips."""
    sizes: dict[str, Any] = {"d_in": d_in, "d_out": d_out, "depth": depth, "width": width}
    return Architecture(index=0, seed=seed, **sizes, activation=activation, normalization="batch").build()


def gaussian_network(*, depth: int, width: int, d_in: int, d_out: int, seed: int) -> MLP:
    """A batch-norm ReLU network with independent Gaussian weights of variance 2 / fan-in and zero biases.

    Batch norm undoes the weights' scale, so only their independence tells this from `orthogonal_network`.
    """
    generator = np.random.default_rng(seed)
    widths = [*[width] * (depth - 1), d_out]
    layered = Layered(d_in, uniform_layers(widths, activation=make_activation("relu"), normalization="batch"))
    weights = [
        torch.from_numpy(generator.standard_normal((fan_out, fan_in))) * (2 / fan_in) ** 0.5
        for fan_out, fan_in, _ in layered.sizes
    ]
    return MLP(layered, Parameters(weights, [torch.zeros(each, dtype=torch.float64) for each in widths], []))


def he_network(*, depth: int, width: int, d_in: int, d_out: int, seed: int) -> MLP:
    """A plain ReLU network as He et al. initialize it: Gaussian weights of variance 2 / fan-in, zero biases.

    The expected squared Frobenius norm of its Jacobian is 2 d_out at every depth and width.
    """
    widths = [*[width] * (depth - 1), d_out]
    layered = Layered(d_in, uniform_layers(widths, activation=plain_activation("relu")))
    return MLP(layered, gaussian(layered, [2 / fan_in for _, fan_in, _ in layered.sizes], seed))


def sine_network(
    k: float, *, depth: int, width: int, d_in: int, d_out: int, seed: int, device: str = "cpu"
) -> Callable[[Tensor], Tensor]:
    """A network without normalization with tau(s) = 1 + sin(k s) / k, initialized as the NLC study's are."""
    sizes: dict[str, Any] = {"d_in": d_in, "d_out": d_out, "depth": depth, "width": width}
    plain = Architecture(index=0, seed=seed, **sizes, activation="relu").build().requires_grad_(False)
    *hidden, last = plain.to(device).linears

    def network(signal: Tensor) -> Tensor:
        for linear in hidden:
            signal = 1 + torch.sin(k * linear(signal)) / k
        outputs: Tensor = last(signal)
        return outputs

    return network


def nlc_without_activation(network: MLP, covariance: Tensor) -> float:
    """The NLC of a depth-2 batch-norm network if its activation function were the identity: of a linear map, exactly.

    `covariance` (d_in, d_in) is the inputs'; batch norm divides by the standard deviation over all of them.
    """
    first, last = (value.detach() for value in network.parameters() if value.ndim == 2)  # not the biases
    deviations = ((first @ covariance) * first).sum(1).sqrt()
    matrix = (last / deviations) @ first
    variance = ((matrix @ covariance) * matrix).sum()
    return float((matrix.square().sum() * covariance.trace() / (len(covariance) * variance)).sqrt())


def gaussian_inputs(points: int, d_in: int, seed: int) -> Tensor:
    """Isotropic unit Gaussian inputs (points, d_in), float64."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((points, d_in)))
