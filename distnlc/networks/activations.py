"""The studies' activation functions, and those of section C with their random changes `c tau(d s + t) + b`.

`Activation` is a function of a tensor of any shape, differentiable by autograd; `value_and_slope` is the same
function and its derivative without autograd, for the training step. `plain_activation` leaves tau as it is;
`make_activation` finds the constants b and c of section C for which `E_s = 0` (if debiased) and `Q_s = 1` under
s ~ N(0, 1), by quadrature, so that they hold to rounding. The slope at a kink is that of the constant piece, 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.networks.quadrature import gaussian_mean

SELU_RIGHT, SELU_LEFT = 1.0507, 1.75814  # slope for s > 0, height of the exponential for s <= 0


def _selu(s: Tensor) -> Tensor:
    # not the sum of two clamped parts: autograd would add both of their slopes at exactly 0
    return torch.where(s > 0, SELU_RIGHT * s, SELU_LEFT * torch.expm1(s.clamp(max=0)))


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "selu": _selu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "even-tanh": lambda s: torch.tanh(s.abs()),
    "gaussian": lambda s: torch.exp(-s * s / 2) / math.sqrt(math.pi),
    "square": lambda s: s * s,
    "odd-square": lambda s: s * s.abs(),
    "relu6": functional.relu6,
    "hardtanh": functional.hardtanh,
    "hardsigmoid": lambda s: functional.hardtanh(s + 0.5, 0.0, 1.0),
}
"""name -> tau(s). The first eight are section C's, in the order of table 1. The hard sigmoid is min(max(s + 1/2, 0),
1), which is not torch's."""
SECTION_C = tuple(FUNCTIONS)[:8]
PIECES = {"relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0), "hardsigmoid": (-0.5, 0.5)}
"""where the one sloped piece of a function begins and ends; its slope is 1"""


@dataclass(frozen=True)
class Activation:
    """`scale * tau(dilation * s + shift) + offset`, all four constants fixed in training."""

    name: str
    dilation: float
    shift: float
    scale: float
    offset: float

    def __call__(self, s: Tensor) -> Tensor:
        return self.scale * FUNCTIONS[self.name](self.dilation * s + self.shift) + self.offset

    def value_and_slope(self, s: Tensor, value: Tensor, slope: Tensor | None) -> None:
        """Writes the function of `s` into `value` and, if given, its derivative into `slope` (shape of `s`)."""
        plain = self.dilation == 1 and self.shift == 0
        u = s if plain else s.mul(self.dilation).add_(self.shift)
        _write_value(self.name, u, value)
        if slope is not None:
            _write_slope(self.name, u, value, slope)
            slope.mul_(self.scale * self.dilation)
        value.mul_(self.scale)
        if self.offset != 0:
            value.add_(self.offset)


def _write_value(name: str, u: Tensor, value: Tensor) -> None:
    if name == "relu":
        torch.clamp(u, min=0, out=value)
    elif name == "selu":
        torch.clamp(u, max=0, out=value)
        value.expm1_().mul_(SELU_LEFT).add_(u.clamp(min=0), alpha=SELU_RIGHT)
    elif name == "tanh":
        torch.tanh(u, out=value)
    elif name == "sigmoid":
        torch.sigmoid(u, out=value)
    elif name == "even-tanh":
        torch.abs(u, out=value)
        value.tanh_()
    elif name == "gaussian":
        torch.mul(u, u, out=value)
        value.mul_(-0.5).exp_().mul_(1 / math.sqrt(math.pi))
    elif name == "square":
        torch.mul(u, u, out=value)
    elif name == "odd-square":
        torch.abs(u, out=value)
        value.mul_(u)
    elif name in PIECES:
        torch.clamp(u, *PIECES[name], out=value)
        if name == "hardsigmoid":
            value.add_(0.5)
    else:
        raise unknown(name)


def _write_slope(name: str, u: Tensor, value: Tensor, slope: Tensor) -> None:
    """tau'(u), given tau(u) in `value`: most slopes follow from the value without another exponential."""
    if name == "relu":
        torch.gt(u, 0, out=slope)
    elif name == "selu":
        # right of 0 the clamped value is 0; the step then takes SELU_LEFT down to SELU_RIGHT, without a slow branch
        step = torch.gt(u, 0, out=torch.empty_like(u)).mul_(SELU_LEFT - SELU_RIGHT)
        torch.clamp(value, max=0, out=slope).add_(SELU_LEFT).sub_(step)
    elif name in {"tanh", "even-tanh"}:
        torch.mul(value, value, out=slope)
        slope.neg_().add_(1)
        if name == "even-tanh":
            slope.mul_(u.sign())
    elif name == "sigmoid":
        torch.mul(value, value, out=slope)
        slope.neg_().add_(value)
    elif name == "gaussian":
        torch.mul(u, value, out=slope)
        slope.neg_()
    elif name == "square":
        torch.mul(u, 2, out=slope)
    elif name == "odd-square":
        torch.abs(u, out=slope)
        slope.mul_(2)
    else:
        low, high = PIECES[name]
        torch.gt(u, low, out=slope)
        slope.mul_(u < high)


class PaperHardSigmoid(nn.Module):
    """The hard sigmoid of the studies as a module, of a tensor of any shape: min(max(s + 1/2, 0), 1)."""

    def forward(self, s: Tensor) -> Tensor:
        return FUNCTIONS["hardsigmoid"](s)


def unknown(name: str) -> ValueError:
    """What to raise for a function that there is not."""
    return ValueError(f"unknown activation function {name!r}; there are: {', '.join(FUNCTIONS)}")


def plain_activation(name: str) -> Activation:
    """tau itself. Raises ValueError for an unknown name."""
    if name not in FUNCTIONS:
        raise unknown(name)
    return Activation(name, dilation=1.0, shift=0.0, scale=1.0, offset=0.0)


@lru_cache(maxsize=1024)
def make_activation(name: str, *, dilation: float = 1.0, shift: float = 0.0, debiased: bool = False) -> Activation:
    """The activation with its constants b and c. Raises ValueError for an unknown name."""
    if name not in FUNCTIONS:
        raise unknown(name)
    tau, kinks = FUNCTIONS[name], [(kink - shift) / dilation for kink in PIECES.get(name, (0.0,))]

    def mean(function: Callable[[Tensor], Tensor]) -> float:
        return gaussian_mean(lambda s: function(tau(dilation * s + shift)), kinks=kinks)

    center = mean(lambda value: value) if debiased else 0.0
    scale = 1 / math.sqrt(mean(lambda value: (value - center) ** 2))
    return Activation(name, dilation, shift, scale, -scale * center if debiased else 0.0)
