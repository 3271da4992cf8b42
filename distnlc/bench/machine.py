"""The machine that is measured: its description, its clock, and the memory that work on it takes."""

import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distnlc.training import native_library
from distnlc.versions import cpu_name


def describe() -> dict[str, Any]:
    """Everything that the numbers depend on, as plain data."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count() or 1,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_instructions": torch.backends.cpu.get_cpu_capability(),
        "torch_blas": _torch_blas(),
        "numpy": np.__version__,
        "numpy_blas": f"{blas['name']} {blas['version']}",
        "native_program": _native_program(),
    }


def _native_program() -> str:
    """The library that does the CPU program's products, or why there is no such program."""
    try:
        native_library.library(torch.float64)
        return f"OpenBLAS's {native_library.kernels()} kernels"
    except native_library.NoLibrary as reason:
        return f"none: {reason}"


def _torch_blas() -> str:
    built_with = torch.__config__.show()
    mkl = re.search(r"Math Kernel Library Version (\S+)", built_with)
    other = re.search(r"BLAS_INFO=(\w+)", built_with)
    return f"MKL {mkl[1]}" if mkl else other[1] if other else "unknown"


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """These environment variables, for processes that are started within."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def seconds(work: Callable[[], Any], device: str) -> float:
    """The wall time of the work, including what the device still had to do for it."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - began


def peak_bytes(device: str, *, restart: bool = False) -> int | None:
    """The most memory since the last restart, which may be now: of the GPU's tensors, or resident in this process.

    None where the system does not tell (Linux does).
    """
    if device == "cuda":
        if restart:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    try:
        if restart:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])
