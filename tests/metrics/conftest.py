"""Small networks for the metrics' tests, in float64, from seeds of their own."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import nn


class BatchNorm(nn.Module):
    """Batch statistics without parameters: the datapoints of a batch influence each other."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return (batch - batch.mean(0)) / (batch.var(0, unbiased=False) + 1e-5).sqrt()


def random_mlp(
    widths: list[int], *, seed: int, gain: float = 1.0, batch_norm: bool = False, activation: type = nn.Tanh
) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for d_in, d_out in itertools.pairwise(widths):
        linear = nn.utils.skip_init(nn.Linear, d_in, d_out, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.normal_(0, gain / d_in**0.5, generator=generator)
            linear.bias.normal_(0, 0.1, generator=generator)
        layers += [linear, *([BatchNorm()] if batch_norm else []), activation()]
    return nn.Sequential(*layers[: -(1 + batch_norm)])  # the last layer has only the linear operation


def random_tensor(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def mlp() -> Callable[..., nn.Sequential]:
    return random_mlp


@pytest.fixture
def normal() -> Callable[..., torch.Tensor]:
    return random_tensor
