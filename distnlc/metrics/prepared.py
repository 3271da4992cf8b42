"""What the metrics of sensitivity share: inputs that can be measured, and the network as a function of single points.

In: the caller's network and inputs. Out: a copy of the network in the inputs' type and on their device, without dropout
(measurable.py), refused where a point's outputs depend on the other points of its batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from distnlc.metrics.batches import couples
from distnlc.metrics.chains import Chain, plain_chain
from distnlc.metrics.measurable import TYPES, Measurable, Network, UnmeasurableError, convert, copied_network, shown


def checked_points(inputs: Tensor, what: str = "inputs") -> Tensor:
    """The inputs, detached. Raises ValueError unless they are finite numbers (points, d_in...) of TYPES."""
    if not isinstance(inputs, Tensor) or inputs.dtype not in TYPES or inputs.ndim < 2 or inputs.numel() == 0:
        raise ValueError(
            f"{what} must be a float32 or float64 tensor (points, d_in...), at least one point, found {shown(inputs)}"
        )
    bad = ~inputs.flatten(1).isfinite().all(1)
    if bool(bad.any()):
        raise ValueError(f"{what} must be finite, found nan or infinity in row {int(bad.nonzero()[0])}")
    return inputs.detach()


class Prepared(NamedTuple):
    """The copy that is measured."""

    function: Measurable
    module: nn.Module | None
    """inside the function; None for a callable that is no module, nor a method of one"""
    chain: Chain | None
    """all that the function does, if it is a plain chain"""


def prepared(network: Network, like: Tensor) -> Prepared:
    """A copy in the type and on the device of inputs. Raises UnmeasurableError for a module that cannot be copied."""
    called, module = copied_network(network)
    if module is not None:
        convert(module, like)
    function = Measurable(called)
    whole = function.module if isinstance(network, nn.Module) else None
    return Prepared(function, function.module, None if whole is None else plain_chain(whole))


def check_points_apart(function: Measurable, inputs: Tensor, batch_size: int, what: str) -> None:
    """Raises UnmeasurableError for a network that has no derivative, or is not a function of single points."""
    batch = inputs[:batch_size] if len(inputs) > 1 else torch.cat([inputs, inputs])
    if why_not := function.why_no_function(batch):
        raise UnmeasurableError(why_not)
    if couples(function, batch[:2]) or couples(function, batch):
        raise UnmeasurableError(
            f"{what} of one point is not defined: its outputs depend on the other points of its batch; "
            "give the network in eval() mode, with running statistics"
        )
