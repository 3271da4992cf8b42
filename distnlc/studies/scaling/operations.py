"""Which operations keep the scaling factor s (the paper's table 1; additions A1, A3, A5, A6), measured one by one.

In: an operation's name and a seed. Out: s of its input over s of its output, and s of its weights over s of its output,
as means over draws with standard errors. In each draw inputs are independent N(0, 1) (or what the name says of them),
the gradient at the output independent N(0, 1), weights N(0, 1 / fan-in); s is that of one datapoint. Choices where the
text is silent: images of 16 channels and 16 x 16 pixels; a residual branch is a linear map with E[R^2] = E[x^2] / 2;
dropout drops without the factor of frameworks; batch norm has 64 points, and its statistics are differentiated.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import Task

CHANNELS, SIZE = 16, 16
LINE, LINEAR = (CHANNELS, 64), (300,)
"""shapes of a datapoint of a 1-D convolution and of a linear layer"""
IMAGE = (CHANNELS, SIZE, SIZE)
OUTPUTS, LINEAR_OUTPUTS = 24, 200
EPS = 1e-12
"""of norms: torch takes no 0"""
Made = tuple[Callable[[Tensor], Tensor], Tensor | None]
"""an operation and its weights"""


@dataclass(frozen=True)
class Operation:
    """One row of the table."""

    make: Callable[[Generator], Made]
    shape: tuple[int, ...] = IMAGE
    deviation: float = 1.0
    mean: float = 0.0
    rectified: bool = False
    """whether it acts on a ReLU's output"""
    batch: int | None = None
    """datapoints; None: those of the spec"""


def _normal(shape: tuple[int, ...], random: Generator) -> Tensor:
    return torch.randn(shape, generator=random, dtype=torch.float64)


def _plain(function: Callable[[Tensor], Tensor]) -> Operation:
    """An operation without weights and chance."""
    return Operation(lambda _: (function, None))


def _weighted(apply: Callable[..., Tensor], shape: tuple[int, ...], fan_in: int, **options: Any) -> Operation:
    """One that is linear in weights of a shape."""

    def make(random: Generator) -> Made:
        weights = (_normal(shape, random) / math.sqrt(fan_in)).requires_grad_()
        return lambda signal: apply(signal, weights, **options), weights

    return Operation(make)


def _conv(*kernel: int, outputs: int = OUTPUTS, groups: int = 1, **options: Any) -> Operation:
    inputs = CHANNELS // groups
    apply: Callable[..., Tensor] = F.conv1d if len(kernel) == 1 else F.conv2d
    return _weighted(apply, (outputs, inputs, *kernel), inputs * math.prod(kernel), groups=groups, **options)


def _transposed(kernel: int, **options: Any) -> Operation:
    return _weighted(F.conv_transpose2d, (CHANNELS, OUTPUTS, kernel, kernel), CHANNELS * kernel**2, **options)


def _dropout(random: Generator) -> Made:
    def drop(signal: Tensor) -> Tensor:
        return signal * (torch.rand(signal.shape, generator=random, dtype=signal.dtype) >= 0.3)

    return drop, None


def _residual(random: Generator) -> Made:
    branch = _normal((CHANNELS, CHANNELS, 1, 1), random) / math.sqrt(2 * CHANNELS)
    return lambda signal: signal + F.conv2d(signal, branch), None


def _batch_norm(signal: Tensor) -> Tensor:
    return F.batch_norm(signal, None, None, training=True, eps=EPS)


def _layer_norm(signal: Tensor) -> Tensor:
    return F.layer_norm(signal, signal.shape[1:], eps=EPS)


