"""Batch norm with the statistics of one batch for every other batch too, so that a network is a function of points.

In: a copy of a network, which is changed, and a batch. Out: a function of points that computes every batch norm, in the
order of its calls, with the means and variances that the batch had there. Frozen are `functional.batch_norm` with the
batch's own statistics, which all of torch's batch norms call, and the batch norm of layered networks; in evaluation
statistics are constants anyway. A batch norm that a network computes by hand is not known as one.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from distnlc.networks.mlp import EPSILON, MLP

Function = Callable[[Tensor], Tensor]


class _Frozen(TorchFunctionMode):
    """In the first pass it keeps the statistics of every batch norm, in later ones it gives them back."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._later: Iterator[tuple[Tensor, Tensor]] | None = None

    def begin(self) -> None:
        """A later pass."""
        self._later = iter(self._kept)

    def statistics(self, signal: Tensor, dimensions: list[int]) -> tuple[Tensor, Tensor]:
        """Variance and mean of this call."""
        if self._later is not None:
            return next(self._later)
        variance, mean = torch.var_mean(signal.detach(), dimensions, correction=0)
        self._kept.append((variance, mean))
        return variance, mean

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (self._batch_norm if function is nn.functional.batch_norm else function)(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        signal: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """As `functional.batch_norm`."""
        if training:
            running_var, running_mean = self.statistics(signal, [0, *range(2, signal.ndim)])
        return nn.functional.batch_norm(signal, running_mean, running_var, weight, bias, False, momentum, eps)

    def normalize(self, otherwise: Callable[[Tensor, str], Tensor], signal: Tensor, kind: str) -> Tensor:
        """As `MLP.normalize`."""
        if kind != "batch":
            return otherwise(signal, kind)
        variance, mean = self.statistics(signal, [0])
        return (signal - mean) * torch.rsqrt(variance + EPSILON)


def freeze_statistics(function: Function, module: nn.Module | None, batch: Tensor) -> Function:
    """The function of points with this batch's statistics; `module` is what is inside the function, if anything."""
    frozen = _Frozen()
    for each in () if module is None else module.modules():
        if isinstance(each, MLP):
            each.normalize = partial(frozen.normalize, each.normalize)  # type: ignore[method-assign]
    with torch.no_grad(), frozen:
        function(batch)

    def of_points(points: Tensor) -> Tensor:
        frozen.begin()
        with frozen:
            return function(points)

    return of_points
