"""Measuring points of a network: the output of every module, in order of execution.

In: a module, and a function that is called with each output while the network runs, before a later operation can change
it in place. A point is named by the module's path in the network and by the number of its call. These have no point:
    outputs that are no tensors    of a tuple, list or mapping each tensor directly inside has one, as `lstm[0]`
    tensors of other things        those that are not of floating point, or lack the batch on their first axis
The network's own output is no point here. A module that is shared is named by its first path.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn


class Tap(NamedTuple):
    """One measuring point."""

    place: str
    """the module's path, such as `layers.2.conv`, with the entry of a tuple or mapping behind it"""
    module: str
    """its type, such as `Conv2d`"""
    call: int = 1
    """which of the module's calls, from 1"""


class Running:
    """Where a tapped network is at the moment: so that an error can be placed."""

    def __init__(self) -> None:
        self._entered: list[Tap] = []

    def enter(self, tap: Tap) -> None:
        self._entered.append(tap)

    def leave(self, place: str) -> Tap:
        """The innermost call of that module; calls inside it that an error ended, which it caught, are left too."""
        while (tap := self._entered.pop()).place != place:
            pass
        return tap

    @property
    def innermost(self) -> Tap | None:
        """The module that was running last; None outside all modules."""
        return self._entered[-1] if self._entered else None


@contextmanager
def tapped(network: nn.Module, batch: int, see: Callable[[Tap, Tensor], None], running: Running) -> Iterator[None]:
    """While this lasts, `see` gets every output of the modules inside the network; their outputs are left as they are.

    batch: the number of datapoints, by which a tensor of datapoints is known. running: is told where the network is.
    """
    calls = dict[str, int]()

    def enter(place: str, module: nn.Module, _: Any) -> None:
        calls[place] = calls.get(place, 0) + 1
        running.enter(Tap(place, type(module).__name__, calls[place]))

    def leave(place: str, _: nn.Module, __: Any, outputs: Any) -> None:
        tap = running.leave(place)
        for entry, tensor in _tensors(outputs):
            if is_of_datapoints(tensor, batch):
                see(tap._replace(place=tap.place + entry), tensor)

    with ExitStack() as hooks:
        for place, module in network.named_modules():
            if not place:  # the network itself
                continue
            hooks.callback(module.register_forward_pre_hook(partial(enter, place)).remove)
            hooks.callback(module.register_forward_hook(partial(leave, place)).remove)
        yield


def is_of_datapoints(tensor: Tensor, batch: int) -> bool:
    """Whether it is a floating-point tensor (batch, ...)."""
    return tensor.is_floating_point() and tensor.ndim > 0 and len(tensor) == batch


def _tensors(outputs: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors among a module's outputs, with what is written behind the module's path."""
    if isinstance(outputs, Tensor):
        yield "", outputs
        return
    entries: Iterable[tuple[Any, Any]] = ()
    if isinstance(outputs, Mapping):
        entries = outputs.items()
    elif isinstance(outputs, list | tuple):
        entries = enumerate(outputs)
    for name, value in entries:
        if isinstance(value, Tensor):
            yield f"[{name}]", value