ROWS: Mapping[str, Operation] = {
    "linear": replace(_weighted(F.linear, (LINEAR_OUTPUTS, *LINEAR), LINEAR[0]), shape=LINEAR),
    "conv 3x3": _conv(3, 3),
    "conv 3x3, padding 1": _conv(3, 3, padding=1),
    "conv 3x3, stride 3": _conv(3, 3, stride=3),
    "conv 5x5, stride 2": _conv(5, 5, stride=2),
    "conv 11x11, stride 4, padding 5": _conv(11, 11, stride=4, padding=5),
    "conv 1x1, stride 2": _conv(1, 1, stride=2),
    "conv 3x3, 4 groups": _conv(3, 3, groups=4),
    "conv 3x3, depthwise": _conv(3, 3, outputs=CHANNELS, groups=CHANNELS),
    "conv 3x3, dilation 2": _conv(3, 3, dilation=2),
    "conv 3x5": _conv(3, 5),
    "conv 1-D, 5, stride 2": replace(_conv(5, stride=2), shape=LINE),
    "transposed conv 4x4, stride 2, padding 1": _transposed(4, stride=2, padding=1),
    "transposed conv 2x2, stride 2": _transposed(2, stride=2),
    "ReLU": _plain(F.relu),
    "leaky ReLU 0.2": _plain(lambda signal: F.leaky_relu(signal, 0.2)),
    "dropout 0.3": Operation(_dropout),
    "scalar": _plain(lambda signal: 1.7 * signal),
    "residual": Operation(_residual),
    "average pool 2x2": _plain(lambda signal: F.avg_pool2d(signal, 2)),
    "average pool 2x2 of a ReLU": replace(_plain(lambda signal: F.avg_pool2d(signal, 2)), rectified=True),
    "average pool 8x8 of a ReLU": replace(_plain(lambda signal: F.avg_pool2d(signal, 8)), rectified=True),
    "max pool 2x2": _plain(lambda signal: F.max_pool2d(signal, 2)),
    "max pool 2x2 of a ReLU": replace(_plain(lambda signal: F.max_pool2d(signal, 2)), rectified=True),
    "sigmoid": _plain(torch.sigmoid),
    "tanh": _plain(torch.tanh),
    "tanh of deviation 0.1": replace(_plain(torch.tanh), deviation=0.1),
    "GELU": _plain(F.gelu),
    "SiLU": _plain(F.silu),
    "ELU": _plain(F.elu),
    "absolute value": _plain(torch.abs),
    "ReLU of a ReLU": replace(_plain(F.relu), rectified=True),
    "ReLU of mean 1": replace(_plain(F.relu), mean=1.0),
    "layer norm": _plain(_layer_norm),
    "batch norm, 64 points": replace(_plain(_batch_norm), batch=64),
}


def operation_unit(part: Spec, task: Task, seed: int) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The columns of an operation's row; no other table."""
    group = part.operations
    return measure(ROWS[task.operation or ""], group.draws, group.batch, seed), {}


def measure(row: Operation, draws: int, batch: int, seed: int) -> dict[str, float | None]:
    """kept = s(x) / s(y) and kept_weights = s(W) / s(y), means over draws, with standard errors (None for one draw)."""
    random = torch.Generator().manual_seed(seed)
    kept, weights = zip(*(_draw(row, row.batch or batch, random) for _ in range(draws)), strict=True)
    return _mean("kept", kept) | ({} if weights[0] is None else _mean("kept_weights", weights))


def _mean(name: str, values: tuple[float, ...]) -> dict[str, float | None]:
    found = torch.tensor(values, dtype=torch.float64)
    error = float(found.std()) / math.sqrt(len(values)) if len(values) > 1 else None
    return {name: float(found.mean()), f"{name}_error": error}


def _draw(row: Operation, batch: int, random: Generator) -> tuple[float, float | None]:
    """(s(x) / s(y), s(W) / s(y)) of one draw."""
    function, weights = row.make(random)
    drawn = row.mean + row.deviation * _normal((batch, *row.shape), random)
    signal = (F.relu(drawn) if row.rectified else drawn).requires_grad_()
    output = function(signal)
    gradient = _normal(tuple(output.shape), random)
    (back,) = torch.autograd.grad(output, signal, gradient, retain_graph=True)
    behind = _s(output, gradient)
    if weights is None:
        return _s(signal, back) / behind, None
    squares = 0.0
    for point, of_point in zip(signal.detach().split(1), gradient.split(1), strict=True):
        (own,) = torch.autograd.grad(function(point), weights, of_point)
        squares += float(own.square().sum())
    # N E[W^2] E[DW^2], E[DW^2] = squares / (batch * N)
    return _s(signal, back) / behind, float(weights.detach().square().mean()) * squares / batch / behind


def _s(signal: Tensor, gradient: Tensor) -> float:
    """s of one datapoint: its numbers times both second moments."""
    return signal[0].numel() * float(signal.detach().square().mean()) * float(gradient.square().mean())
