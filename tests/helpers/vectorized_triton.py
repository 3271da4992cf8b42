"""Runs Triton kernels on a CPU, all programs of a grid at once: many times as fast as Triton's own interpreter, which
takes one program after the other. It knows the part of the language that this project's kernels use.

The kernel's own Python code runs, with values that carry the grid as a hidden first dimension and a `tl` of its own.
Beyond what the interpreter checks: a place outside of its tensor's memory, and one that two programs write, raise.

    with vectorized():
        kernel[grid](tensors, numbers, CONSTANTS=...)
"""

import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import triton
from torch import Tensor
from triton.runtime.jit import JITFunction

OPTIONS = ("num_warps", "num_stages", "warmup")


class Value:
    """A value of every program: `t` has the shape (programs or 1, *the value's shape)."""

    def __init__(self, t: Tensor) -> None:
        self.t = t
        self.dtype = t.dtype

    def __getitem__(self, key: Any) -> "Value":
        return Value(self.t[(slice(None), *(key if isinstance(key, tuple) else (key,)))])

    def to(self, dtype: torch.dtype) -> "Value":
        return Value(self.t.to(dtype))

    def __neg__(self) -> "Value":
        return Value(-self.t)

    def __invert__(self) -> "Value":
        return Value(~self.t)


def together(function: Callable[..., Tensor], *values: Any) -> Value:
    """The function of values and plain numbers, aligned behind the hidden dimension."""
    rank = max(value.t.ndim for value in values if isinstance(value, Value))
    aligned = [
        value.t[(slice(None), *[None] * (rank - value.t.ndim))] if isinstance(value, Value) else value
        for value in values
    ]
    return Value(function(*aligned))


for _name in ("add", "sub", "mul", "truediv", "and", "or", "lt", "le", "gt", "ge", "eq", "ne"):

    def _forward(self: Value, other: Any, name: str = f"__{_name}__") -> Any:
        if isinstance(other, Pointer):
            return other + self
        return together(lambda a, b: getattr(torch.as_tensor(a), name)(b), self, other)

    def _reversed(self: Value, other: Any, name: str = f"__{_name}__") -> Value:
        return together(lambda a, b: getattr(torch.as_tensor(b, dtype=a.dtype), name)(a), self, other)

    setattr(Value, f"__{_name}__", _forward)
    if _name in ("add", "sub", "mul", "truediv"):
        setattr(Value, f"__r{_name}__", _reversed)


class Pointer:
    """An address in a tensor's memory, counted in elements from the tensor's first."""

    def __init__(self, tensor: Tensor, offset: Any = None) -> None:
        self.tensor, self.offset = tensor, Value(torch.zeros(1, dtype=torch.int64)) if offset is None else offset
        self.dtype = types.SimpleNamespace(element_ty=tensor.dtype)

    def __add__(self, offset: Any) -> "Pointer":
        return Pointer(self.tensor, self.offset + offset)

    __radd__ = __add__

    def places(self, mask: Value | None) -> tuple[Tensor, Tensor, Tensor]:
        """The memory as one row, the places in it, and which of them are meant. Raises IndexError outside of it."""
        first = self.tensor.storage_offset()
        count = self.tensor.untyped_storage().nbytes() // self.tensor.element_size() - first
        memory = self.tensor.as_strided((count,), (1,), first)
        meant = Value(torch.ones(1, dtype=torch.bool)) if mask is None else mask
        places = together(lambda a, b: torch.where(b, a, 0), self.offset, meant).t
        meant_everywhere = together(lambda a, b: b.expand_as(a), Value(places), meant).t
        if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < count:
            raise IndexError(f"illegal memory access: {int(places.max())} in a memory of {count} elements")
        return memory, places, meant_everywhere


