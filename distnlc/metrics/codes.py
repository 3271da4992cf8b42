"""Where the neurons of a network change their codes, as points along a closed curve go through it.

In: pre-activations, layer by layer, of points that come one batch after another. Out: the number of code changes
between each point and the next one (the last and the first included), per layer. Two batches' codes are in memory.
Pre-activations of a torch module are seen by hooks at activation modules; those of a layered network (MLP) at its
activation functions. A neuron that crosses two thresholds at once changes its code by 2.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from distnlc.metrics.measurable import UnmeasurableError, shown
from distnlc.metrics.neurons import Thresholds, neuron_of, neuron_of_activation, zero_of_activation
from distnlc.networks.activations import Activation
from distnlc.networks.mlp import MLP

See = Callable[[str, Tensor, Thresholds], None]
"""gets a layer's name, its pre-activations (points, ...) and their thresholds, each time that it is computed"""

NO_NEURONS = (nn.MultiheadAttention, nn.GLU, nn.Softmin, nn.Softmax, nn.Softmax2d, nn.LogSoftmax)
"""modules of torch's file of activations that do not act element by element"""


UNSEEN = "none of the activation modules was called, so no neuron was seen"


class Changes:
    """Counts of changes between neighbouring points, while they come."""

    def __init__(self) -> None:
        self.neurons: dict[str, int] = {}
        self._first: dict[str, Tensor] = {}
        self._last: dict[str, Tensor] = {}
        self._counts: dict[str, list[Tensor]] = {}

    def see(self, name: str, pre_activations: Tensor, thresholds: Thresholds) -> None:
        """The next points of a layer, (points, ...)."""
        rows = pre_activations.detach().flatten(1)
        if not bool(rows.isfinite().all()):
            raise UnmeasurableError(f"pre-activations must be finite, but those of {name} are nan or infinity")
        codes = torch.cat([rows > threshold for threshold in thresholds], 1)
        before = self._last.get(name, codes[:1])
        changes = (codes ^ torch.cat([before, codes[:-1]])).sum(1)
        self._first.setdefault(name, codes[0].clone())
        self._last[name] = codes[-1:].clone()
        self._counts.setdefault(name, []).append(changes)
        self.neurons[name] = rows.shape[1]

    def closed(self) -> dict[str, Tensor]:
        """Layer -> (points,) int64, the changes from each point to the next, from the last to the first."""
        if not self._counts:
            raise UnmeasurableError(UNSEEN)
        closed = {}
        for name, counts in self._counts.items():
            joined = torch.cat(counts)  # from the point before, and 0 at the first
            joined[0] = (self._first[name] ^ self._last[name][0]).sum()
            closed[name] = joined.roll(-1)
        return closed


Begin = Callable[[Tensor], None]
"""is told each batch before it goes through a watched network"""


@contextmanager
def watched(
    module: nn.Module | None, see: See, *, at: Mapping[str, Thresholds] | None, zero: bool = False
) -> Iterator[Begin]:
    """While this lasts, `see` gets every pre-activation of the module, which must be a copy of one's own.

    Yields what is to be told each batch. module: what is inside the function that is called; None is refused. at: names
    of submodules whose outputs are pre-activations, instead of the inputs of activation modules; zero: every activation
    function has one threshold, at 0. Raises ValueError if there is nothing to see, or an activation module has no
    thresholds.
    """
    if module is None:
        raise UnmeasurableError("neurons can be seen in a torch module only, and the network is another callable")
    calls, sizes = dict[str, int](), list[int]()

    def begin(batch: Tensor) -> None:
        calls.clear()
        sizes[:] = [len(batch)]

    def seen(name: str, thresholds: Thresholds, tensor: object) -> None:
        if not isinstance(tensor, Tensor) or tensor.shape[:1] != (*sizes,):
            raise UnmeasurableError(
                f"the pre-activations at {name} must be a tensor ({sizes[0]}, ...), a row for each point of the batch, "
                f"found {shown(tensor)}"
            )
        calls[name] = calls.get(name, 0) + 1
        see(name if calls[name] == 1 else f"{name} ({calls[name]})", tensor, thresholds)

    with ExitStack() as hooks:
        if at is None:
            for name, place, thresholds in _places(module, zero=zero):
                if isinstance(place, MLP):
                    hooks.enter_context(_watched_layered(place, name, seen, zero=zero))
                else:
                    hook = partial(_see_inputs, seen, name, thresholds)
                    hooks.callback(place.register_forward_pre_hook(hook, with_kwargs=True).remove)
        else:
            for name, thresholds in at.items():
                if not thresholds:
                    raise ValueError(f"activations: {name!r} needs at least one threshold")
                hook = partial(_see_outputs, seen, name, tuple(sorted(map(float, thresholds))))
                hooks.callback(_submodule(module, name).register_forward_hook(hook).remove)
        yield begin


