"""Batch norms that ask for their statistics: the one place that stands in for torch's batch norm and the MLP's.

In: a rule for the statistics (fixed_statistics.py, frozen_statistics.py, zen_score.py), and a pass of a network. Out:
the pass with these statistics wherever a batch norm takes the batch's own. That is `functional.batch_norm`, which all
of torch's batch norms call, and the batch norm of layered networks; in evaluation torch's take their running statistics
as ever. A batch norm that a network computes by hand, or in a script, is not known as one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from distnlc.networks.mlp import EPSILON, MLP


class BatchNorms(TorchFunctionMode, ABC):
    """While this lasts, `functional.batch_norm` takes `statistics` for those of a batch, and updates none."""

    bare = False
    """whether batch norms in evaluation ask too, and all do without gain and bias"""

    @abstractmethod
    def statistics(self, signal: Tensor, dimensions: list[int]) -> tuple[Tensor, Tensor]:
        """Variance and mean over these dimensions, which they do not keep."""

    def take_layered(self, network: nn.Module) -> None:
        """Makes the layered networks inside ask for their statistics, too, from now on."""
        for module in network.modules():
            if isinstance(module, MLP):
                module.normalize = partial(self._normalize, module.normalize)  # type: ignore[method-assign]

    def normalized(self, signal: Tensor) -> Tensor:
        """The batch norm of layered networks, (..., batch, width)."""
        variance, mean = (each.unsqueeze(-2) for each in self.statistics(signal, [-2]))
        return (signal - mean) * torch.rsqrt(variance + EPSILON)

    def _normalize(self, otherwise: Callable[[Tensor, str], Tensor], signal: Tensor, kind: str) -> Tensor:
        """Takes the arguments of `MLP.normalize`, which is `otherwise`."""
        return self.normalized(signal) if kind == "batch" else otherwise(signal, kind)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (self._batch_norm if function is nn.functional.batch_norm else function)(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Takes the arguments of `functional.batch_norm`."""
        if self.bare:
            training, weight, bias = True, None, None
        if training:
            running_var, running_mean = self.statistics(input, [0, *range(2, input.ndim)])
        return nn.functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
