"""Scalars and residual blocks whose weights the scaling calculus can balance (spec sections 5, 6; additions A9).

    Multiplier    y = u x, with a fixed or a learnable u
    Residual      y = alpha S(x) + beta R(x), alpha^2 + beta^2 = 1: both branches' second moments add up to that of x
    rescale_weights    the alpha and beta of a stack of blocks, as RescaleNet has them

In: modules. Out: modules, which `scaling_plan` reads and `geometric_init_` initializes: inside a branch the scaling
factor is alpha^2 or beta^2 times that outside.
"""

import math
import warnings

import torch
from torch import Tensor, nn

SUM_TOLERANCE = 1e-6
"""by which alpha^2 + beta^2 may differ from 1"""


class Multiplier(nn.Module):
    """(any shape) -> the same, times `value`: a buffer, or one trained number."""

    value: Tensor

    def __init__(self, value: float, learnable: bool = False) -> None:
        """Raises ValueError for 0 and for what is not finite, behind which nothing could be trained."""
        super().__init__()
        if not (math.isfinite(value) and value != 0):
            raise ValueError(f"Multiplier: expected a finite number other than 0, found {value}")
        self.start, self.learnable = float(value), learnable
        if learnable:
            self.value = nn.Parameter(torch.tensor(self.start))
        else:
            self.register_buffer("value", torch.tensor(self.start))

    def forward(self, signal: Tensor) -> Tensor:
        return signal * self.value

    def extra_repr(self) -> str:
        return f"{self.start:g}, learnable={self.learnable}"


class Residual(nn.Module):
    """x -> alpha shortcut(x) + beta main(x)."""

    def __init__(
        self, main: nn.Module, shortcut: nn.Module | None = None, *, alpha: float | None = None, beta: float
    ) -> None:
        """shortcut: None is the identity. alpha: by default sqrt(1 - beta^2).

        Raises ValueError for a beta outside (0, 1] and an alpha that is negative or not finite; warns where
        alpha^2 + beta^2 is not 1, since the signal then grows or shrinks from block to block.
        """
        super().__init__()
        if not 0 < beta <= 1:
            raise ValueError(f"Residual: expected beta in (0, 1], found {beta}")
        alpha = math.sqrt(1 - beta**2) if alpha is None else alpha
        if not 0 <= alpha < math.inf:
            raise ValueError(f"Residual: expected a finite alpha of at least 0, found {alpha}")
        if abs(alpha**2 + beta**2 - 1) > SUM_TOLERANCE:
            warnings.warn(
                f"Residual: alpha^2 + beta^2 should be 1, found {alpha**2 + beta**2:.4g}: the signal's second moment "
                "changes by that factor in each block",
                stacklevel=2,
            )
        self.alpha, self.beta = float(alpha), float(beta)
        self.main, self.shortcut = main, nn.Identity() if shortcut is None else shortcut

    @property
    def shares(self) -> tuple[float, float]:
        """(shortcut, main): of the scaling factor around the block, those inside its branches."""
        total = self.alpha**2 + self.beta**2
        return self.alpha**2 / total, self.beta**2 / total

    def forward(self, signal: Tensor) -> Tensor:
        shortcut = self.shortcut(signal.clone())  # either branch may begin with an operation in place
        return self.alpha * shortcut + self.beta * self.main(signal.clone())

    def extra_repr(self) -> str:
        return f"alpha={self.alpha:.6g}, beta={self.beta:.6g}"


def rescale_weights(blocks: int) -> list[tuple[float, float]]:
    """(alpha, beta) of each of a stack of residual blocks, the lowest first; RescaleNet's.

    alpha^2 = (L - 2 + l) / (L - 1 + l) and beta^2 = 1 / (L - 1 + l) in block l = 1 ... L, so that the block that comes
    last has about half the weight of the first (A9). Raises ValueError for fewer than one block.
    """
    if blocks < 1:
        raise ValueError(f"rescale_weights: expected at least 1 block, found {blocks}")
    sums = [blocks - 1 + number for number in range(1, blocks + 1)]
    return [(math.sqrt((each - 1) / each), math.sqrt(1 / each)) for each in sums]
