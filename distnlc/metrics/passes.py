"""One pass of a batch through the caller's network, with every module's output seen: the ground of tapped metrics.

In: a network and inputs (batch, ...), float32 or float64. Out: a copy of the network in the inputs' type and on their
device, its outputs, and errors that name the place where the network raised them.
"""

from collections.abc import Callable

from torch import Tensor, nn

from distnlc.metrics.measurable import (
    TYPES,
    Network,
    UnmeasurableError,
    convert,
    copied_network,
    output_tensor,
    shown,
)
from distnlc.metrics.taps import Running, Tap, is_of_datapoints, tapped
from distnlc.networks.device_errors import of_device
from distnlc.spec import MOST_SHOWN

INPUT, OUTPUT = "(input)", "(output)"
"""places that are no module's path"""
NO_DERIVATIVE = "the network's outputs have no derivative by its inputs (does it leave torch, or detach, on the way?)"


def prepared(network: Network, inputs: Tensor, *, at_least: int) -> tuple[Tensor, Network, nn.Module | None]:
    """The inputs, a copy of the network in their type, and its module if it has one.

    Raises ValueError for inputs of a wrong type or shape, or with fewer datapoints.
    """
    if not isinstance(inputs, Tensor) or inputs.dtype not in TYPES:
        raise ValueError(
            f"inputs must be a float32 or float64 tensor, in which the network can be differentiated, found "
            f"{shown(inputs)}; convert them, such as by inputs.double()"
        )
    if inputs.ndim < 2 or len(inputs) < at_least or inputs.numel() == 0:
        wanted = f"at least {at_least} datapoint{'s' if at_least > 1 else ''}"
        raise ValueError(f"inputs must have the shape (batch, ...) with {wanted}, found {shown(inputs)}")
    if not bool(inputs.isfinite().all()):
        raise ValueError("inputs must be finite, found nan or infinity")
    function, module = copied_network(network)
    if module is not None:
        convert(module, inputs)
    return inputs.detach(), function, module


def called(
    function: Network,
    module: nn.Module | None,
    batch: Tensor,
    see: Callable[[Tap, Tensor], None],
    *,
    running: Running | None = None,
    why: Callable[[str], str] = lambda _: "raised an error",
) -> Tensor:
    """The outputs (batch, ...) of the tapped network. Raises UnmeasurableError where it raises, with the place.

    `running` is told where the network is; `why` puts in words what the text of an error means.
    """
    running = running or Running()
    with tapped(nn.Module() if module is None else module, len(batch), see, running):
        try:
            returned = function(batch)
        except UnmeasurableError:
            raise
        except Exception as error:  # whatever the user's code raises
            if of_device(error):
                raise
            raise UnmeasurableError(_why_not(error, running, module, batch, why)) from error
    return outputs_of(returned, batch)


def outputs_of(returned: object, batch: Tensor) -> Tensor:
    """The tensor of datapoints that the network returned. Raises UnmeasurableError."""
    outputs = output_tensor(returned)
    if not is_of_datapoints(outputs, len(batch)):
        raise UnmeasurableError(
            f"the network must map {shown(batch)} to ({len(batch)}, ...), but it returned {shown(outputs)}"
        )
    return outputs


def checked_finite(tap: Tap, signal: Tensor) -> None:
    """Raises UnmeasurableError for a signal that is not finite, with the place."""
    if not bool(signal.isfinite().all()):
        raise UnmeasurableError(
            f"the network's signal must be finite, but at {tap.place} ({tap.module}) it is nan or infinity"
        )


def _why_not(
    error: Exception, running: Running, module: nn.Module | None, batch: Tensor, why: Callable[[str], str]
) -> str:
    inner = running.innermost
    place = f"the network's module {inner.place} ({inner.module})" if inner else f"the network ({type_name(module)})"
    said = " ".join(str(error).partition("Please file an issue")[0].split())[:MOST_SHOWN]
    return f"{place}, where the inputs are {shown(batch)}, {why(said)}: {type(error).__name__}: {said}"


def type_name(module: nn.Module | None) -> str:
    return "a callable" if module is None else type(module).__name__