class Language:
    """What stands for `triton.language`; made anew for each launch."""

    int32, int64, constexpr = torch.int32, torch.int64, staticmethod(lambda value: value)

    def __init__(self, grid: tuple[int, ...]) -> None:
        sizes = (*grid, 1, 1)[:3]
        self._ids = torch.meshgrid(*[torch.arange(size) for size in sizes], indexing="ij")

    def program_id(self, axis: int) -> Value:
        return Value(self._ids[axis].flatten())

    def arange(self, first: int, end: int) -> Value:
        assert (end - first) & (end - first - 1) == 0, "Triton wants a power of 2"
        return Value(torch.arange(first, end)[None])

    def zeros(self, shape: tuple[int, ...], dtype: torch.dtype) -> Value:
        return Value(torch.zeros(1, *shape, dtype=dtype))

    def load(self, pointer: Pointer, mask: Value | None = None, other: float = 0) -> Value:
        memory, places, meant = pointer.places(mask)
        return Value(torch.where(meant, memory[places], other))

    def store(self, pointer: Pointer, value: Any, mask: Value | None = None) -> None:
        memory, places, meant = pointer.places(mask)
        value = value if isinstance(value, Value) else Value(torch.tensor([value], dtype=memory.dtype))
        spread = together(lambda a, b: b.expand_as(a), Value(places), value).t
        meant = meant.expand_as(spread)
        written = places.expand_as(spread)[meant]
        if written.numel():
            assert int((written - written.min()).bincount().max()) == 1, "two programs write one place"
        memory[written] = spread[meant].to(memory.dtype)

    def where(self, condition: Value, one: Any, other: Any) -> Value:
        return together(torch.where, condition, one, other)

    def sum(self, value: Value, axis: int) -> Value:
        return Value(value.t.sum(axis + 1, dtype=value.dtype))

    def max(self, value: Value, axis: int) -> Value:
        """Without what is not a number, as on a GPU."""
        floating = value.dtype.is_floating_point
        return Value((value.t.nan_to_num(-torch.inf, torch.inf, -torch.inf) if floating else value.t).amax(axis + 1))

    def min(self, value: Value, axis: int) -> Value:
        return Value(value.t.amin(axis + 1))

    def exp(self, value: Value) -> Value:
        return Value(value.t.exp())

    def log(self, value: Value) -> Value:
        return Value(value.t.log())

    def sqrt(self, value: Value) -> Value:
        return Value(value.t.sqrt())

    def abs(self, value: Value) -> Value:
        return Value(value.t.abs())

    def static_assert(self, condition: bool) -> None:
        assert condition

    def debug_barrier(self) -> None:
        """All programs and all threads keep step here."""


def run(kernel: JITFunction[Any], grid: tuple[int, ...], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    """One launch on CPU tensors."""
    function = _with_language(kernel, Language(grid))
    named = {name: value for name, value in options.items() if name not in OPTIONS}
    bound = inspect.signature(function).bind(*arguments, **named)
    function(*[Pointer(value) if isinstance(value, Tensor) else value for value in bound.arguments.values()])


def _with_language(kernel: JITFunction[Any], language: Language) -> Callable[..., None]:
    """The kernel's Python code, and that of the functions that it calls, with another `tl`."""
    spaces: dict[str, dict[str, Any]] = {}

    def rewritten(one: JITFunction[Any]) -> Callable[..., None]:
        module = one.fn.__module__
        if module not in spaces:
            spaces[module] = own = {**one.fn.__globals__, "tl": language}
            for name, value in own.items():
                if isinstance(value, triton.language.constexpr):
                    own[name] = value.value
                elif isinstance(value, JITFunction):
                    own[name] = rewritten(value)
        return types.FunctionType(one.fn.__code__, spaces[module], one.fn.__name__)

    return rewritten(kernel)


@contextmanager
def vectorized() -> Iterator[None]:
    """Within, a launch of any kernel that is not interpreted runs here."""
    real = JITFunction.run

    def launch(self: JITFunction[Any], *arguments: Any, grid: tuple[int, ...], **options: Any) -> None:
        run(self, grid, arguments, options)

    JITFunction.run = launch
    try:
        yield
    finally:
        JITFunction.run = real
