"""Passes over a signal or gradient between the matrix products of layer_gradients.py: in C, or the same in torch.

In: some rows of a float64 signal or gradient (rows, width), contiguous on a CPU, that are changed in place; sums over
datapoints that go on from one call to the next. `passes()` gives the C functions (native/layer_gradients.c), which take
a third of torch's time since each reads its rows once; where C cannot be compiled, torch's, equal up to rounding.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from distnlc.networks.activations import Activation, plain_activation
from distnlc.training.native_library import NoLibrary, compiled

SOURCE = Path(__file__).with_name("native") / "layer_gradients.c"
KINDS = {"relu": 1, "tanh": 2, "selu": 3}
"""activation functions that there are passes for, by the numbers of the C code"""


class Passes(Protocol):
    """What stands between two matrix products."""

    def square_sum(self, values: Tensor) -> float:
        """The sum of all squares."""

    def add_carried(self, signal: Tensor, carried: Tensor) -> tuple[float, float, float]:
        """Adds `carried` to the signal; sums of squares of the signal before, of `carried`, of the signal after."""

    def neuron_sums(self, signal: Tensor, shift: Tensor, sums: Tensor) -> None:
        """Adds to `sums` (2, width) each neuron's values less its shift, and their squares."""

    def normalize_neurons(self, signal: Tensor, means: Tensor, inverse: Tensor) -> None:
        """Each neuron less its mean, times the inverse of its deviation (width,)."""

    def normalize_points(self, signal: Tensor, centred: bool, inverse: Tensor) -> None:
        """Each datapoint less its mean, if centred, by its quadratic mean, whose inverse is written to (rows,): 0 for a
        datapoint that is 0."""

    def activate(self, kind: str, signal: Tensor, values: Tensor, sums: Tensor) -> float:
        """Writes the activation function's values: the sum of their squares. Adds to `sums` (3, width) each neuron's
        signal, its squares and how many are positive."""

    def through_activation(self, kind: str, signal: Tensor, gradient: Tensor) -> tuple[float, float]:
        """The gradient at the value becomes that at the signal; sums of squares before and after."""

    def gradient_sums(self, signal: Tensor, gradient: Tensor, sums: Tensor) -> None:
        """Adds to `sums` (2, width) each neuron's gradient, and its product with the normalized signal."""

    def through_neurons(self, signal: Tensor, gradient: Tensor, means: Tensor, inverse: Tensor) -> float:
        """The gradient at normalized neurons becomes that at what was normalized: the sum of its squares. `means`
        (2, width) are those of `gradient_sums`."""

    def through_points(self, signal: Tensor, gradient: Tensor, centred: bool, inverse: Tensor) -> float:
        """The same where each datapoint was normalized."""


def passes() -> Passes:
    """The C functions; torch's where there is no compiler."""
    functions = _functions()
    return TorchPasses() if functions is None else NativePasses(functions)


