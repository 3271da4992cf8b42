"""The C functions of the metrics, compiled for this machine on first use; without a compiler others stand in for them.

In: a file of native/ and a dtype. Out: its functions, or None; then one line warns, since what stands in is slower.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from distnlc.training.native_library import REALS, NoLibrary, compiled
from distnlc.training.once import warn_once

FOLDER = Path(__file__).with_name("native")
ADDRESS, COUNT, REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
"""types of arguments: arrays by their address"""


@cache
def functions(name: str, dtype: torch.dtype = torch.float32, flags: Sequence[str] = ()) -> ctypes.CDLL | None:
    """Those of native/`name`.c for a dtype, None where C cannot be compiled. Tried once in a process, so that it never
    changes from one rounding to another."""
    try:
        return compiled(FOLDER / f"{name}.c", [f"-DREAL={REALS[dtype][0]}", *flags])
    except NoLibrary as reason:
        warn_once(f"random networks and effective ranks are computed without C code, several times slower: {reason}")
        return None


def fits(tensor: Tensor) -> bool:
    """Whether C can work on a tensor's memory: row after row on a CPU, and nothing is to be derived."""
    return tensor.is_cpu and tensor.dtype in REALS and tensor.is_contiguous() and not tensor.requires_grad
