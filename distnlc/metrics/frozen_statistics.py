"""Batch norm with the statistics of one batch for every other batch too, so that a network is a function of points.

In: a copy of a network, which is changed, and a batch. Out: a function of points that computes every batch norm, in the
order of its calls, with the means and variances that the batch had there. batch_norms.py says which batch norms are
known.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from distnlc.metrics.batch_norms import BatchNorms

Function = Callable[[Tensor], Tensor]


class _Frozen(BatchNorms):
    """In the first pass it keeps the statistics of every batch norm, in later ones it gives them back."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._later: Iterator[tuple[Tensor, Tensor]] | None = None

    def begin(self) -> None:
        """A later pass."""
        self._later = iter(self._kept)

    def statistics(self, signal: Tensor, dimensions: list[int]) -> tuple[Tensor, Tensor]:
        """Those of this call in the first pass."""
        if self._later is not None:
            return next(self._later)
        variance, mean = torch.var_mean(signal.detach(), dimensions, correction=0)
        self._kept.append((variance, mean))
        return variance, mean


def freeze_statistics(function: Function, module: nn.Module | None, batch: Tensor) -> Function:
    """The function of points with this batch's statistics; `module` is what is inside the function, if anything."""
    frozen = _Frozen()
    if module is not None:
        frozen.take_layered(module)
    with torch.no_grad(), frozen:
        function(batch)

    def of_points(points: Tensor) -> Tensor:
        frozen.begin()
        with frozen:
            return function(points)

    return of_points
