"""What tests of the normalized sensitivity share: chi by place, and a network that is written as one function."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

import distnlc


def chis(network: Any, inputs: Tensor, **more: int) -> dict[str, float]:
    """Place -> chi."""
    return {row.place: row.chi for row in distnlc.normalized_sensitivity(network, inputs, **more)}


class Calling(nn.Module):
    """A network whose forward pass is a function of itself."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.function = forward

    def forward(self, batch: Tensor) -> Any:
        return self.function(self, batch)