@cache
def _functions() -> Any:
    """The C functions, None where there is no compiler."""
    try:
        functions = compiled(SOURCE, [])
    except NoLibrary:
        return None
    number, whole, pointer = ctypes.c_double, ctypes.c_int64, ctypes.c_void_p
    shape, flag = [whole, whole], ctypes.c_int
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "square_sum": (number, [whole, pointer]),
        "add_carried": (None, [*shape, pointer, pointer, pointer]),
        "neuron_sums": (None, [*shape, *[pointer] * 3]),
        "normalize_neurons": (None, [*shape, *[pointer] * 3]),
        "normalize_points": (None, [*shape, flag, *[pointer] * 2]),
        "activate": (number, [*shape, flag, *[pointer] * 3]),
        "through_activation": (None, [*shape, flag, *[pointer] * 3]),
        "gradient_sums": (None, [*shape, *[pointer] * 3]),
        "through_neurons": (number, [*shape, *[pointer] * 4]),
        "through_points": (number, [*shape, flag, *[pointer] * 3]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(functions, name)
        function.restype, function.argtypes = result, arguments
    return functions


class NativePasses:
    """The C functions."""

    def __init__(self, functions: Any) -> None:
        self._c = functions
        self._sums = torch.zeros(3, dtype=torch.float64)

    def square_sum(self, values: Tensor) -> float:
        found: float = self._c.square_sum(values.numel(), values.data_ptr())
        return found

    def add_carried(self, signal: Tensor, carried: Tensor) -> tuple[float, float, float]:
        self._sums.zero_()
        self._c.add_carried(*signal.shape, signal.data_ptr(), carried.data_ptr(), self._sums.data_ptr())
        before, brought, after = self._sums.tolist()
        return before, brought, after

    def neuron_sums(self, signal: Tensor, shift: Tensor, sums: Tensor) -> None:
        self._c.neuron_sums(*signal.shape, signal.data_ptr(), shift.data_ptr(), sums.data_ptr())

    def normalize_neurons(self, signal: Tensor, means: Tensor, inverse: Tensor) -> None:
        self._c.normalize_neurons(*signal.shape, signal.data_ptr(), means.data_ptr(), inverse.data_ptr())

    def normalize_points(self, signal: Tensor, centred: bool, inverse: Tensor) -> None:
        self._c.normalize_points(*signal.shape, centred, signal.data_ptr(), inverse.data_ptr())

    def activate(self, kind: str, signal: Tensor, values: Tensor, sums: Tensor) -> float:
        places = signal.data_ptr(), values.data_ptr(), sums.data_ptr()
        found: float = self._c.activate(*signal.shape, KINDS[kind], *places)
        return found

    def through_activation(self, kind: str, signal: Tensor, gradient: Tensor) -> tuple[float, float]:
        self._sums.zero_()
        places = signal.data_ptr(), gradient.data_ptr(), self._sums.data_ptr()
        self._c.through_activation(*signal.shape, KINDS[kind], *places)
        before, after, _ = self._sums.tolist()
        return before, after

    def gradient_sums(self, signal: Tensor, gradient: Tensor, sums: Tensor) -> None:
        self._c.gradient_sums(*signal.shape, signal.data_ptr(), gradient.data_ptr(), sums.data_ptr())

    def through_neurons(self, signal: Tensor, gradient: Tensor, means: Tensor, inverse: Tensor) -> float:
        places = signal.data_ptr(), gradient.data_ptr(), means.data_ptr(), inverse.data_ptr()
        found: float = self._c.through_neurons(*signal.shape, *places)
        return found

    def through_points(self, signal: Tensor, gradient: Tensor, centred: bool, inverse: Tensor) -> float:
        places = signal.data_ptr(), gradient.data_ptr(), inverse.data_ptr()
        found: float = self._c.through_points(*signal.shape, centred, *places)
        return found


class TorchPasses:
    """The same in torch, on whatever device."""

    def square_sum(self, values: Tensor) -> float:
        return float(values.square().sum())

    def add_carried(self, signal: Tensor, carried: Tensor) -> tuple[float, float, float]:
        before = self.square_sum(signal)
        return before, self.square_sum(carried), self.square_sum(signal.add_(carried))

    def neuron_sums(self, signal: Tensor, shift: Tensor, sums: Tensor) -> None:
        values = signal - shift
        sums += torch.stack([values.sum(0), values.square().sum(0)])

    def normalize_neurons(self, signal: Tensor, means: Tensor, inverse: Tensor) -> None:
        signal.sub_(means).mul_(inverse)

    def normalize_points(self, signal: Tensor, centred: bool, inverse: Tensor) -> None:
        if centred:
            signal -= signal.mean(1, keepdim=True)
        sizes = signal.square().mean(1).sqrt()
        inverse.copy_(torch.where(sizes == 0, 0, 1 / sizes))
        signal *= inverse[:, None]

    def activate(self, kind: str, signal: Tensor, values: Tensor, sums: Tensor) -> float:
        _activation(kind).value_and_slope(signal, values, None)
        sums += torch.stack([signal.sum(0), signal.square().sum(0), (signal > 0).double().sum(0)])
        return self.square_sum(values)

    def through_activation(self, kind: str, signal: Tensor, gradient: Tensor) -> tuple[float, float]:
        before, slope = self.square_sum(gradient), torch.empty_like(signal)
        _activation(kind).value_and_slope(signal, torch.empty_like(signal), slope)
        return before, self.square_sum(gradient.mul_(slope))

    def gradient_sums(self, signal: Tensor, gradient: Tensor, sums: Tensor) -> None:
        sums += torch.stack([gradient.sum(0), (gradient * signal).sum(0)])

    def through_neurons(self, signal: Tensor, gradient: Tensor, means: Tensor, inverse: Tensor) -> float:
        return self.square_sum(gradient.sub_(means[0]).sub_(signal * means[1]).mul_(inverse))

    def through_points(self, signal: Tensor, gradient: Tensor, centred: bool, inverse: Tensor) -> float:
        along = (gradient * signal).mean(1, keepdim=True)
        if centred:
            gradient -= gradient.mean(1, keepdim=True)
        return self.square_sum(gradient.sub_(signal * along).mul_(inverse[:, None]))


@cache
def _activation(kind: str) -> Activation:
    return plain_activation(kind)
