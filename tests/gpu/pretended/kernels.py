"""Triton's kernels on the pretended GPU: their Python code runs, on the memories of the device's tensors."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from triton.runtime.jit import JITFunction, _normalize_ty

from tests.gpu.pretended.costs import bytes_of
from tests.gpu.pretended.machine import MACHINE, Work
from tests.gpu.pretended.tensor import Cuda, inner_of
from tests.helpers import vectorized_triton

GRID_LIMITS = (2**31 - 1, 65_535, 65_535)


def run(function: JITFunction, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> None:
    """In place of `JITFunction.run`, which `kernel[grid](...)` calls. Refuses what a GPU refuses: tensors of
    the host, too large a grid, and in a capture a kernel that was never launched, which would be compiled and loaded
    there."""
    if warmup:
        return
    MACHINE.check()
    arguments = dict(zip(function.arg_names, args, strict=False))
    arguments |= {name: value for name, value in kwargs.items() if name in function.arg_names}
    kinds = {name: _normalize_ty(kind) for name, kind in function.fn.__annotations__.items()}
    arguments = {name: _passed(name, value, kinds.get(name, "")) for name, value in arguments.items()}
    grid = grid(arguments) if callable(grid) else grid
    if any(size > limit for size, limit in zip(grid, GRID_LIMITS, strict=False)):
        raise RuntimeError(f"Triton Error [CUDA]: invalid argument (a grid of {grid})")
    compiled = (function.fn, *(_specialized(value, kinds.get(name, "")) for name, value in arguments.items()))
    if compiled not in _loaded:
        MACHINE.refuse_in_capture(f"the first launch of the kernel {function.__name__}")
        _loaded.add(compiled)

    def launch(**arguments: Any) -> None:
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            vectorized_triton.run(function, grid, (), arguments)

    inner = {name: inner_of(value) for name, value in arguments.items()}
    if MACHINE.capturing is not None:
        MACHINE.capturing.note_launch(launch, arguments)
    else:
        launch(**inner)
    MACHINE.start(function.__name__, Work(1, bytes_of(inner.values())))


_loaded: set[tuple[Any, ...]] = set()
"""the kernels that were launched, each with what it was compiled for"""


def _passed(name: str, value: Any, kind: str) -> Any:
    """The argument as the kernel gets it: a Python float in single precision, unless its annotation says otherwise."""
    if isinstance(value, Tensor) and not isinstance(value, Cuda):
        raise ValueError(f"Pointer argument ({name}) cannot be accessed from Triton (cpu tensor?)")
    if isinstance(value, float) and kind not in {"constexpr", "fp64"}:
        return float(np.float32(value))
    return value


def _specialized(value: Any, kind: str) -> Any:
    """What Triton compiles a kernel anew for: constants, types, and whether numbers are 1 or multiples of 16."""
    if kind == "constexpr":
        return value
    if isinstance(value, Tensor):
        return value.dtype, inner_of(value).data_ptr() % 16 == 0
    if isinstance(value, int):
        return value == 1, value % 16 == 0
    return type(value)