def _see_inputs(
    seen: Callable[..., None], name: str, thresholds: Thresholds, _: nn.Module, inputs: tuple, named: dict
) -> None:
    seen(name, thresholds, [*inputs, *named.values()][0])


def _see_outputs(
    seen: Callable[..., None], name: str, thresholds: Thresholds, _: nn.Module, __: tuple, outputs: Tensor
) -> None:
    seen(name, thresholds, outputs)


def _submodule(module: nn.Module, name: str) -> nn.Module:
    known = dict(module.named_modules())
    if name not in known or not name:
        raise ValueError(f"activations: the network has no module {name!r}; it has: {', '.join(filter(None, known))}")
    return known[name]


def _places(module: nn.Module, *, zero: bool) -> list[tuple[str, nn.Module, Thresholds]]:
    """Name, module and thresholds of each place where there are neurons. Raises ValueError."""
    found, without = list[tuple[str, nn.Module, Thresholds]](), set[str]()
    for name, each in module.named_modules():
        neuron = neuron_of(each)
        if isinstance(each, MLP):
            found.append((name, each, ()))
        elif neuron or (_acts(each) and zero):
            found.append((name or type(each).__name__, each, (0.0,) if zero or neuron is None else neuron.thresholds))
        elif _acts(each):
            without.add(type(each).__name__)
    if without or not found:
        types = ", ".join(sorted({type(each).__name__ for each in module.modules()}))
        said = f"{', '.join(sorted(without))} has no thresholds" if without else "it has no activation module"
        raise UnmeasurableError(
            f"the network's neurons cannot be seen: {said}. Its modules are: {types}. Name submodules whose outputs "
            'are pre-activations, such as activations={"layers.0": (0.0,)}'
        )
    return found


def _acts(module: nn.Module) -> bool:
    """Whether it is one of torch's element-wise activation functions."""
    return type(module).__module__ == nn.ReLU.__module__ and not isinstance(module, NO_NEURONS)


@dataclass(frozen=True)
class _Watched(Activation):
    """An activation function whose arguments are seen."""

    see: Callable[[Tensor], None]

    def __call__(self, s: Tensor) -> Tensor:
        self.see(s)
        return super().__call__(s)


@contextmanager
def _watched_layered(network: MLP, name: str, seen: Callable[..., None], *, zero: bool) -> Iterator[None]:
    """The same at the activation functions of a layered network, named by the linear layers before them."""
    unwatched, layers = network.layered, []
    for number, layer in enumerate(unwatched.layers):
        activation = layer.activation
        if activation is not None:
            thresholds = zero_of_activation(activation) if zero else neuron_of_activation(activation).thresholds
            place = f"{name}.linears.{number}" if name else f"linears.{number}"
            activation = _Watched(**vars(activation), see=partial(seen, place, thresholds))
        layers.append(replace(layer, activation=activation))
    network.layered = replace(unwatched, layers=tuple(layers))
    try:
        yield
    finally:
        network.layered = unwatched


def changes_along(
    function: Callable[[Tensor], object],
    module: nn.Module | None,
    points: Iterable[Tensor],
    *,
    at: Mapping[str, Thresholds] | None = None,
    zero: bool = False,
) -> Changes:
    """The changes along batches of points of a closed curve, in their order; `module`: what is inside the function.
    Raises ValueError for a function without a module, and as `watched` does."""
    changes = Changes()
    with watched(module, changes.see, at=at, zero=zero) as begin:
        for batch in points:
            begin(batch)
            function(batch)
    return changes
